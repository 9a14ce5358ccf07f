// A colour for each sequence of a scene, by its letter, the same in every view.

import { css, series } from '../../src/parts/palette.ts';
import { darkMode } from '../../src/shell/theme.ts';

export function colourOf(name: string): string {
  return css(series(name === 'Z' ? 11 : name.charCodeAt(0) - 65, darkMode.value));
}
