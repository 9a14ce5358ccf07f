// The models and backends that the paging property is checked on.

import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createCpuBackend } from '../../backends/cpu/index.ts';
import { synthesizeGguf } from '../../models/synth/index.ts';
import type { EngineOptions } from '../api.ts';

export interface PagingSubject {
  readonly label: string;
  readonly runs: number;
  readonly seed: number;
  /** Why it cannot be checked here, or false. */
  readonly skipReason: string | false;
  prepare(): Promise<Pick<EngineOptions, 'model' | 'backend'>>;
}

/** Four subjects: two models of unlike attention (a sliding window; q/k norms) in unlike weights, on each backend. */
export function pagingSubjects({ runsPerSubject }: { readonly runsPerSubject: number }): PagingSubject[] {
  const windowed = fileURLToPath(new URL('../../../test/fixtures/oracle/mistral/model.gguf', import.meta.url));
  const cpuMissing = whyNoCpuBackend();
  const quantized = async () => {
    const path = join(await mkdtemp(join(tmpdir(), 'octavo-paging-')), 'tiny.gguf');
    await synthesizeGguf({ shape: 'tiny-qwen3', dtype: 'q8_0', path, seed: 1 });
    return path;
  };
  return (['reference', 'cpu'] as const).flatMap((backend) => {
    const skipReason = backend === 'cpu' && cpuMissing !== null ? cpuMissing : false;
    return [
      {
        label: `F32, sliding window, ${backend}`,
        runs: runsPerSubject,
        seed: 11,
        skipReason,
        prepare: async () => ({ model: windowed, backend }),
      },
      {
        label: `Q8_0, q/k norms, ${backend}`,
        runs: runsPerSubject,
        seed: 12,
        skipReason,
        prepare: async () => ({ model: await quantized(), backend }),
      },
    ];
  });
}

/** Null where the CPU backend can be made. */
function whyNoCpuBackend(): string | null {
  try {
    void createCpuBackend({ threads: 1 }).close();
    return null;
  } catch (error) {
    return (error as Error).message;
  }
}
