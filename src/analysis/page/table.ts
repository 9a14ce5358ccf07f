// Tables of a page: the data that its charts draw.

import type { Text } from '../i18n/index.ts';

export type Cell = Text | string;

export interface Column {
  readonly label: Text | string;
  /** Defaults to `right` but for the first column. */
  readonly align?: 'left' | 'right';
}

export interface DataTable {
  readonly id: string;
  readonly title: Text;
  readonly columns: readonly Column[];
  readonly rows: readonly (readonly Cell[])[];
  /** What to know to read it. */
  readonly note?: Text;
}

export const alignOf = (column: Column, index: number): 'left' | 'right' =>
  column.align ?? (index === 0 ? 'left' : 'right');
