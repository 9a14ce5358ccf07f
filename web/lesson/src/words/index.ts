// The words of the language that is chosen.

import { computed } from '@preact/signals';
import { language } from '../../../src/i18n/language-signal.ts';
import { en, type Words } from './en.ts';
import { zh } from './zh.ts';

export type { Words } from './en.ts';

/** Read `words.value` where it is shown. */
export const words = computed<Words>(() => (language.value === 'zh' ? zh : en));
