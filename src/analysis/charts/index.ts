// Charts as SVG and PNG.

export { type Axis, byteAxis, countAxis, decadeAxis, linearAxis, powersOfTwo, shareAxis, tokenAxis } from './axes.ts';
export { type BarRow, type BarSegment, barChart } from './bars.ts';
export { cellChart, type GridCell } from './cells.ts';
export { type Chart, type ChartColors, type ChartStyle, colorOf, type LegendItem } from './chart.ts';
export { cssColors, cssDeclarations, palettes, type Theme, themes } from './colors.ts';
export { type HeldRun, layoutChart, type Strip } from './layout.ts';
export { lineChart, type Series } from './lines.ts';
export { type PngOptions, renderPng } from './png.ts';
export { escapeXml, fontFamily, type RenderOptions, renderChart, renderCharts } from './render.ts';
