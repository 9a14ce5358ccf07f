// The language that is chosen, for every page.

import { effect } from '@preact/signals';
import { storedSignal } from '../shell/stored.ts';

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

effect(() => {
  document.documentElement.lang = language.value === 'zh' ? 'zh-Hans' : 'en';
});
