// The language of the page, and its words.

import { computed } from '@preact/signals';
import { en, type Words } from './en.ts';
import { language } from './language-signal.ts';
import { zh } from './zh.ts';

export { type Language, language, languages } from './language-signal.ts';

/** Read `words.value` where it is shown: what reads it follows the language. */
export const words = computed<Words>(() => (language.value === 'zh' ? zh : en));
