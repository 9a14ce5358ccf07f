// One self-contained page: charts, tables, findings, and how it was measured. Nothing is fetched; the languages switch without a server.

import { type Chart, cssColors, escapeXml, renderChart } from '../charts/index.ts';
import { inLanguage, languageNames, languages, type Text, words } from '../i18n/index.ts';
import { pageScript, pageStyle } from './style.ts';
import { alignOf, type Cell, type DataTable } from './table.ts';

/** How the numbers came about. */
export interface Measured {
  /** As it can be typed. */
  readonly command: string;
  /** ISO 8601, to the second. */
  readonly date: string;
  /** Processor, cores, memory, Node. */
  readonly machine: string;
  readonly seconds: number;
  /** What was run, over what, and what is a formula. */
  readonly method: readonly Text[];
}

export interface PageContent {
  readonly title: Text;
  readonly summary: Text;
  readonly findings: readonly Text[];
  readonly charts: readonly Chart[];
  readonly tables: readonly DataTable[];
  readonly measured: Measured;
  /** The same numbers for programs, embedded as JSON. */
  readonly data: unknown;
}

/** What a section is wide inside, at most and on a telephone of 390 pixels. */
const wideWidth = 934;
const narrowWidth = 348;

export function renderPage(content: PageContent): string {
  const { title, summary, findings, charts, tables, measured } = content;
  const options = languages
    .map(
      (language) =>
        `<label lang="${codeOf(language)}"><input type="radio" name="language" id="language-${language}"${language === 'en' ? ' checked' : ''}>${languageNames[language]}</label>`,
    )
    .join('');
  const data = JSON.stringify(content.data).replaceAll('<', '\\u003c');
  return `<!doctype html>
<html lang="en" data-title-en="${escapeXml(title.en)}" data-title-zh="${escapeXml(title.zh)}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:">
<link rel="icon" href="data:,">
<title>${escapeXml(title.en)}</title>
<style>${pageStyle}</style>
</head>
<body>
<header><fieldset><legend>Language / 语言</legend>${options}</fieldset></header>
<main>
<h1>${both(title)}</h1>
<p>${both(summary)}</p>
${findings.length === 0 ? '' : `<section><h2>${both(words.findings)}</h2><ul>${findings.map((one) => `<li>${both(one)}</li>`).join('')}</ul></section>`}
${charts.map(renderFigure).join('\n')}
${tables.map(renderTable).join('\n')}
${renderMeasured(measured)}
</main>
<script type="application/json" id="data">${data}</script>
<script>${pageScript}</script>
</body>
</html>
`;
}

const codeOf = (language: string): string => (language === 'zh' ? 'zh-Hans' : 'en');

/** A text in every language, of which the switch shows one. */
function both(value: Text | string): string {
  if (typeof value === 'string' || value.en === value.zh) return markUp(inLanguage(value, 'en'));
  return languages
    .map((language) => `<span lang="${codeOf(language)}" data-language="${language}">${markUp(value[language])}</span>`)
    .join('');
}

/** `text` in backquotes is code. */
function markUp(value: string): string {
  return escapeXml(value).replaceAll(/`([^`]+)`/g, '<code>$1</code>');
}

function renderFigure(chart: Chart): string {
  const drawings = languages.flatMap((language) =>
    [false, true].map((isNarrow) => {
      const width = isNarrow ? narrowWidth : wideWidth;
      const svg = renderChart(chart, { language, width, isNarrow, colors: cssColors });
      return `<div class="${isNarrow ? 'narrow' : 'wide'}" data-language="${language}">${svg}</div>`;
    }),
  );
  const caption = chart.caption ? `<figcaption class="caption">${both(chart.caption)}</figcaption>` : '';
  return `<section><h2>${both(chart.title)}</h2><figure id="${chart.id}">${drawings.join('')}${caption}</figure></section>`;
}

function renderTable({ id, title, columns, rows, note }: DataTable): string {
  const classOf = (index: number) => (alignOf(columns[index], index) === 'left' ? ' class="left"' : '');
  const head = columns.map(({ label }, i) => `<th scope="col"${classOf(i)}>${both(label)}</th>`).join('');
  const cell = (value: Cell, i: number) =>
    i === 0 ? `<th scope="row"${classOf(0)}>${both(value)}</th>` : `<td${classOf(i)}>${both(value)}</td>`;
  const body = rows.map((row) => `<tr>${row.map(cell).join('')}</tr>`).join('');
  const explained = note ? `<p class="note">${both(note)}</p>` : '';
  return (
    `<section><h2 id="${id}-title">${both(title)}</h2><div class="scroll" role="region" tabindex="0" aria-labelledby="${id}-title">` +
    `<table id="${id}"><thead><tr>${head}</tr></thead><tbody>${body}</tbody></table></div>${explained}</section>`
  );
}

function renderMeasured({ command, date, machine, seconds, method }: Measured): string {
  const facts: readonly (readonly [Text, Text | string])[] = [
    [words.command, `\`${command}\``],
    [words.date, date],
    [words.machine, machine],
    [words.duration, `${seconds.toFixed(1)} s`],
  ];
  const list = facts.map(([name, value]) => `<dt>${both(name)}</dt><dd>${both(value)}</dd>`).join('');
  const notes = method.map((one) => `<li>${both(one)}</li>`).join('');
  return `<section id="measured"><h2>${both(words.howMeasured)}</h2><ul>${notes}</ul><dl>${list}</dl></section>`;
}
