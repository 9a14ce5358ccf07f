// A grid of coloured cells with a few words in each.

import * as Plot from '@observablehq/plot';
import { inLanguage, type Text } from '../i18n/index.ts';
import { type Chart, type ChartColors, colorOf, type LegendItem } from './chart.ts';
import { estimateTextWidth } from './text-width.ts';

export interface GridCell {
  readonly column: number;
  readonly row: number;
  readonly label: Text | string;
  readonly color: LegendItem['color'];
  /** 0 to 1: how much of the colour, for cells that show a quantity. Without it the cell is filled. */
  readonly strength?: number;
}

export interface CellChartOptions {
  readonly id: string;
  readonly title: Text;
  readonly caption?: Text;
  readonly columns: readonly (Text | string)[];
  readonly rows: readonly (Text | string)[];
  readonly cells: readonly GridCell[];
  readonly legend?: readonly LegendItem[];
}

/** Opacities of a quantity: ink stays readable (4.5 to 1) on the strongest, in both themes. */
const faintest = 0.06;
const strongest = 0.52;

function inkOn({ strength, color }: GridCell, colors: ChartColors): string {
  if (strength !== undefined || color === 'grid') return colors.ink;
  return color === 'muted' ? colors.surface : colors.onSeries;
}

export function cellChart({ id, title, caption, columns, rows, cells, legend }: CellChartOptions): Chart {
  return {
    id,
    title,
    caption,
    legend,
    plot({ language, colors, isNarrow, width }) {
      const rowNames = rows.map((row) => inLanguage(row, language));
      const columnNames = columns.map((column) => inLanguage(column, language));
      const fontSize = isNarrow ? 10.5 : 12;
      const marginLeft = Math.ceil(Math.max(...rowNames.map((name) => estimateTextWidth(name, fontSize)))) + 12;
      const shown = cells.map((cell) => ({
        column: columnNames[cell.column],
        row: rowNames[cell.row],
        label: inLanguage(cell.label, language),
        color: colorOf(colors, cell.color),
        strength: cell.strength === undefined ? 1 : faintest + (strongest - faintest) * cell.strength,
        ink: inkOn(cell, colors),
      }));
      // Names that do not fit over their columns are turned.
      const widest = Math.max(...columnNames.map((name) => estimateTextWidth(name, fontSize)));
      const isTurned = widest + 4 > (width - marginLeft - 8) / columns.length;
      const marginTop = isTurned ? Math.ceil(widest * 0.64) + 22 : 30;
      return {
        height: rows.length * 38 + marginTop + 18,
        marginLeft,
        marginRight: isTurned ? Math.max(8, Math.ceil(widest * 0.5)) : 8,
        marginTop,
        marginBottom: 12,
        x: { type: 'band', domain: columnNames, axis: null, padding: 0.05 },
        y: { type: 'band', domain: rowNames, axis: null, padding: 0.08 },
        color: { type: 'identity' },
        opacity: { type: 'identity' },
        marks: [
          Plot.axisX({ anchor: 'top', label: null, tickSize: 0, fontSize, tickRotate: isTurned ? -40 : 0 }),
          Plot.axisY({ label: null, tickSize: 0, fontSize }),
          Plot.cell(shown, { x: 'column', y: 'row', fill: 'color', fillOpacity: 'strength', rx: 3 }),
          Plot.text(shown, { x: 'column', y: 'row', text: 'label', fill: 'ink', fontSize, fontWeight: 600 }),
        ],
      };
    },
  };
}
