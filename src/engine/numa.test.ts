// The pool over several NUMA nodes, on a tree that the machine does not have.

import { describe, expect, it } from 'vitest';
import { InvalidRequestError } from '../errors/errors.ts';
import type { NumaTopology } from '../memory/index.ts';
import { bundledModelPath } from '../models/testing/bundled-model.ts';
import { createEngine } from './create-engine.ts';
import { planNuma } from './numa.ts';

/** Node 0 is everywhere, node 900 nowhere. */
const two: NumaTopology = {
  nodes: [0, 900].map((id) => ({ id, cpus: [id], memoryBytes: null })),
  distances: [
    [10, 20],
    [20, 10],
  ],
};

describe('NUMA in the engine', () => {
  it('spreads the pool, binds what the system grants, and changes no token', async () => {
    const answers: unknown[] = [];
    for (const numa of ['off', two] as const) {
      const options = { model: bundledModelPath(), maxModelLen: 128, maxNumSeqs: 4, kvCacheMemoryBytes: 4 << 20, numa };
      await using engine = await createEngine({ ...options, checkIntegrity: true });
      const prompts = ['Once upon a time', 'The dog', 'A big red ball', 'Lily and Tom', 'One day', 'Mom said'];
      const sampling = { temperature: 0.8, seed: 3, maxTokens: 60, ignoreEos: true, logprobs: 1 };
      const results = await Promise.all(prompts.map((prompt) => engine.generate({ prompt, sampling }).result()));
      answers.push(results.map(({ choices }) => choices));
      const { numa: stats, totalBlocks } = engine.stats();
      if (numa === 'off') {
        expect(stats).toBeNull();
      } else {
        expect(stats!.nodes.map(({ id }) => id)).toEqual([0, 900]);
        expect(stats!.nodes.reduce((sum, { blocks }) => sum + blocks, 0)).toBe(totalBlocks);
        expect(stats!.nodes[1].isBound).toBe(false);
      }
    }
    expect(answers[1]).toEqual(answers[0]);
  });

  it('asks the backend for each part of the pool, and notes what it says', () => {
    const asked: number[][] = [];
    const plan = planNuma(two, 11, {
      bindBlocks(...range) {
        asked.push(range);
        return range[2] === 0;
      },
    })!;
    plan.options.bind?.(0, 5, 0);
    plan.options.bind?.(5, 6, 900);
    expect(asked).toEqual([
      [0, 5, 0],
      [5, 6, 900],
    ]);
    const { nodes } = plan.stats({ counters: { migratedBlocks: 0 } } as Parameters<typeof plan.stats>[0]);
    expect(nodes).toEqual([
      { id: 0, blocks: 5, isBound: true },
      { id: 900, blocks: 6, isBound: false },
    ]);
  });

  it('costs nothing on one node, in a pool too small to divide, and when it is off', () => {
    const one: NumaTopology = { nodes: two.nodes.slice(0, 1), distances: [[10]] };
    expect(planNuma(one, 100, {})).toBeNull();
    expect(planNuma(two, 1, {})).toBeNull();
    expect(planNuma('off', 100, {})).toBeNull();
    expect(() => planNuma('on' as 'auto', 100, {})).toThrow(InvalidRequestError);
  });
});
