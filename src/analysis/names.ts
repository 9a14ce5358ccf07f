// What memory modes are called on pages, and which colour they have: the same on every page.

import type { MemoryMode } from '../memory/index.ts';
import { type Text, words } from './i18n/index.ts';

export const modeNames: Readonly<Record<MemoryMode, Text>> = {
  paged: words.paged,
  'contiguous-max': words.contiguousMax,
  'contiguous-pow2': words.contiguousPow2,
  'contiguous-exact': words.contiguousExact,
};

/** Indices of series colours. */
export const modeColors: Readonly<Record<MemoryMode, number>> = {
  paged: 0,
  'contiguous-max': 4,
  'contiguous-pow2': 1,
  'contiguous-exact': 2,
};
