// Conversations with a common system prompt, on a pool that they fill: hit rate, faults, memory in use, time between tokens.

import { createEngine } from '../../../src/index.ts';
import { percentile } from '../../../src/simulation/percentile.ts';
import { progress } from '../../common/progress.ts';
import { createRandom, randomTokens } from '../../common/random.ts';

export interface ServingOptions {
  readonly model: string;
  readonly threads: number;
  readonly conversations: number;
  readonly turns: number;
  readonly seed: number;
}

export interface ServingFigures {
  /** Prompt tokens found in the cache / prompt tokens. */
  readonly hitRate: number;
  /** The best that could be: prompt tokens that an earlier prompt or answer had / prompt tokens. */
  readonly possibleHitRate: number;
  /** Major faults: evicted blocks that had to be computed again or read from a tier / block look-ups of prompts. */
  readonly faultRate: number;
  /** Mean over steps of blocks that are held or cached / blocks. */
  readonly poolUse: number;
  /** Mean over steps of tokens in held blocks / slots of them. */
  readonly slotUse: number;
  readonly gapP50Ms: number;
  readonly gapP99Ms: number;
}

const systemTokens = 512;
const turnTokens = 48;
const answerTokens = 64;

export async function measureServing(options: ServingOptions): Promise<ServingFigures> {
  progress('serving: conversations with a common system prompt');
  const { model, threads, conversations, turns, seed } = options;
  const random = createRandom(seed);
  const system = randomTokens(systemTokens, random);
  const longest = systemTokens + turns * (turnTokens + answerTokens);
  const probe = await createEngine({ model, threads, maxModelLen: longest, maxNumSeqs: 1 });
  const blockBytes = probe.memory.kvBytes / probe.stats().totalBlocks;
  await probe.close();
  // What all conversations hold at their ends, system prompt shared, and an eighth beyond.
  const blocks = Math.ceil((systemTokens + conversations * (longest - systemTokens)) / 16) * 1.125;
  await using engine = await createEngine({
    model,
    threads,
    maxModelLen: longest,
    maxNumSeqs: conversations,
    kvCacheMemoryBytes: Math.ceil(blocks) * blockBytes,
  });
  const gaps: number[] = [];
  engine.onRequestEnd(({ interTokenMs }) => gaps.push(...interTokenMs));
  let possible = 0;
  let poolUse = 0;
  let slotUse = 0;
  let samples = 0;
  let heldSamples = 0;
  const converse = async (): Promise<void> => {
    let history = [...system];
    for (let turn = 0; turn < turns; turn++) {
      possible += turn === 0 ? system.length : history.length;
      history = [...history, ...randomTokens(turnTokens, random)];
      const sampling = { temperature: 0, maxTokens: answerTokens, ignoreEos: true };
      for await (const event of engine.generate({ tokenIds: history, sampling })) {
        if (event.type !== 'token') continue;
        history.push(event.tokenId);
        const { totalBlocks, usedBlocks, cachedBlocks, usedSlots, heldSlots } = engine.stats();
        poolUse += (usedBlocks + cachedBlocks) / totalBlocks;
        samples++;
        if (heldSlots === 0) continue;
        slotUse += usedSlots / heldSlots;
        heldSamples++;
      }
    }
  };
  // One goes ahead, so that the system prompt is there; it is no hit for the first.
  possible -= system.length;
  await Promise.all(Array.from({ length: conversations }, converse));
  const { promptTokens, cachedPromptTokens, blockHistory } = engine.stats();
  return {
    hitRate: cachedPromptTokens / promptTokens,
    possibleHitRate: possible / promptTokens,
    faultRate: blockHistory.refaults / (promptTokens / 16),
    poolUse: poolUse / samples,
    slotUse: slotUse / heldSamples,
    gapP50Ms: percentile(gaps, 0.5),
    gapP99Ms: percentile(gaps, 0.99),
  };
}
