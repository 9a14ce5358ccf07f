// Charts: well-formed SVG in every width, language and theme, with their labels; PNG with a font; nothing fetched by a page.

import { Resvg } from '@resvg/resvg-js';
import { parseHTML } from 'linkedom';
import { describe, expect, it } from 'vitest';
import { InvalidRequestError } from '../../errors/index.ts';
import { languages, same, text, words } from '../i18n/index.ts';
import { renderPage } from '../page/index.ts';
import {
  barChart,
  byteAxis,
  type Chart,
  cellChart,
  countAxis,
  cssColors,
  decadeAxis,
  layoutChart,
  linearAxis,
  lineChart,
  palettes,
  renderChart,
  renderCharts,
  renderPng,
  shareAxis,
  themes,
  tokenAxis,
} from './index.ts';

const name = text('Growth & "waste" <of> memory', '增长与“浪费” <内存> & 其他');
const charts: readonly Chart[] = [
  lineChart({
    id: 'lines',
    title: name,
    caption: text('With a caption.', '带说明。'),
    x: tokenAxis(words.tokens, 512, 8192),
    y: byteAxis(text('Memory', '内存'), [1e6, 9e9]),
    series: [
      {
        label: words.paged,
        color: 0,
        points: [
          [512, 1e6],
          [8192, 4e9],
        ],
      },
      { label: same('dashed'), color: 1, isDashed: true, points: [[512, 2e6]] },
    ],
    levels: [{ label: same('level'), value: 2 ** 30, color: 'muted' }],
  }),
  barChart({
    id: 'bars',
    title: name,
    x: shareAxis(words.utilisation),
    rows: [
      {
        label: text('Paged: 98 %', '分页：98 %'),
        segments: [
          { value: 0.4, color: 0 },
          { value: 0.2, color: 'muted' },
        ],
      },
    ],
    levels: [{ value: 0.5, color: 2 }],
  }),
  barChart({
    id: 'log-bars',
    title: name,
    x: decadeAxis(words.latency, [0.001, 20]),
    rows: [{ label: 'a', segments: [{ value: 0.5, color: 0 }] }],
  }),
  cellChart({
    id: 'cells',
    title: name,
    columns: [words.contiguousMax, words.contiguousPow2],
    rows: [words.paged],
    cells: [
      { column: 0, row: 0, label: '12 %', color: 0, strength: 0.2 },
      { column: 1, row: 0, label: words.no, color: 'grid' },
    ],
  }),
  layoutChart({
    id: 'layout',
    title: name,
    slotCount: 256,
    strips: [{ label: words.paged, runs: [{ first: 0, held: 32, used: 20, color: 1 }] }],
  }),
];

/** Parses strictly: throws for what is no well-formed SVG. */
const parse = (svg: string) => new Resvg(svg, { font: { loadSystemFonts: false } });

const textsOf = (svg: string): string[] => {
  const { document } = parseHTML(`<body>${svg}</body>`);
  return [...document.querySelectorAll('text')].map((one) => one.textContent ?? '');
};

describe.each(charts)('chart $id', (chart) => {
  it('is well-formed, of its width, in both languages and all colours', () => {
    for (const language of languages) {
      for (const [width, isNarrow] of [
        [346, true],
        [880, false],
      ] as const) {
        for (const colors of [palettes.light, palettes.dark, cssColors]) {
          const svg = renderChart(chart, { language, width, isNarrow, colors }, { withTitle: true });
          expect(parse(svg).width).toBe(width);
          expect(svg.startsWith('<svg xmlns="http://www.w3.org/2000/svg"')).toBe(true);
          expect(svg).not.toMatch(/NaN|undefined|currentColor|Infinity/);
        }
      }
    }
  });

  it('says its title and its legend in the language', () => {
    for (const language of languages) {
      const svg = renderChart(
        chart,
        { language, width: 880, isNarrow: false, colors: palettes.light },
        { withTitle: true },
      );
      const texts = textsOf(svg);
      expect(texts).toContain(name[language]);
      for (const { label } of chart.legend ?? []) {
        expect(texts).toContain(typeof label === 'string' ? label : label[language]);
      }
    }
  });
});

it('bars are as long as their values', () => {
  const svg = renderChart(charts[1], { language: 'en', width: 880, isNarrow: false, colors: palettes.light });
  const { document } = parseHTML(`<body>${svg}</body>`);
  const widths = [...document.querySelectorAll('rect')].map((one) => Number(one.getAttribute('width')));
  const [first, second] = widths.filter((width) => width > 16);
  expect(first / second).toBeCloseTo(2, 2);
  expect(textsOf(svg)).toContain('Paged: 98 %');
});

it('axes have ticks that cover the values', () => {
  expect(linearAxis(words.cost, [0, 37]).ticks).toEqual([0, 10, 20, 30, 40]);
  expect(linearAxis(words.cost, [0.37]).domain).toEqual([0, 0.4]);
  expect(decadeAxis(words.cost, [3, 4000]).ticks).toEqual([1, 10, 100, 1000, 10_000]);
  expect(decadeAxis(words.cost, [3, 4000]).domain).toEqual([1, 10_000]);
  // Few decades are marked at ones, twos and fives.
  expect(decadeAxis(words.cost, [1, 16])).toMatchObject({ ticks: [1, 2, 5, 10, 20], domain: [1, 20] });
  expect(decadeAxis(words.cost, [0.3, 0.3])).toMatchObject({ ticks: [0.2, 0.5], domain: [0.2, 0.5] });
  expect(countAxis(words.sequences, [0]).ticks).toEqual([0, 1]);
  expect(countAxis(words.sequences, [7]).ticks).toEqual([0, 2, 4, 6, 8]);
  expect(byteAxis(words.cost, [1024, 1024 ** 2]).domain).toEqual([1024, 1024 ** 2]);
});

