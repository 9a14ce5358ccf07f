// One continuation of a prompt: its sampler, its text so far, and when it ends.

import type { PickedToken, TokenPick } from '../backends/picks.ts';
import type { Detokenizer, Tokenizer } from '../models/tokenizers/tokenizer.ts';
import type { FinishReason, GenerateEvent } from './api.ts';
import type { ResolvedSampling } from './sampling/params.ts';
import { createSampler, type Sampler } from './sampling/sampler.ts';
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
  /** Whether what to ask for depends on the tokens generated so far, and not only on their number. */
  readonly dependsOnOutput: boolean;
  /**
   * What to ask of an output row for the next token, or for the one that follows `pending` (defaults to 0) tokens that are not known yet. Valid until a token is
   * accepted.
   */
  pick(outputIndex: number, pending?: number): TokenPick;
  /**
   * Makes a token that was picked (so not -1) part of the output, and says whether the choice ends with it. The events that
   * it causes can wait: without stop strings their text is decoded when `events` is called, once, before the next `accept`.
   */
  accept(picked: PickedToken): AcceptedToken;
  /** Ends it from outside; no event if it has ended already. */
  finish(reason: FinishReason): GenerateEvent | null;
}

export interface AcceptedToken {
  readonly finished: boolean;
  events(): readonly GenerateEvent[];
}

export interface ChoiceOptions {
  readonly index: number;
  readonly sampling: ResolvedSampling;
  readonly tokenizer: Tokenizer;
  readonly promptTokenIds: readonly number[];
  readonly maxTokens: number;
  /** Tokens generated before a fork; they count for penalties and decode what comes after them. */
  readonly inheritedTokenIds?: readonly number[];
}

export function createChoice(options: ChoiceOptions): Choice {
  const { index, sampling, tokenizer, promptTokenIds, maxTokens } = options;
  const inherited = options.inheritedTokenIds ?? [];
  const detokenizer: Detokenizer = tokenizer.createDetokenizer({ isContinuation: true });
  const stops: StopMatcher = createStopMatcher(sampling.stop);
  const endIds = new Set(
    sampling.ignoreEos ? sampling.stopTokenIds : [...tokenizer.eosTokenIds, ...sampling.stopTokenIds],
  );
  const sampler: Sampler = createSampler(sampling, promptTokenIds, index, [...endIds]);
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
    dependsOnOutput: sampler.dependsOnOutput,
    pick(outputIndex, pending = 0) {
      const count = tokenIds.length + pending;
      const position = promptTokenIds.length + inherited.length + count;
      return sampler.pick(outputIndex, position, count < sampling.minTokens);
    },
    accept(picked) {
      const { tokenId } = picked;
      tokenIds.push(tokenId);
      sampler.accept(tokenId);
      // A stop string has to be found before the next step is planned; any other end is known from the ids alone.
      if (sampling.stop.length > 0) {
        const events = eventsOf(picked);
        return { finished: finishReason !== null, events: () => events };
      }
      if (endIds.has(tokenId)) finishReason = 'stop';
      else if (tokenIds.length >= maxTokens) finishReason = 'length';
      return { finished: finishReason !== null, events: () => eventsOf(picked) };
    },
    finish(reason) {
      return finishReason !== null ? null : finishEvent(reason, null, tail().text);
    },
  };

  /** The token's event and, if it ends the choice, how. */
  function eventsOf({ tokenId, logprob, top }: PickedToken): GenerateEvent[] {
    const ends = endIds.has(tokenId);
    const match = ends ? { text: '', stopped: null } : stops.push(detokenizer.push(tokenId));
    const events: GenerateEvent[] = [{ type: 'token', index, tokenId, text: match.text, logprob, topLogprobs: top }];
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
    return events;
  }

  /** What the decoder and the stop matcher still hold. */
  function tail(): { text: string; stopped: string | null } {
    const match = stops.push(detokenizer.end());
    return match.stopped === null ? { text: match.text + stops.end(), stopped: null } : match;
  }
}
