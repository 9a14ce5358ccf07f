// `octavo simulate`: requests through the real scheduler and memory manager, without a model.

import type { Command } from 'commander';
import { addSimulateFlags, type SimulateFlags } from '../simulate/flags.ts';

const notes = `
Two replays: \`cache\` runs the prompts one after the other and tells what a prefix cache of this size and policy hits; \`serving\` runs the
requests as they arrive, batched, with their answers. Azure traces do not say what prompts share and have only the second. A sweep runs \`serving\`.
The top-level block hit rate and evictions of --json are those of the first replay that ran.

Examples:
  octavo simulate --trace mooncake_conversation.jsonl --capacity-blocks 10000 --block-size 512
  octavo simulate --trace AzureLLMInferenceTrace_conv.csv --capacity-blocks 4096 --memory contiguous-exact --arrivals saturated
  octavo calibrate && octavo simulate --calibration calibration.json --generate poisson --rate 20 --kv-cache-memory-bytes 8M --goodput ttft:500,tpot:50
  octavo simulate --generate gamma --cv 3 --rate 4 --turns uniform:2-8 --sweep pool=1000,2000 --sweep policy=lru,hit-density --html sweep.html`;

export function addSimulateCommand(program: Command): void {
  const command = program
    .command('simulate')
    .summary('replay or make up requests, through scheduler and memory, without a model')
    .description(
      'Replay a trace or a recording, or made-up requests, through the real scheduler and memory manager, with a cost model in place of kernels.',
    );
  addSimulateFlags(command)
    .addHelpText('after', notes)
    .action(async (flags: SimulateFlags) => {
      // Imported here, so that --help need not wait for it.
      const { runSimulate } = await import('../simulate/run.ts');
      await runSimulate(flags);
    });
}