it('several charts make one drawing', () => {
  const style = { language: 'en', width: 880, isNarrow: false, colors: palettes.light } as const;
  const heights = charts.map((chart) => parse(renderChart(chart, style)).height);
  const all = parse(renderCharts(charts, style));
  expect(all.height).toBeCloseTo(heights.reduce((sum, height) => sum + height, 0) + 24 * (charts.length - 1), -1);
});

describe('PNG', () => {
  const draw = (font: string) =>
    renderChart(charts[0], { language: 'en', width: 400, isNarrow: false, colors: palettes.light }, { font });

  it('has the size asked for, and letters', async () => {
    const png = Buffer.from(await renderPng(draw, { language: 'en', scale: 2 }));
    expect(png.subarray(1, 4).toString()).toBe('PNG');
    expect(png.readUInt32BE(16)).toBe(800);
    // Without letters there would be less to store.
    const bare = await renderPng((font) => draw(font).replaceAll(/<text.*?<\/text>/g, ''), {
      language: 'en',
      scale: 2,
    });
    expect(png.length).toBeGreaterThan(bare.length + 1000);
  });

  it('in Chinese has its characters, or says which font is missing', async () => {
    const zh = (font: string) =>
      renderChart(charts[0], { language: 'zh', width: 400, isNarrow: false, colors: palettes.light }, { font });
    const result = await renderPng(zh, { language: 'zh' }).catch((error: unknown) => error);
    if (result instanceof Error) {
      expect(result).toBeInstanceOf(InvalidRequestError);
      expect(result.message).toContain('no font of this machine has Chinese characters');
    } else expect((result as Uint8Array).length).toBeGreaterThan(1000);
  });
});

describe('colours', () => {
  const luminance = (hex: string): number => {
    const [r, g, b] = [1, 3, 5].map((at) => {
      const value = Number.parseInt(hex.slice(at, at + 2), 16) / 255;
      return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const contrast = (one: string, other: string): number => {
    const [light, dark] = [luminance(one), luminance(other)].sort((a, b) => b - a);
    return (light + 0.05) / (dark + 0.05);
  };

  it.each(themes)('of the %s theme can be told from the surface and read on', (theme) => {
    const { series, surface, ink, muted, onSeries } = palettes[theme];
    for (const color of series) {
      expect(contrast(color, surface), color).toBeGreaterThan(4.5);
      expect(contrast(color, onSeries), color).toBeGreaterThan(4.5);
    }
    for (const color of [ink, muted]) expect(contrast(color, surface), color).toBeGreaterThan(4.5);
  });
});

describe('pages', () => {
  const page = renderPage({
    title: name,
    summary: text('A summary.', '摘要。'),
    findings: [text('A `finding`.', '一个`结论`。')],
    charts,
    tables: [
      {
        id: 'table',
        title: text('Table', '表'),
        columns: [{ label: words.model }, { label: words.value }],
        rows: [['a < b', text('yes', '是')]],
      },
    ],
    measured: {
      command: 'octavo report x',
      date: '2026-01-01T00:00:00Z',
      machine: 'a machine',
      seconds: 1,
      method: [],
    },
    data: { closing: '</script>' },
  });
  const { document } = parseHTML(page);

  it('hold everything themselves', () => {
    expect(page.replaceAll('http://www.w3.org/2000/svg', '')).not.toMatch(
      /https?:\/\/|url\(|@import|<link (?!rel="icon" href="data:,)/,
    );
    expect(JSON.parse(document.querySelector('#data')!.textContent!)).toEqual({ closing: '</script>' });
  });

  it('have each chart for both widths and languages, and a switch that needs no script', () => {
    for (const { id } of charts) {
      const figure = document.querySelector(`figure#${id}`)!;
      for (const language of languages) {
        expect(figure.querySelectorAll(`.wide[data-language=${language}] svg`)).toHaveLength(1);
        expect(figure.querySelectorAll(`.narrow[data-language=${language}] svg`)).toHaveLength(1);
      }
    }
    expect(document.querySelectorAll('input[type=radio][name=language]')).toHaveLength(2);
    expect(page).toContain('body:has(#language-zh:checked) [data-language=en]');
    expect(document.querySelector('#table tbody th')!.textContent).toBe('a < b');
    expect(document.querySelector('code')!.textContent).toBe('finding');
  });

  it('say how they were measured', () => {
    const measured = document.querySelector('#measured')!.textContent!;
    for (const part of ['octavo report x', '2026-01-01', 'a machine']) expect(measured).toContain(part);
  });
});

it('every word is in both languages', () => {
  for (const [key, word] of Object.entries(words)) {
    expect(word.en.trim(), key).not.toBe('');
    expect(word.zh === 'token' || /[\u4e00-\u9fff]/.test(word.zh), key).toBe(true);
  }
});
