// Draws charts as SVG on the server: Observable Plot over linkedom, with a legend of our own, which Plot would make of HTML.

import * as Plot from '@observablehq/plot';
import { parseHTML } from 'linkedom';
import { inLanguage } from '../i18n/index.ts';
import { type Chart, type ChartColors, type ChartStyle, colorOf, type LegendItem } from './chart.ts';
import { estimateTextWidth, wrapText } from './text-width.ts';

/** Families with Latin and Chinese characters, as systems have them. */
export const fontFamily =
  "system-ui, 'Segoe UI', 'PingFang SC', 'Microsoft YaHei', 'Noto Sans CJK SC', 'WenQuanYi Micro Hei', 'DejaVu Sans', sans-serif";

const fontSize = 12;
const legendRow = 20;
const titleSize = 15;

export interface RenderOptions {
  /** Write title and caption into the drawing: where no page says them. Defaults to false. */
  readonly withTitle?: boolean;
  /** Paint the surface: where no page does. Defaults to false. */
  readonly withSurface?: boolean;
  /** Family to ask for. Defaults to `fontFamily`. */
  readonly font?: string;
}

interface Drawing {
  readonly height: number;
  /** Elements of SVG. */
  readonly content: string;
}

/** A whole SVG document of one chart. */
export function renderChart(chart: Chart, style: ChartStyle, options: RenderOptions = {}): string {
  return renderCharts([chart], style, options);
}

/** Several charts, one below the other, in one SVG document. */
export function renderCharts(charts: readonly Chart[], style: ChartStyle, options: RenderOptions = {}): string {
  const drawings = charts.map((chart) => draw(chart, style, options));
  const gap = 24;
  let top = 0;
  const parts: string[] = [];
  for (const { content, height } of drawings) {
    parts.push(`<g transform="translate(0,${round(top)})">${content}</g>`);
    top += height + gap;
  }
  const height = Math.ceil(top - gap) + (options.withTitle ? 10 : 0);
  const label = escapeXml(charts.map(({ title }) => inLanguage(title, style.language)).join('; '));
  const surface = options.withSurface
    ? `<rect width="${style.width}" height="${height}" fill="${style.colors.surface}"/>`
    : '';
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${style.width} ${height}" width="${style.width}" height="${height}" ` +
    `role="img" aria-label="${label}" lang="${style.language === 'zh' ? 'zh-Hans' : 'en'}" ` +
    `font-family="${options.font ?? fontFamily}" font-size="${fontSize}" fill="${style.colors.ink}">${surface}${parts.join('')}</svg>`
  );
}

function draw(chart: Chart, style: ChartStyle, options: RenderOptions): Drawing {
  const head = options.withTitle ? drawTitle(chart, style) : { height: 0, content: '' };
  const legend = drawLegend(chart.legend ?? [], style);
  const plot = drawPlot(chart, style);
  const plotTop = head.height + legend.height;
  return {
    height: plotTop + plot.height,
    content:
      head.content +
      `<g transform="translate(0,${round(head.height)})">${legend.content}</g>` +
      `<g transform="translate(0,${round(plotTop)})">${plot.content}</g>`,
  };
}

function drawPlot(chart: Chart, style: ChartStyle): Drawing {
  const { document } = parseHTML('<!doctype html><html><body></body></html>');
  const { colors } = style;
  const plotOptions = chart.plot(style);
  const element = Plot.plot({
    ...plotOptions,
    document: document as never,
    width: style.width,
    style: { color: colors.ink, fontSize: `${fontSize}px` },
  }) as unknown as {
    querySelectorAll(selector: string): { remove(): void }[];
    innerHTML: string;
    getAttribute(name: string): string;
  };
  // Its style sheet says what the page says already, in selectors that not every renderer knows.
  for (const sheet of element.querySelectorAll('style')) sheet.remove();
  const content = element.innerHTML
    .replaceAll('currentColor', colors.ink)
    .replaceAll('var(--plot-background)', colors.surface)
    // The whole drawing is one image to those who hear it; names of its parts are in English only.
    .replaceAll(/ aria-(?:label|hidden)="[^"]*"/g, '')
    .replaceAll(/(\d+\.\d{2})\d+/g, '$1');
  return { height: Number(element.getAttribute('height')), content: `<g text-anchor="middle">${content}</g>` };
}

function drawTitle(chart: Chart, { language, width, colors }: ChartStyle): Drawing {
  const margin = 12;
  const lines: string[] = [];
  let y = 8;
  for (const line of wrapText(inLanguage(chart.title, language), width - 2 * margin, titleSize)) {
    y += titleSize + 4;
    lines.push(`<text x="${margin}" y="${y}" font-size="${titleSize}" font-weight="600">${escapeXml(line)}</text>`);
  }
  if (chart.caption) {
    for (const line of wrapText(inLanguage(chart.caption, language), width - 2 * margin, fontSize)) {
      y += fontSize + 5;
      lines.push(`<text x="${margin}" y="${y}" fill="${colors.muted}">${escapeXml(line)}</text>`);
    }
  }
  return { height: y + 10, content: lines.join('') };
}

/** Rows of marks with labels, as many to a row as fit. */
function drawLegend(items: readonly LegendItem[], { language, width, colors }: ChartStyle): Drawing {
  if (items.length === 0) return { height: 0, content: '' };
  const margin = 12;
  const markWidth = 22;
  const parts: string[] = [];
  let x = margin;
  let y = 14;
  for (const item of items) {
    const label = inLanguage(item.label, language);
    const itemWidth = markWidth + estimateTextWidth(label, fontSize) + 18;
    if (x > margin && x + itemWidth > width - margin) {
      x = margin;
      y += legendRow;
    }
    const color = colorOf(colors, item.color);
    parts.push(
      drawMark(item.mark, x, y - 4, color, colors),
      `<text x="${x + markWidth}" y="${y}">${escapeXml(label)}</text>`,
    );
    x += itemWidth;
  }
  return { height: y + 10, content: parts.map(roundNumbers).join('') };
}

function drawMark(mark: LegendItem['mark'], x: number, y: number, color: string, colors: ChartColors): string {
  switch (mark) {
    case 'areas':
      return [0, 1, 2, 3]
        .map((i) => `<rect x="${x + i * 4}" y="${y - 6}" width="4" height="12" fill="${colors.series[i]}"/>`)
        .join('');
    case 'area':
      return `<rect x="${x}" y="${y - 6}" width="16" height="12" fill="${color}"/>`;
    case 'dot':
      return `<circle cx="${x + 8}" cy="${y}" r="4.5" fill="${color}"/>`;
    default: {
      const dash = mark === 'dashed' ? ' stroke-dasharray="4 3"' : '';
      return `<line x1="${x}" x2="${x + 16}" y1="${y}" y2="${y}" stroke="${color}" stroke-width="2.5"${dash}/>`;
    }
  }
}

const round = (value: number): number => Math.round(value * 100) / 100;

function roundNumbers(content: string): string {
  return content.replaceAll(/="(-?\d+\.\d{3,})"/g, (_, digits) => `="${round(Number(digits))}"`);
}

export function escapeXml(value: string): string {
  return value.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}
