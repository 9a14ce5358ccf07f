// Every page that `octavo report`, `plan` and `simulate` write, made by the commands themselves.

import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { reports } from '../../src/analysis/reports/index.ts';
import { createProgram } from '../../src/cli/program.ts';

const trace = fileURLToPath(new URL('../../src/simulation/fixtures/mooncake.jsonl', import.meta.url));

const poisson = ['--generate', 'poisson', '--rate', '12', '--requests', '400'];
const gamma = ['--generate', 'gamma', '--cv', '2', '--rate', '8', '--requests', '200'];

const others: readonly (readonly [name: string, ...args: readonly string[]])[] = [
  ['plan-fits', 'plan', 'llama-13b', '--budget', '40gb', '--max-model-len', '2048', '--max-num-seqs', '4'],
  ['plan-fewer', 'plan', 'llama-3.1-8b', '--budget', '24gb', '--max-model-len', '32768', '--max-num-seqs', '16'],
  ['plan-none', 'plan', 'llama-3.1-70b', '--budget', '16gb', '--sequence-tokens', '100,250,900'],
  ['simulate-run', 'simulate', ...poisson, '--capacity-blocks', '600'],
  ['simulate-trace', 'simulate', '--trace', trace, '--capacity-blocks', '4000', '--block-size', '512'],
  ['simulate-sweep', 'simulate', ...gamma, '--sweep', 'block-size=8,16,32', '--sweep', 'pool-tokens=4800,9600,19200'],
  ['simulate-goodput', 'simulate', ...gamma, '--sweep', 'pool=300,600,1200', '--goodput', 'ttft:500,tpot:50'],
];

async function octavo(...args: string[]): Promise<void> {
  await createProgram().parseAsync(['node', 'octavo', ...args]);
}

export const analysisPageNames: readonly string[] = [...reports, ...others.map(([name]) => ({ name }))].map(
  ({ name }) => name,
);

/** Writes them to a folder, each as its name with `.html`. `quick` measures little. */
export async function makeAnalysisPages(folder: string, quick: boolean): Promise<void> {
  await octavo('report', 'all', '--out', folder, ...(quick ? ['--quick'] : []));
  for (const [name, ...args] of others) await octavo(...args, '--html', join(folder, `${name}.html`));
}
