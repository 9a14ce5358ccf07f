// What a report is: it measures or computes, and gives charts, tables and the numbers themselves.

import type { Trace } from '../../simulation/index.ts';
import type { Chart } from '../charts/index.ts';
import type { Text } from '../i18n/index.ts';
import type { DataTable } from '../page/index.ts';

export interface ReportOptions {
  /** A file, folder, config.json or shape in place of a report's own; reports that run engines need a file or folder. */
  readonly model: string | null;
  readonly bundledModelPath: string;
  /** Requests to replay in place of made-up ones. */
  readonly trace: Trace | null;
  /** Of everything that is drawn at random. */
  readonly seed: number;
  /** Few repetitions and small sizes: to see that it runs. */
  readonly quick: boolean;
  /** A folder that reports may write to, and that the caller removes. */
  readonly scratchFolder: string;
  /** Milliseconds, monotonic. */
  readonly now: () => number;
  /** Parts done so far, of how many. */
  readonly onProgress: (done: number, total: number) => void;
}

export interface ReportContent {
  readonly findings: readonly Text[];
  readonly charts: readonly Chart[];
  readonly tables: readonly DataTable[];
  /** What was run, over what, and what is a formula. */
  readonly method: readonly Text[];
  /** The numbers, for programs. */
  readonly data: unknown;
}

export interface Report {
  readonly name: string;
  readonly title: Text;
  readonly summary: Text;
  run(options: ReportOptions): Promise<ReportContent>;
}
