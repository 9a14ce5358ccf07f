// Tables on the terminal, without lines.

import CliTable from 'cli-table3';
import pc from 'picocolors';

/** The first column is aligned left and the others right, unless told otherwise. */
export function plainTable(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  aligns: readonly ('left' | 'right')[] = [],
): string {
  const made = new CliTable({
    head: head.map((text) => pc.bold(text)),
    style: { head: [], border: [], compact: true },
    colAligns: head.map((_, column) => aligns[column] ?? (column === 0 ? 'left' : 'right')),
    chars: {
      top: '',
      'top-mid': '',
      'top-left': '',
      'top-right': '',
      bottom: '',
      'bottom-mid': '',
      'bottom-left': '',
      'bottom-right': '',
      left: '',
      'left-mid': '',
      mid: '',
      'mid-mid': '',
      right: '',
      'right-mid': '',
      middle: '  ',
    },
  });
  made.push(...rows.map((row) => [...row]));
  return `${made.toString()}\n`;
}
