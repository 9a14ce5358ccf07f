// Text in the languages of the pages. Nothing here needs Node: the pages in the browser use it too.

export { type WordName, words } from './words.ts';

export const languages = ['en', 'zh'] as const;
export type Language = (typeof languages)[number];

/** How a language calls itself. */
export const languageNames: Readonly<Record<Language, string>> = { en: 'English', zh: '中文' };

/** The same in every language. */
export type Text = Readonly<Record<Language, string>>;

export const text = (en: string, zh: string): Text => ({ en, zh });

/** What is written alike everywhere: names, numbers with their units. */
export const same = (value: string): Text => ({ en: value, zh: value });

/** A text, or what is written alike everywhere, in one language. */
export function inLanguage(value: Text | string, language: Language): string {
  return typeof value === 'string' ? value : value[language];
}

/** Joins texts in each language with the same separator. */
export function joinTexts(parts: readonly (Text | string)[], separator = ''): Text {
  const joined = (language: Language) => parts.map((part) => inLanguage(part, language)).join(separator);
  return { en: joined('en'), zh: joined('zh') };
}
