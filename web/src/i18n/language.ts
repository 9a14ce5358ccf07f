// The language of the page, and its words.

import { computed, effect } from '@preact/signals';
import { storedSignal } from '../shell/stored.ts';
import { en, type Words } from './en.ts';
import { zh } from './zh.ts';

export const languages = ['en', 'zh'] as const;
export type Language = (typeof languages)[number];

/** Chinese if the browser prefers it to English. */
function preferredLanguage(): Language {
  for (const tag of navigator.languages ?? [navigator.language]) {
    if (/^zh\b/i.test(tag)) return 'zh';
    if (/^en\b/i.test(tag)) return 'en';
  }
  return 'en';
}

export const language = storedSignal<Language>('octavo-language', languages, preferredLanguage());

/** Read `words.value` where it is shown: what reads it follows the language. */
export const words = computed<Words>(() => (language.value === 'zh' ? zh : en));

effect(() => {
  document.documentElement.lang = language.value === 'zh' ? 'zh-Hans' : 'en';
});
