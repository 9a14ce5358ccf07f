// What every backend that queues steps has to keep: a step that takes its tokens from the step before is the step that was given them.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BackendError } from '../errors/errors.ts';
import { createProgramBuilder } from '../program/builder.ts';
import { createRandom } from '../random/random.ts';
import type { Backend, Executable, StepBindings, StepOutput } from './backend.ts';
import type { PickedToken, TokenPick } from './picks.ts';
import { createMemoryWeights, randomWeight } from './testing/memory-weights.ts';
import { bindStep } from './testing/step.ts';

const vocabSize = 50;
const width = 32;
const blockSize = 4;
const sequenceCount = 3;
const blocksEach = 8;
const steps = 20;

/** A layer of attention over what was said, so that a token depends on all before it. */
function modelOf() {
  const random = createRandom(17);
  const tensors = {
    embedding: randomWeight('f32', vocabSize, width, random, 2),
    head: randomWeight('f32', vocabSize, width, random),
  };
  const b = createProgramBuilder({ vocabSize, hiddenSize: width, layerCount: 1, kvHeadCount: 1, headSize: width });
  const x = b.embed(b.weight('embedding', vocabSize, width));
  b.writeKv(x, x, 0);
  const attended = b.pagedAttention(x, { layer: 0, headCount: 1, scale: 0.2, window: null });
  b.add(attended, x);
  return { program: b.finish(b.selectOutputs(b.linear(attended, b.weight('head', vocabSize, width)))), tensors };
}

/** A step that decodes one token of each sequence; `order` says which row is whose. */
function decodeStep(position: number, tokenIds: readonly number[], order: readonly number[]): StepBindings {
  const picks: TokenPick[] = order.map((sequence, outputIndex) => ({
    ...{ outputIndex, topK: 0, topP: 1, minP: 0, topCount: 2, edits: null },
    temperature: sequence === 1 ? 0 : 1.5,
    uniform: ((position * 7 + sequence * 3) % 11) / 11,
  }));
  const sequences = order.map((sequence, row) => ({
    tokenIds: [tokenIds[row]],
    firstPosition: position,
    blocks: Array.from({ length: blocksEach }, (_, i) => sequence * blocksEach + i),
  }));
  return { ...bindStep(sequences, blockSize), picks };
}

const orderAt = (position: number): number[] => (position % 3 === 2 ? [2, 0, 1] : [0, 1, 2]);

/** Runs the suite; `create` makes the backend under test. */
export function describeQueuedSteps(name: string, create: () => Backend): void {
  describe(`queued steps: ${name}`, () => {
    let backend: Backend;
    beforeAll(() => {
      backend = create();
    });
    afterAll(() => backend.close());

    async function compile(): Promise<Executable> {
      const { program, tensors } = modelOf();
      const executable = await backend.compile(program, {
        weights: createMemoryWeights(tensors),
        kv: { layerCount: 1, kvHeadCount: 1, headSize: width, blockSize, keyDType: 'f32', valueDType: 'f32' },
        blockCount: sequenceCount * blocksEach,
        limits: { maxTokens: 8, maxSequences: 4, maxOutputs: 8, maxContextTokens: blocksEach * blockSize },
      });
      expect(executable.queuesSteps).toBe(true);
      return executable;
    }

    it('take the tokens that the step before picked, and give what they give one by one', async () => {
      const executable = await compile();
      const first = [5, 11, 23];
      const wanted: (readonly PickedToken[])[] = [];
      let tokens = first;
      for (let position = 0; position < steps; position++) {
        const order = orderAt(position);
        const { picked } = await executable.execute(
          decodeStep(
            position,
            order.map((sequence) => tokens[sequence]),
            order,
          ),
        );
        wanted.push(picked);
        tokens = [...first.keys()].map((sequence) => picked[order.indexOf(sequence)].tokenId);
      }
      expect(new Set(wanted.flat().map(({ tokenId }) => tokenId)).size).toBeGreaterThan(5);

      const queued: Promise<StepOutput>[] = [executable.execute(decodeStep(0, first, orderAt(0)))];
      for (let position = 1; position <= steps; position++) {
        if (position < steps) {
          const order = orderAt(position);
          const before = orderAt(position - 1);
          queued.push(
            executable.execute({
              ...decodeStep(position, [0, 0, 0], order),
              tokenSources: Int32Array.from(order, (sequence) => before.indexOf(sequence)),
            }),
          );
        }
        const { picked } = await queued[position - 1];
        expect(picked, `position ${position - 1}`).toEqual(wanted[position - 1]);
      }
      await executable.close();
    });

    it('may have some tokens of their own', async () => {
      const executable = await compile();
      const first = executable.execute(decodeStep(0, [5, 11, 23], [0, 1, 2]));
      const mixed = executable.execute({
        ...decodeStep(1, [0, 31, 0], [0, 1, 2]),
        tokenSources: Int32Array.of(0, -1, 2),
      });
      const { picked } = await first;
      const got = (await mixed).picked;
      const alone = await executable.execute(decodeStep(1, [picked[0].tokenId, 31, picked[2].tokenId], [0, 1, 2]));
      expect(got).toEqual(alone.picked);
      await executable.close();
    });

    it('are refused beyond the second, and where their sources are out of range', async () => {
      const executable = await compile();
      const step = decodeStep(0, [5, 11, 23], [0, 1, 2]);
      for (const source of [-2, 8]) {
        await expect(
          executable.execute({ ...step, tokenSources: Int32Array.of(0, source, 1) }),
          `source ${source}`,
        ).rejects.toBeInstanceOf(BackendError);
      }
      await expect(executable.execute({ ...step, tokenSources: Int32Array.of(0) })).rejects.toBeInstanceOf(
        BackendError,
      );
      const running = executable.execute(step);
      const waiting = executable.execute(step);
      await expect(executable.execute(step)).rejects.toBeInstanceOf(BackendError);
      expect((await waiting).picked).toEqual((await running).picked);
      await executable.close();
    });

    it('fail where nothing was picked, and the next one goes on', async () => {
      const executable = await compile();
      const step = decodeStep(0, [5, 11, 23], [0, 1, 2]);
      const wanted = (await executable.execute(step)).picked;
      const running = executable.execute({ ...step, picks: step.picks?.slice(0, 2) });
      const bad = executable.execute({ ...decodeStep(1, [0, 0, 0], [0, 1, 2]), tokenSources: Int32Array.of(0, 1, 2) });
      await expect(bad).rejects.toBeInstanceOf(BackendError);
      expect((await running).picked).toEqual(wanted.slice(0, 2));
      // Nothing is known of what a failed step would have picked.
      await expect(executable.execute({ ...step, tokenSources: Int32Array.of(0, 0, 0) })).rejects.toBeInstanceOf(
        BackendError,
      );
      expect((await executable.execute(step)).picked).toEqual(wanted);
      await executable.close();
    });

    it('end before it is closed', async () => {
      const executable = await compile();
      const step = decodeStep(0, [5, 11, 23], [0, 1, 2]);
      const both = [executable.execute(step), executable.execute(step)];
      await executable.close();
      expect((await both[1]).picked).toEqual((await both[0]).picked);
    });
  });
}
