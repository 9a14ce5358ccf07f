// Blocks that sharing saves: parallel sampling and beam search, on lengths shaped like ShareGPT's.

import { createKvMemory, type KvMemory, type KvSequence } from '../../src/memory/index.ts';
import { createRandom, normal, type Random } from '../common/random.ts';
import { chatLengths } from './lengths.ts';

export interface Saving {
  readonly shape: 'parallel' | 'beam';
  readonly width: number;
  /** 1 - blocks referenced / blocks that the same sequences need without sharing, averaged over steps. */
  readonly savedShare: number;
}

/** One request's continuations, all of which advance together. */
interface Group {
  readonly sequences: KvSequence[];
  readonly tokenIds: number[][];
  /** Of beams: sums of log-probabilities. */
  scores: number[];
  remainingTokens: number;
}

const blockSize = 16;

/** Computes everything that is known of a group's sequences, as one step. */
function advance(memory: KvMemory, groups: readonly Group[]): void {
  for (const { sequences, tokenIds } of groups) {
    sequences.forEach((sequence, i) => {
      const missing = tokenIds[i].length - sequence.computedTokens;
      const match = sequence.row === -1 ? memory.match(sequence, tokenIds[i].length - 1) : undefined;
      if (!memory.reserve(sequence, missing, match)) throw new Error('the pool is too small');
    });
  }
  memory.commit();
}

function fork(memory: KvMemory, group: Group, from: number): void {
  const tokenIds = [...group.tokenIds[from]];
  const child = memory.open(tokenIds, '');
  if (!memory.fork(group.sequences[from], child, tokenIds.length)) throw new Error('no row for a fork');
  group.sequences.push(child);
  group.tokenIds.push(tokenIds);
}

/** Log-probabilities of the `count` likeliest tokens of a drawn distribution: normal logits, peaked about as language models' are. */
function likeliest(count: number, random: Random): number[] {
  const logits = Array.from({ length: 64 }, () => 3 * normal(random));
  const total = Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit), 0));
  return logits
    .sort((a, b) => b - a)
    .slice(0, count)
    .map((logit) => logit - total);
}

/** A step of beam search over drawn scores: of all continuations of all beams the `width` best go on, so that some beams are forked and others end. */
function reshuffle(memory: KvMemory, group: Group, width: number, random: Random): void {
  const candidates = group.scores.flatMap((score, beam) =>
    likeliest(width, random).map((logprob) => ({ beam, score: score + logprob })),
  );
  const best = candidates.sort((a, b) => b.score - a.score).slice(0, width);
  const scores: number[] = [...group.scores];
  const kept = new Set<number>();
  for (const { beam, score } of best) {
    if (kept.has(beam)) {
      fork(memory, group, beam);
      scores.push(score);
    } else {
      kept.add(beam);
      scores[beam] = score;
    }
  }
  for (let i = width - 1; i >= 0; i--) {
    if (kept.has(i)) continue;
    memory.release(group.sequences[i]);
    group.sequences.splice(i, 1);
    group.tokenIds.splice(i, 1);
    scores.splice(i, 1);
  }
  group.scores = scores;
}

/** Serves `requestCount` requests, `atOnce` at a time, on the real memory manager. */
export function measureSaving(
  shape: Saving['shape'],
  width: number,
  options: {
    readonly requestCount: number;
    readonly atOnce: number;
    readonly seed: number;
    readonly outputSigma: number;
  },
): Saving {
  const random = createRandom(options.seed);
  const lengths = createRandom(options.seed + 1);
  const { prompt: promptLength, output: outputLength } = chatLengths(options.outputSigma, lengths);
  const memory = createKvMemory({
    blockCount: options.atOnce * width * 256,
    blockSize,
    maxNumSeqs: options.atOnce * width * 2,
    maxBlocksPerSequence: 257,
    // Only forks share: prompts are all unlike.
    enablePrefixCaching: false,
  });
  const groups: Group[] = [];
  let admitted = 0;
  let nextToken = 1;
  let referenced = 0;
  let unshared = 0;
  while (admitted < options.requestCount || groups.length > 0) {
    const joined: Group[] = [];
    while (groups.length + joined.length < options.atOnce && admitted < options.requestCount) {
      const tokenIds = Array.from({ length: promptLength() }, () => nextToken++);
      joined.push({
        sequences: [memory.open(tokenIds, '')],
        tokenIds: [tokenIds],
        scores: [],
        remainingTokens: outputLength(),
      });
      admitted++;
    }
    for (const group of groups) {
      if (shape === 'beam') reshuffle(memory, group, width, random);
      for (const tokenIds of group.tokenIds) tokenIds.push(nextToken++);
    }
    advance(memory, [...groups, ...joined]);
    for (const group of joined) {
      while (group.sequences.length < width) fork(memory, group, 0);
      group.scores = likeliest(width, random);
      groups.push(group);
    }
    referenced += memory.usage().referencedBlocks;
    for (const { sequences } of groups) for (const { blockCount } of sequences) unshared += blockCount;
    for (let i = groups.length - 1; i >= 0; i--) {
      if (--groups[i].remainingTokens > 0) continue;
      for (const sequence of groups[i].sequences) memory.release(sequence);
      groups.splice(i, 1);
    }
  }
  memory.checkIntegrity();
  if (memory.usage().referencedBlocks !== 0) throw new Error('blocks are left behind');
  return { shape, width, savedShare: 1 - referenced / unshared };
}
