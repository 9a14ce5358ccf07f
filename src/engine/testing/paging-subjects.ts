// The models and backends that the paging property is checked on.

import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cpuBackendForTests } from '../../backends/testing/cpu-backend.ts';
import { synthesizeGguf } from '../../models/synth/index.ts';
import type { PagingSetup } from './paging-property.ts';

export interface PagingSubject {
  readonly label: string;
  readonly runs: number;
  readonly seed: number;
  /** Why it cannot be checked here, or false. */
  readonly skipReason: string | false;
  prepare(): Promise<PagingSetup>;
}

/** Models of unlike attention (a sliding window, in all layers or in some; q/k norms) and, where kernels differ by dtype, in unlike weights. */
export function pagingSubjects({ runsPerSubject: runs }: { readonly runsPerSubject: number }): PagingSubject[] {
  const fixture = (name: string) => fileURLToPath(new URL(`../../../test/fixtures/oracle/${name}`, import.meta.url));
  const synthesized = (shape: 'tiny-qwen3' | 'tiny-llama', dtype: 'q8_0' | 'q4_k') => async () => {
    const model = join(await mkdtemp(join(tmpdir(), 'octavo-paging-')), 'tiny.gguf');
    await synthesizeGguf({ shape, dtype, path: model, seed: 1 });
    return { model, backend: 'cpu' as const };
  };
  const { skipReason } = cpuBackendForTests();
  const reference = { runs, skipReason: false as const };
  const cpu = { runs, skipReason };
  return [
    {
      ...reference,
      label: 'reference, F32, sliding window',
      seed: 11,
      prepare: async () => ({ model: fixture('mistral/model.gguf'), backend: 'reference' }),
    },
    {
      ...reference,
      label: 'reference, F32, q/k norms',
      seed: 12,
      prepare: async () => ({ model: fixture('qwen3/model.gguf'), backend: 'reference' }),
    },
    {
      ...cpu,
      label: 'cpu, F32, sliding window',
      seed: 13,
      prepare: async () => ({ model: fixture('mistral/model.gguf'), backend: 'cpu' }),
    },
    {
      ...reference,
      label: 'reference, F32, sliding window in some layers',
      seed: 16,
      prepare: async () => ({ model: fixture('qwen2-hybrid'), backend: 'reference' }),
    },
    {
      ...cpu,
      label: 'cpu, F32, sliding window in every other layer',
      seed: 17,
      prepare: async () => ({ model: fixture('qwen3-hybrid'), backend: 'cpu' }),
    },
    {
      ...cpu,
      label: 'cpu, F32, recent tokens apart from int8',
      seed: 18,
      prepare: async () => ({
        model: fixture('qwen2/model.gguf'),
        backend: 'cpu',
        kvCacheAging: { recentTokens: 9, sinkTokens: 5 },
        leadTokens: 64,
      }),
    },
    { ...cpu, label: 'cpu, Q8_0, q/k norms', seed: 14, prepare: synthesized('tiny-qwen3', 'q8_0') },
    { ...cpu, label: 'cpu, Q4_K', seed: 15, prepare: synthesized('tiny-llama', 'q4_k') },
  ];
}
