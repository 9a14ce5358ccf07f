// Charts as PNG, through resvg, with a font of this machine that has the characters.

import { InvalidRequestError } from '../../errors/index.ts';
import type { Language } from '../i18n/index.ts';

/** Characters that a font must have for the labels of a language. */
const probes: Readonly<Record<Language, string>> = { en: 'A', zh: '页' };

/** Families to try, the likelier ones first; the last is whatever the system calls so. */
const families: Readonly<Record<Language, readonly string[]>> = {
  en: ['Inter', 'Segoe UI', 'Helvetica Neue', 'Noto Sans', 'DejaVu Sans', 'Liberation Sans', 'Arial', 'sans-serif'],
  zh: [
    'Noto Sans CJK SC',
    'Noto Sans SC',
    'Source Han Sans SC',
    'PingFang SC',
    'Microsoft YaHei',
    'WenQuanYi Micro Hei',
    'WenQuanYi Zen Hei',
    'SimHei',
    'Droid Sans Fallback',
  ],
};

export interface PngOptions {
  readonly language: Language;
  /** Pixels of the image for each of the drawing. Defaults to 2. */
  readonly scale?: number;
  /** Font files to look in beside those of the system. */
  readonly fontFiles?: readonly string[];
}

/**
 * Renders `draw(font)` as PNG, where `font` is a family of this machine that has the language's characters. Throws InvalidRequestError if
 * there is none: the labels would be missing without a word.
 */
export async function renderPng(
  draw: (font: string) => string | Promise<string>,
  options: PngOptions,
): Promise<Uint8Array> {
  const { Resvg } = await import('@resvg/resvg-js');
  const { language, scale = 2, fontFiles = [] } = options;
  const fonts = { loadSystemFonts: true, fontFiles: [...fontFiles] };
  const hasGlyphs = (family: string): boolean => {
    const probe = `<svg xmlns="http://www.w3.org/2000/svg" width="40" height="40"><text y="30" font-size="24" font-family="${family}">${probes[language]}</text></svg>`;
    return new Resvg(probe, { font: { ...fonts, defaultFontFamily: family } }).getBBox() !== undefined;
  };
  const font = families[language].find(hasGlyphs);
  if (font === undefined) {
    throw new InvalidRequestError(
      language === 'zh'
        ? 'no font of this machine has Chinese characters: install one (such as Noto Sans CJK), or take --lang en'
        : 'no font was found on this machine: install one (such as DejaVu Sans) for PNG',
      'language',
      language,
    );
  }
  const image = new Resvg(await draw(font), {
    font: { ...fonts, defaultFontFamily: font },
    fitTo: { mode: 'zoom', value: scale },
  }).render();
  return image.asPng();
}
