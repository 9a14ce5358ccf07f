// The ways in which every page is looked at: languages, themes, widths.

import type { BrowserContextOptions } from 'playwright-core';

export type Language = 'en' | 'zh';

export interface Variant {
  readonly language: Language;
  readonly theme: 'light' | 'dark';
  readonly width: 1280 | 390;
}

/** Each language with each theme and with each width, in four. */
export const someVariants: readonly Variant[] = [
  { language: 'en', theme: 'light', width: 1280 },
  { language: 'zh', theme: 'dark', width: 1280 },
  { language: 'zh', theme: 'light', width: 390 },
  { language: 'en', theme: 'dark', width: 390 },
];

export const allVariants: readonly Variant[] = [
  ...someVariants,
  { language: 'zh', theme: 'light', width: 1280 },
  { language: 'en', theme: 'dark', width: 1280 },
  { language: 'en', theme: 'light', width: 390 },
  { language: 'zh', theme: 'dark', width: 390 },
];

export const nameOf = ({ language, theme, width }: Variant): string => `${language}-${theme}-${width}`;

export function contextOf({ language, theme, width }: Variant): BrowserContextOptions {
  return {
    viewport: { width, height: width === 390 ? 844 : 800 },
    colorScheme: theme,
    locale: language === 'zh' ? 'zh-CN' : 'en-US',
  };
}
