import { it } from 'vitest';
import { runScenario } from './run-scenario.ts';
import { drawScenario } from './scenario.ts';

it('debug', async () => {
  const from = Number(process.env.FROM ?? 1);
  const count = Number(process.env.COUNT ?? 100);
  let failures = 0;
  const sum: Record<string, number> = {};
  const started = performance.now();
  for (let seed = from; seed < from + count; seed++) {
    try {
      const report = await runScenario(drawScenario(seed));
      for (const [k, v] of Object.entries(report.totals)) sum[k] = (sum[k] ?? 0) + v;
      sum.maxLongest = Math.max(sum.maxLongest ?? 0, report.longestMs);
    } catch (e) {
      failures++;
      if (failures <= Number(process.env.SHOW ?? 5))
        console.log(
          String((e as Error).message)
            .split('\n')
            .slice(0, 1)
            .concat(
              String((e as Error).message)
                .split('\n')
                .slice(-Number(process.env.TAIL ?? 6)),
            )
            .join('\n'),
          String(((e as Error).cause as Error)?.stack ?? '')
            .split('\n')
            .slice(0, 8)
            .join('\n'),
        );
    }
  }
  console.log(failures, 'failures', ((performance.now() - started) / count).toFixed(1), 'ms each', JSON.stringify(sum));
});
