// One continuation of a prompt: its sampler, its text so far, and when it ends.

import type { Detokenizer, Tokenizer } from '../models/tokenizers/tokenizer.ts';
import type { FinishReason, GenerateEvent } from './api.ts';
import type { ResolvedSampling } from './sampling/params.ts';
import { createSampler, type SampleResult, type Sampler, type SamplingScratch } from './sampling/sampler.ts';
import { createStopMatcher, type StopMatcher } from './stop-strings.ts';

export interface Choice {
  readonly index: number;
  readonly sampling: ResolvedSampling;
  /** Most tokens that it may generate. */
  readonly maxTokens: number;
  /** Tokens generated so far. */
  readonly tokenIds: readonly number[];
  readonly finished: boolean;
  /** How it ended; null while it runs. */
  readonly finishReason: FinishReason | null;
  /** Samples the next token from its own copy of a logits row; null when the row holds no finite logit. */
  sample(logits: Float32Array): SampleResult | null;
  /** Makes the token part of the output: the events it causes, and whether the choice ends with it. */
  accept(result: SampleResult): { readonly events: readonly GenerateEvent[]; readonly finished: boolean };
  /** Ends it from outside; no event if it has ended already. */
  finish(reason: FinishReason): GenerateEvent | null;
}

export interface ChoiceOptions {
  readonly index: number;
  readonly sampling: ResolvedSampling;
  readonly tokenizer: Tokenizer;
  readonly promptTokenIds: readonly number[];
  readonly maxTokens: number;
  readonly scratch: SamplingScratch;
  /** Tokens generated before a fork; they count for penalties and decode what comes after them. */
  readonly inheritedTokenIds?: readonly number[];
}

export function createChoice(options: ChoiceOptions): Choice {
  const { index, sampling, tokenizer, promptTokenIds, maxTokens } = options;
  const inherited = options.inheritedTokenIds ?? [];
  const sampler: Sampler = createSampler(sampling, promptTokenIds, index, options.scratch);
  const detokenizer: Detokenizer = tokenizer.createDetokenizer({ isContinuation: true });
  const stops: StopMatcher = createStopMatcher(sampling.stop);
  const endIds = new Set(
    sampling.ignoreEos ? sampling.stopTokenIds : [...tokenizer.eosTokenIds, ...sampling.stopTokenIds],
  );
  const blockedUntilMinimum = [...endIds];
  const tokenIds: number[] = [];
  let finishReason: FinishReason | null = null;

  for (const id of inherited) {
    sampler.accept(id);
    detokenizer.push(id);
  }

  function finishEvent(reason: FinishReason, stopReason: string | number | null, text: string): GenerateEvent {
    finishReason = reason;
    return { type: 'finish', index, reason, stopReason, text };
  }

  return {
    index,
    sampling,
    maxTokens,
    tokenIds,
    get finished() {
      return finishReason !== null;
    },
    get finishReason() {
      return finishReason;
    },
    sample(logits) {
      const position = promptTokenIds.length + inherited.length + tokenIds.length;
      return sampler.sample(logits, position, tokenIds.length < sampling.minTokens ? blockedUntilMinimum : []);
    },
    accept({ tokenId, logprob, topLogprobs }) {
      tokenIds.push(tokenId);
      sampler.accept(tokenId);
      const ends = endIds.has(tokenId);
      const match = ends ? { text: '', stopped: null } : stops.push(detokenizer.push(tokenId));
      const events: GenerateEvent[] = [{ type: 'token', index, tokenId, text: match.text, logprob, topLogprobs }];
      if (match.stopped !== null) events.push(finishEvent('stop', match.stopped, ''));
      else if (ends) {
        const isOwnEnd = tokenizer.eosTokenIds.includes(tokenId) && !sampling.ignoreEos;
        events.push(finishEvent('stop', isOwnEnd ? null : tokenId, tail().text));
      } else if (tokenIds.length >= maxTokens) {
        const rest = tail();
        events.push(
          rest.stopped === null ? finishEvent('length', null, rest.text) : finishEvent('stop', rest.stopped, rest.text),
        );
      }
      return { events, finished: finishReason !== null };
    },
    finish(reason) {
      return finishReason !== null ? null : finishEvent(reason, null, tail().text);
    },
  };

  /** What the decoder and the stop matcher still hold. */
  function tail(): { text: string; stopped: string | null } {
    const match = stops.push(detokenizer.end());
    return match.stopped === null ? { text: match.text + stops.end(), stopped: null } : match;
  }
}
