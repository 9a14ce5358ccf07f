// Flags of commands that write charts and pages.

import { writeFile } from 'node:fs/promises';
import { type Command, Option } from 'commander';
import type { Chart } from '../analysis/charts/chart.ts';
import { palettes, type Theme, themes } from '../analysis/charts/colors.ts';
import { type Language, languages } from '../analysis/i18n/index.ts';
import { InvalidRequestError, ModelFileError, TraceFileError, UnsupportedModelError } from '../errors/index.ts';
import { CliError } from './cli-error.ts';

export interface DrawingFlags {
  readonly lang: Language;
  readonly theme: Theme;
}

/** `--lang` and `--theme`. */
export function addDrawingFlags(command: Command): Command {
  return command
    .addOption(new Option('--lang <language>', 'language of table, SVG and PNG').choices([...languages]).default('en'))
    .addOption(new Option('--theme <name>', 'colours of SVG and PNG').choices([...themes]).default('light'));
}

const drawingWidth = 880;

/** Charts one below the other, as SVG. What draws is loaded when there is something to draw, so that help is quick. */
export async function drawSvg(charts: readonly Chart[], flags: DrawingFlags, font?: string): Promise<string> {
  const { renderCharts } = await import('../analysis/charts/index.ts');
  const style = { language: flags.lang, width: drawingWidth, isNarrow: false, colors: palettes[flags.theme] };
  return `${renderCharts(charts, style, { withTitle: true, withSurface: true, font })}\n`;
}

/** The same as PNG. */
export async function drawPng(charts: readonly Chart[], flags: DrawingFlags): Promise<Uint8Array> {
  const { renderPng } = await import('../analysis/charts/index.ts');
  return renderPng((font) => drawSvg(charts, flags, font), { language: flags.lang });
}

/** Writes a file whole. Throws CliError, with exit code 2, where it cannot be written. */
export async function writeOutput(path: string, content: string | Uint8Array): Promise<void> {
  try {
    await writeFile(path, content);
  } catch (cause) {
    throw new CliError(`${path} cannot be written: ${(cause as Error).message}`, null, 2, { cause });
  }
}

/** Input that the user can put right is a wrong command line: exit code 2 and one line. */
export function asUsageError(error: unknown): unknown {
  const isInput =
    error instanceof InvalidRequestError ||
    error instanceof ModelFileError ||
    error instanceof UnsupportedModelError ||
    error instanceof TraceFileError;
  return isInput ? new CliError((error as Error).message, null, 2, { cause: error as Error }) : error;
}
