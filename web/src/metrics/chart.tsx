// One live chart, with its values of now as text beside it.

import { useSignalEffect } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import uPlot from 'uplot';
import { figures } from '../i18n/format.ts';
import { language, words } from '../i18n/language.ts';
import { css, neutral, series as seriesColour } from '../parts/palette.ts';
import { useWidth } from '../parts/size.ts';
import { darkMode } from '../shell/theme.ts';
import type { ChartSpec } from './charts.ts';
import { columns, latest, sampleCount } from './poll.ts';

const heightPx = 140;
/** What the time axis shows at least. */
const leastSeconds = 30;

/** Colours of the series: far apart, so that two lines that cross are told apart. */
const colourIndices = [0, 1, 2];

function axis(dark: boolean): Partial<uPlot.Axis> {
  const grid = css(neutral('grid', dark));
  return {
    stroke: dark ? '#9ba2ab' : '#5a5f66',
    font: '11px system-ui, sans-serif',
    grid: { stroke: grid, width: 1 },
    ticks: { stroke: grid, width: 1, size: 4 },
    gap: 3,
  };
}

function twoDigits(value: number): string {
  return String(value).padStart(2, '0');
}

function clock(seconds: number): string {
  const time = new Date(seconds * 1000);
  return [time.getHours(), time.getMinutes(), time.getSeconds()].map(twoDigits).join(':');
}

function options(spec: ChartSpec, widthPx: number, windowSeconds: number, dark: boolean): uPlot.Options {
  return {
    width: widthPx,
    height: heightPx,
    padding: [8, 10, 0, 0],
    legend: { show: false },
    cursor: { y: false, points: { size: 6 } },
    scales: {
      x: {
        time: true,
        range: (_plot, _min, max) => {
          const end = max ?? Date.now() / 1000;
          // A page that was opened lately shows what there is, from the left.
          const first = columns.time[0] ?? end;
          return [Math.max(end - windowSeconds, Math.min(first, end - leastSeconds)), end];
        },
      },
      y: { range: (_plot, _min, max) => [0, Math.max(spec.atLeast, (max ?? 0) * 1.08)] },
    },
    axes: [
      { ...axis(dark), size: 24, space: 90, values: (_plot, splits) => splits.map(clock) },
      { ...axis(dark), size: 46, space: 28, values: (_plot, splits) => splits.map(shortFigure) },
    ],
    series: [
      {},
      ...spec.series.map((name, index) => ({
        label: name,
        stroke: css(seriesColour(colourIndices[index], dark)),
        width: 1.5,
        spanGaps: false,
        points: { show: false },
      })),
    ],
  };
}

/** Axis labels: 1,500 is 1.5k. */
function shortFigure(value: number): string {
  const shorten = (size: number, unit: string) => `${Number((value / size).toPrecision(3))}${unit}`;
  if (value >= 1e6) return shorten(1e6, 'M');
  if (value >= 1e4) return shorten(1e3, 'k');
  return String(Number(value.toPrecision(3)));
}

function dataOf(spec: ChartSpec): uPlot.AlignedData {
  return [columns.time, ...spec.series.map((name) => columns[name])] as unknown as uPlot.AlignedData;
}

export function Chart({ spec, windowSeconds }: { spec: ChartSpec; windowSeconds: number }) {
  const text = words.value.metrics;
  const { ref, widthPx } = useWidth<HTMLDivElement>();
  const plot = useRef<uPlot | null>(null);
  const width = widthPx.value;
  const dark = darkMode.value;
  useEffect(() => {
    if (ref.current === null || width === 0) return;
    const made = new uPlot(options(spec, width, windowSeconds, dark), dataOf(spec), ref.current);
    plot.current = made;
    return () => {
      plot.current = null;
      made.destroy();
    };
  }, [spec, width, windowSeconds, dark, language.value]);
  useSignalEffect(() => {
    void sampleCount.value;
    plot.current?.setData(dataOf(spec));
  });
  return (
    <figure class="chart panel" data-chart={spec.name}>
      <figcaption>
        <h2>{text.charts[spec.name]}</h2>
        <span class="unit">{text.units[spec.unit]}</span>
      </figcaption>
      <div ref={ref} aria-hidden="true" class="plot" />
      <ul class="legend">
        {spec.series.map((name, index) => {
          const value = latest.value[name];
          return (
            <li key={name}>
              <i class="swatch line" style={{ background: css(seriesColour(colourIndices[index], dark)) }} />
              {text.series[name]}
              <b data-series={name}>{value === undefined || value === null ? '–' : figures(value)}</b>
            </li>
          );
        })}
      </ul>
    </figure>
  );
}
