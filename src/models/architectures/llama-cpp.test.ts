// The next-token choices of llama.cpp (through node-llama-cpp, see tools/oracle/llama-cpp) on the same GGUF files.

import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Backend } from '../../backends/backend.ts';
import { createReferenceBackend } from '../../backends/reference/index.ts';
import { cpuBackendForTests } from '../../backends/testing/cpu-backend.ts';
import { runSequence } from '../../backends/testing/run-sequence.ts';
import { openModel } from '../open-model.ts';
import { synthesizeGguf } from '../synth/index.ts';

interface PeerCase {
  readonly shape: 'tiny-llama';
  readonly dtype: 'f32' | 'f16';
  readonly seed: number;
  readonly sha256: string;
  readonly tokenIds: readonly number[];
  readonly best: readonly number[];
  readonly second: readonly number[];
  /** Difference of the log-probabilities of the two best. */
  readonly gap: readonly number[];
}

const fixture = fileURLToPath(new URL('../../../test/fixtures/oracle/llama-cpp.json', import.meta.url));
const { cases } = JSON.parse(await readFile(fixture, 'utf8')) as { cases: readonly PeerCase[] };
/** Random weights leave near ties: closer than this, either of the peer's two best is its choice. */
const nearTie = 1e-3;
const cpu = cpuBackendForTests();

describe('next-token choices of llama.cpp', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'octavo-peer-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  async function agreement(backend: Backend, peer: PeerCase): Promise<number> {
    const path = join(folder, `${peer.shape}-${peer.dtype}.gguf`);
    await synthesizeGguf({ shape: peer.shape, dtype: peer.dtype, path, seed: peer.seed });
    const bytes = await readFile(path);
    expect(createHash('sha256').update(bytes).digest('hex'), 'the synthesised file is the one that the peer saw').toBe(
      peer.sha256,
    );
    const model = await openModel(path);
    try {
      const { vocabSize } = model.program;
      const logits = await runSequence(backend, model.program, { weights: model.weights, tokenIds: peer.tokenIds });
      let equal = 0;
      peer.best.forEach((best, position) => {
        const row = logits.subarray(position * vocabSize, (position + 1) * vocabSize);
        const ours = row.indexOf(row.reduce((a, b) => Math.max(a, b), -Infinity));
        if (ours === best || (peer.gap[position] < nearTie && ours === peer.second[position])) equal++;
      });
      return equal / peer.best.length;
    } finally {
      await model.close();
    }
  }

  for (const peer of cases) {
    const wanted = peer.dtype === 'f32' ? 1 : 0.98;
    it(`are ours on the reference backend: ${peer.shape} ${peer.dtype}`, async () => {
      expect(await agreement(createReferenceBackend(), peer)).toBeGreaterThanOrEqual(wanted);
    });
    it.skipIf(cpu.skipReason)(`are ours on the CPU backend: ${peer.shape} ${peer.dtype}`, async () => {
      const backend = cpu.create({ threads: 2 });
      try {
        expect(await agreement(backend, peer)).toBeGreaterThanOrEqual(wanted);
      } finally {
        await backend.close();
      }
    });
  }
});
