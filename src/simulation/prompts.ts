// Token ids for prompts of which a trace tells only lengths and hash ids.

import { type PromptRun, TOKENS_PER_HASH_ID, type TraceRequest } from './trace.ts';

/** Token ids are below 2^30: so many that prompts which share no hash id share no first token by chance either. */
const TOKEN_MASK = 0x3fffffff;

function mix(a: number, b: number): number {
  let h = Math.imul(a ^ Math.imul(b + 0x7f4a7c15, 0x85ebca6b), 0xc2b2ae35);
  h ^= h >>> 15;
  h = Math.imul(h, 0x2545f491);
  return h ^ (h >>> 13);
}

/**
 * The prompt of request number `index`, `tokenCount` tokens of it. Equal hash ids (and equal runs) give equal tokens; without them no two
 * requests share any. The same seed gives the same tokens. The array has room for the request's output, so that appending does not copy it.
 */
export function promptTokenIds(request: TraceRequest, index: number, tokenCount: number, seed: number): number[] {
  const { hashIds, runs, tokensPerHashId = TOKENS_PER_HASH_ID } = request;
  const tokenIds = new Array<number>(tokenCount + request.outputTokens);
  tokenIds.length = tokenCount;
  if (runs !== undefined) {
    fillRuns(tokenIds, runs, seed);
    return tokenIds;
  }
  for (let start = 0; start < tokenCount; start += tokensPerHashId) {
    const id = hashIds?.[start / tokensPerHashId];
    fill(tokenIds, start, Math.min(tokenCount, start + tokensPerHashId), mix(id ?? mix(-1 - index, start), seed));
  }
  return tokenIds;
}

function fill(tokenIds: number[], start: number, end: number, from: number): void {
  let token = from;
  for (let position = start; position < end; position++) {
    token = (Math.imul(token, 0x19660d) + 0x3c6ef35f) | 0;
    tokenIds[position] = (token ^ (token >>> 16)) & TOKEN_MASK;
  }
}

function fillRuns(tokenIds: number[], runs: readonly PromptRun[], seed: number): void {
  let start = 0;
  for (const run of runs) {
    const end = start + run.tokenCount;
    if ('name' in run) {
      fill(tokenIds, start, end, mix(run.name, seed));
    } else {
      for (let i = 0; i < run.tokenCount; i++) {
        tokenIds[start + i] = sampledTokenId(run.answerOf, run.firstPosition + i, seed);
      }
    }
    start = end;
  }
}

/** The token that request number `index` samples for `position`: its own, as random as the prompts'. */
export function sampledTokenId(index: number, position: number, seed: number): number {
  return mix(mix(index, position), seed) & TOKEN_MASK;
}
