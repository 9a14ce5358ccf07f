// How long a model takes to be ready, and how much memory at most, each run in a process of its own.

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { createEngine } from '../src/index.ts';
import { synthesizeGguf } from '../src/models/synth/index.ts';
import { formatSummary, summarize } from './stats.ts';

const script = fileURLToPath(import.meta.url);
const { values } = parseArgs({
  options: {
    shape: { type: 'string', default: 'llama-3.2-1b' },
    type: { type: 'string', default: 'q8_0' },
    runs: { type: 'string', default: '3' },
    child: { type: 'string' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

/** Highest resident memory of this process so far, in bytes (Linux). */
function peakResidentBytes(): number {
  const line = readFileSync('/proc/self/status', 'utf8').match(/VmHWM:\s+(\d+) kB/);
  return Number(line?.[1] ?? 0) * 1024;
}

if (values.help) {
  console.log('npm run bench:load -- [--shape llama-3.2-1b] [--type q8_0] [--runs 3] [--json]');
} else if (values.child !== undefined) {
  const baselineBytes = peakResidentBytes();
  const startMs = performance.now();
  const engine = await createEngine({
    model: values.child,
    backend: 'cpu',
    maxModelLen: 512,
    maxNumSeqs: 1,
    maxNumBatchedTokens: 64,
  });
  const readyMs = performance.now() - startMs;
  const { weightBytes, kvBytes, scratchBytes } = engine.memory;
  console.log(
    JSON.stringify({ readyMs, baselineBytes, peakBytes: peakResidentBytes(), weightBytes, kvBytes, scratchBytes }),
  );
  await engine.close();
} else {
  const cache = join(dirname(script), '.cache');
  mkdirSync(cache, { recursive: true });
  const model = join(cache, `${values.shape}-${values.type}.gguf`);
  if (!existsSync(model))
    await synthesizeGguf({ shape: values.shape as never, dtype: values.type as never, path: model });
  const reports = Array.from({ length: Number(values.runs) }, () => {
    const { stdout, stderr, status } = spawnSync(process.execPath, ['--import', 'tsx', script, '--child', model], {
      encoding: 'utf8',
    });
    if (status !== 0) throw new Error(stderr);
    return JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as Record<string, number>;
  });
  const MiB = 1024 * 1024;
  const { weightBytes, kvBytes } = reports[0];
  const ready = summarize(reports.map(({ readyMs }) => readyMs / 1000));
  const peak = summarize(reports.map(({ peakBytes }) => peakBytes / MiB));
  const share = summarize(reports.map((report) => report.peakBytes / (report.weightBytes + report.kvBytes)));
  console.log(`${values.shape} ${values.type}, ${values.runs} runs: median (lowest to highest)`);
  console.log(`  ready after     ${formatSummary(ready, 2)} s`);
  console.log(`  peak resident   ${formatSummary(peak, 0)} MiB, all of Node included`);
  console.log(
    `  over the weights (${(weightBytes / MiB).toFixed(0)} MiB) and the pool (${(kvBytes / MiB).toFixed(0)} MiB): ${formatSummary(share, 3)}`,
  );
  if (values.json) console.log(JSON.stringify({ model: `${values.shape} ${values.type}`, ready, peak, share }));
}
