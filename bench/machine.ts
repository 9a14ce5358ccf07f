// What this machine can do at most: read bandwidth and dot-product peaks, the limit lines of all other benches.

import { availableParallelism, cpus } from 'node:os';
import { type LimitName, limitNames, measureLimits } from './common/limits.ts';
import { integer, runBench } from './common/options.ts';
import { formatRatio, formatTable } from './common/table.ts';
import { referenceLimits } from './reference.ts';
import type { Summary } from './stats.ts';

const titles: Record<LimitName, readonly [title: string, unit: string]> = {
  f32: ['f32 FMA', 'GFLOP/s'],
  int8: ['int8 dot (vpdpbusd, or AVX2)', 'GOP/s'],
  bf16: ['bf16 dot (vdpbf16ps)', 'GFLOP/s'],
  amxInt8: ['int8 tiles (AMX)', 'GOP/s'],
  amxBf16: ['bf16 tiles (AMX)', 'GFLOP/s'],
  read: ['read, large buffer', 'GB/s'],
  readAhead: ['the same, fetched ahead', 'GB/s'],
  readSmall: ['read, 100 MB', 'GB/s'],
};

const inGiga = ({ median, lowest, highest }: Summary) =>
  `${(median / 1e9).toFixed(1)} (${(lowest / 1e9).toFixed(1)} to ${(highest / 1e9).toFixed(1)})`;

await runBench(
  'bench:machine',
  'Read bandwidth and dot-product peaks on one thread and on all; the reference is the Zen 4 machine of bench/reference.ts.',
  {
    threads: integer(availableParallelism(), 'threads of the second column', 1, 512),
    runs: integer(9, 'repetitions', 1, 1000),
    'buffer-mib': integer(1024, 'size of the large buffer', 1, 2 ** 20),
  },
  async ({ threads, runs, 'buffer-mib': bufferMiB }) => {
    const limits = await measureLimits({ threads, repetitions: runs, bufferBytes: bufferMiB * 2 ** 20 });
    const rows = limitNames.map((name) => {
      const [title, unit] = titles[name];
      const limit = limits[name];
      if (limit === null) return [title, unit, 'none'];
      const reference = name in referenceLimits ? referenceLimits[name as keyof typeof referenceLimits] : null;
      return [
        title,
        unit,
        inGiga(limit.single),
        inGiga(limit.all),
        formatRatio(limit.all.median / limit.single.median),
        formatRatio(reference === null ? null : limit.all.median / reference),
      ];
    });
    const handover = limits.handoverNs;
    if (handover !== null) {
      const inNs = [handover.median, handover.lowest, handover.highest].map((it) => it.toFixed(0));
      rows.push(['from one processor to another', 'ns', '', `${inNs[0]} (${inNs[1]} to ${inNs[2]})`]);
    }
    console.log(`${cpus()[0]?.model.trim() ?? 'unknown processor'}; ${runs} repetitions: median (lowest to highest)\n`);
    const many = `${threads} thread${threads === 1 ? '' : 's'}`;
    console.log(formatTable(['limit', 'unit', '1 thread', many, `${many} / 1`, 'to reference'], rows));
    return { threads, runs, bufferBytes: bufferMiB * 2 ** 20, limits, referenceLimits };
  },
);
