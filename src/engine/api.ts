// The public types of the engine: what a caller asks for and what it gets back.

import type { EventHub, EventListener, EventViewer, Snapshot, ViewOptions } from '../events/index.ts';
import type {
  AllocatorName,
  BlockHistoryFigures,
  CacheReason,
  CacheReport,
  EvictionPolicyName,
  MemoryMode,
} from '../memory/index.ts';
import type { ChatMessage } from '../models/chat-template.ts';
import type { ModelConfig } from '../models/model.ts';
import type { Tokenizer } from '../models/tokenizers/tokenizer.ts';
import type { AttentionWindow } from '../program/streaming.ts';
import type { KvCacheDtype } from './kv-cache-dtype.ts';
import type { NumaSetting, NumaStats } from './numa.ts';
import type { RecordingSettings, RequestExplanation } from './observe/index.ts';
import type { PlacementStats } from './placement-stats.ts';
import type { PrefixPin } from './prefix-pins.ts';
import type { StepTimes } from './step-clock.ts';
import type { TierSettings, TierStats } from './tiers.ts';

export type { CacheReason, CacheReport } from '../memory/index.ts';
export type { NumaSetting, NumaStats } from './numa.ts';
export type { RecordingFile, RecordingSettings, RequestExplanation } from './observe/index.ts';
export type { PrefixPin } from './prefix-pins.ts';
export type { TierSettings, TierStats } from './tiers.ts';

/** How the next token is chosen. Every field is optional; the defaults sample from the full distribution. */
export interface SamplingParams {
  /** 0 is greedy. In [0, 2]. Defaults to 1. */
  readonly temperature?: number;
  /** Nucleus: keep the smallest set of tokens whose probability reaches this. In (0, 1]. Defaults to 1. */
  readonly topP?: number;
  /** Keep the k likeliest tokens; 0 or -1 keeps all. Defaults to 0. */
  readonly topK?: number;
  /** Keep tokens at least this fraction as likely as the likeliest. In [0, 1]. Defaults to 0. */
  readonly minP?: number;
  /** Divides (positive) or multiplies (negative) the logits of tokens seen in prompt or output (CTRL). > 0. Defaults to 1. */
  readonly repetitionPenalty?: number;
  /** Subtracted once from tokens already generated. In [-2, 2]. Defaults to 0. */
  readonly presencePenalty?: number;
  /** Subtracted per occurrence in the output. In [-2, 2]. Defaults to 0. */
  readonly frequencyPenalty?: number;
  /** Token id -> value added to its logit, in [-100, 100]. */
  readonly logitBias?: Readonly<Record<number, number>>;
  /** Seeds the counter-based generator; the draw depends on (seed, choice index, position) alone. Defaults to a random seed. */
  readonly seed?: number;
  /** Generation ends before the first of these strings; they are not part of the text. At most 16. */
  readonly stop?: readonly string[];
  /** Generation ends after one of these ids, beside the model's own end tokens. */
  readonly stopTokenIds?: readonly number[];
  /** End tokens and stop ids are not sampled before this many tokens. Defaults to 0. */
  readonly minTokens?: number;
  /** Defaults to what the context still holds. */
  readonly maxTokens?: number;
  /** Do not end at the model's end tokens. Defaults to false. */
  readonly ignoreEos?: boolean;
  /** Report the log-probability of each token and of this many likeliest ones (0 to 20). Omitted: none. */
  readonly logprobs?: number;
  /** Report the same for prompt tokens (0 to 20). Such a request computes its whole prompt. Omitted: none. */
  readonly promptLogprobs?: number;
}

/** How messages become a prompt. */
export interface ChatPromptOptions {
  /** End with the opening of the assistant's turn. Defaults to true. */
  readonly addGenerationPrompt?: boolean;
  /** Further variables for the model's chat template, such as Qwen3's `enable_thinking`. */
  readonly variables?: Readonly<Record<string, unknown>>;
}

export interface GenerateRequest {
  /** Exactly one of prompt, messages and tokenIds. */
  readonly prompt?: string;
  readonly messages?: readonly ChatMessage[];
  /** Only with messages. */
  readonly chatOptions?: ChatPromptOptions;
  readonly tokenIds?: readonly number[];
  readonly sampling?: SamplingParams;
  /** Independent continuations of one prompt, which is computed once. 1 to 128. Defaults to 1. */
  readonly n?: number;
  /** Abort ends the generation with finish reason `cancelled`; its blocks are free within one step. */
  readonly signal?: AbortSignal;
  /** Requests share cached blocks only with requests of the same salt. Defaults to "". */
  readonly cacheSalt?: string;
  /** Name for logs and the block map. Defaults to a running number. */
  readonly requestId?: string;
}

export interface TokenLogprob {
  readonly tokenId: number;
  /** Natural logarithm, of the distribution before temperature and truncation, after penalties and bias. */
  readonly logprob: number;
}

export type FinishReason = 'stop' | 'length' | 'cancelled';

/** What a generation yields, in order: one `start`, then per choice its tokens and one `finish`, then one `usage`. */
export type GenerateEvent =
  | {
      readonly type: 'start';
      readonly requestId: string;
      readonly promptTokenIds: readonly number[];
      /** Prompt tokens whose K and V were found in the cache. */
      readonly cachedTokens: number;
      /** Why no more of them were; null for a fork that never waited. */
      readonly cacheReport: CacheReport | null;
      /** One per prompt token if asked for; the first is null. */
      readonly promptLogprobs: readonly (PromptLogprob | null)[] | null;
    }
  | {
      readonly type: 'token';
      /** Which of the n choices. */
      readonly index: number;
      readonly tokenId: number;
      /** Text that became complete with this token; may be empty while a character or a stop string is undecided. */
      readonly text: string;
      readonly logprob: number | null;
      readonly topLogprobs: readonly TokenLogprob[] | null;
    }
  | {
      readonly type: 'finish';
      readonly index: number;
      readonly reason: FinishReason;
      /** The stop string or id that ended it, if one did. */
      readonly stopReason: string | number | null;
      /** Text held back until now that belongs to the answer. */
      readonly text: string;
    }
  | { readonly type: 'usage'; readonly usage: Usage };

export interface PromptLogprob extends TokenLogprob {
  readonly topLogprobs: readonly TokenLogprob[];
}

export interface Usage {
  readonly promptTokens: number;
  readonly completionTokens: number;
  readonly cachedTokens: number;
  /** Why no more prompt tokens were found in the cache; null before the request is admitted, and for a fork that never waited. */
  readonly cacheReport: CacheReport | null;
}

export interface Choice {
  readonly index: number;
  readonly text: string;
  readonly tokenIds: readonly number[];
  readonly logprobs:
    | readonly { readonly tokenId: number; readonly logprob: number; readonly topLogprobs: readonly TokenLogprob[] }[]
    | null;
  readonly finishReason: FinishReason;
  readonly stopReason: string | number | null;
}

export interface GenerateResult {
  readonly requestId: string;
  readonly promptTokenIds: readonly number[];
  readonly promptLogprobs: readonly (PromptLogprob | null)[] | null;
  readonly choices: readonly Choice[];
  readonly usage: Usage;
}

/**
 * A running generation. Iterate it once for events (leaving the loop early cancels it), or await `result()`.
 * Errors found before it is queued are thrown by `generate` itself; later ones reject the iteration.
 */
export interface Generation extends AsyncIterable<GenerateEvent> {
  readonly requestId: string;
  /** How the prompt's look-up in the prefix cache ended; null until the request is admitted. */
  readonly cacheReport: CacheReport | null;
  /** Drains the events and returns the whole answer. */
  result(): Promise<GenerateResult>;
  /** A new generation that continues from the tokens that this one (choice 0) has now; all blocks are shared, copied on write. */
  fork(options?: {
    readonly sampling?: SamplingParams;
    readonly signal?: AbortSignal;
    readonly requestId?: string;
  }): Generation;
  cancel(): void;
}

export interface EngineOptions {
  /** Path of a GGUF file or of a safetensors folder. */
  readonly model: string;
  /** `auto` takes the CPU backend if its addon loads, else the reference backend. Defaults to `auto`. */
  readonly backend?: 'auto' | 'cpu' | 'reference';
  /** Threads of the CPU backend. Defaults to the number of cores. */
  readonly threads?: number;
  /**
   * Plans a step that only decodes on while the one before it runs, so that the backend goes from one to the next without a pause; where kernels take over 20 ms it makes no
   * difference and is not done. What comes meanwhile waits for one step more, and a request that ends with a stop token or string has run one step in vain. Answers are the
   * same. Defaults to whether the CPU backend leaves a processor to the event loop (docs/decisions/0010-async-scheduling.md).
   */
  readonly asyncScheduling?: boolean;
  /** Longest sequence in tokens. Defaults to the model's context or what the pool holds, whichever is less. */
  readonly maxModelLen?: number;
  /** Token slots in a block. Defaults to 16. */
  readonly blockSize?: number;
  /** Sequences that run at once. Defaults to 64. */
  readonly maxNumSeqs?: number;
  /** Token budget of a step. Defaults to 512. */
  readonly maxNumBatchedTokens?: number;
  /**
   * How many times as long as a step that only decodes one may take that computes prompts too: what bounds the gaps between the
   * tokens of running requests while others arrive. Infinity fills every step up to `maxNumBatchedTokens`. Defaults to 3.5.
   */
  readonly maxStepStretch?: number;
  /**
   * How sequences get their blocks. Defaults to `paged`. The others give each sequence one contiguous run for its longest length, the power of two
   * above its length, or its length (prompt and maxTokens), share nothing and cache nothing: baselines to measure against.
   */
  readonly memory?: MemoryMode;
  /** Bytes of the KV pool. Defaults to what maxNumSeqs sequences of maxModelLen need, at most a quarter of free memory. The CPU backend takes all of it from the system, when it is idle at first. */
  readonly kvCacheMemoryBytes?: number;
  /**
   * Types of K and V in the pool: f32, f16, bf16, fp8_e4m3, fp8_e5m2, int8 or int4, or two of them as `K/V`, such as
   * `int8/f16`. `auto` is f32 for F32 weights, else f16. Types of 8 bits and fewer change what the model answers a little
   * (docs/kv-types.md); a request's answer is still the same however it is run. Defaults to `auto`.
   */
  readonly kvCacheDtype?: 'auto' | KvCacheDtype;
  /**
   * Keeps recent tokens and the first ones in `kvCacheDtype` (f32, f16 or bf16) and all tokens in int8 beside them, which is read for those between: at
   * long contexts nearly the memory of int8, with attention to what is near as precise as without. Changes what the model answers a little
   * (docs/kv-types.md); the answer is still the same however a request is run. Not with contiguous memory, attentionWindow, or models with a sliding
   * window. Defaults to none.
   */
  readonly kvCacheAging?: KvAgingOptions;
  /** Requests that may wait. Defaults to 1024. */
  readonly maxQueuedRequests?: number;
  /** Reuse cached blocks across requests. Defaults to true. */
  readonly enablePrefixCaching?: boolean;
  /**
   * For input without end in a fixed pool, on models with full attention: every token attends to the first `sinkTokens` positions and to the last
   * `windowTokens`, itself included, and blocks between them are given back (docs/decisions/0004-streaming-positions.md). Changes what the model
   * answers from the first token on that has more before it. Sinks and window together fit the model's context; at most 256
   * sinks. maxModelLen then defaults to 1,048,576, and may be up to 4,194,304. Defaults to none.
   */
  readonly attentionWindow?: AttentionWindow;
  /**
   * Which cached blocks are forgotten first when room is needed; never changes what is generated. `hit-density` learns what is asked for
   * again; the others are `lru`, `fifo`, `lfu` (with decay), `clock`, `s3-fifo`, `arc` and `gdsf`. Defaults to `hit-density`, and to `lru` where
   * attention has a window.
   */
  readonly evictionPolicy?: EvictionPolicyName;
  /**
   * Share of the pool, over 0 and at most 1, that the running requests of one tenant (`cacheSalt`) may hold together. Requests beyond it
   * wait while those of others run; one that could never fit is refused. Defaults to no limit.
   */
  readonly tenantQuota?: number;
  /** Whether admission leaves more of the pool free after preemptions, and less again in calm. Defaults to true. */
  readonly adaptiveMemory?: boolean;
  /**
   * Admission leaves room for what running requests and the new one are expected to generate: this quantile, from 0 to 1, of lengths that requests
   * came to lately, at most their `maxTokens`; 1 is all of those. Fewer are preempted, and fewer run at once. Defaults to 0: none.
   */
  readonly growthQuantile?: number;
  /**
   * Which free blocks a sequence gets; never changes what is generated. `free-list` gives any, the one freed last first; `first-fit`, `best-fit`
   * and `buddy` look for runs of neighbours. Paged memory only. Defaults to `free-list`.
   */
  readonly allocator?: AllocatorName;
  /** Blocks that a step may move to rebuild runs while free space is fragmented; 0 for none. Paged memory only. Defaults to 0. */
  readonly compactionBlocksPerStep?: number;
  /**
   * Whether blocks of sequences that run together are laid together. Only with an `allocator` that looks for runs. Defaults to false: it has
   * not been measured to be faster (docs/memory.md).
   */
  readonly placeBatchTogether?: boolean;
  /**
   * On a machine of several NUMA nodes: the pool is spread over them, a sequence keeps to one, and its blocks that lie elsewhere are moved a few a
   * step. Defaults to `auto`, which changes nothing on one node; `off` treats all memory alike.
   */
  readonly numa?: NumaSetting;
  /**
   * On models in which some layers have a sliding window and others attend to everything: whether each kind gets blocks of its own, so that blocks
   * of windowed layers are given back when they fall out of the window; else all layers share their blocks, and keep them. Without effect on other
   * models; never changes what is generated. Defaults to true, with contiguous memory to false.
   */
  readonly hybridCacheGroups?: boolean;
  /**
   * Where pages go that are evicted from the pool, and come back from when a prompt needs them: host memory, files, or one over
   * the other. Never changes what is generated, except with a lossy `hostForm`. Needs prefix caching. Defaults to none.
   */
  readonly tiers?: TierSettings;
  /**
   * Whether a request's cache report may tell that its prompt is cached under another salt: it helps to find a wrong salt, tells tenants that
   * somebody has sent this prompt, and hashes each block twice. Defaults to false.
   */
  readonly reportOtherSalts?: boolean;
  /** Check every invariant of the memory after every step (slow). Defaults to false. */
  readonly checkIntegrity?: boolean;
  /** Ended requests that `explain` still knows. Defaults to 0: nothing is kept, and nothing is explained. */
  readonly explainedRequests?: number;
  /** Whether explanations may show text of prompts and answers. Defaults to false: counts and positions only. */
  readonly explainText?: boolean;
  /** Writes a line for each request, and each event if asked for, without text (docs/events.md). Defaults to none. */
  readonly recording?: RecordingSettings;
  readonly onProgress?: (progress: LoadProgress) => void;
  /** Milliseconds, monotonic. Defaults to performance.now. */
  readonly now?: () => number;
}

export interface KvAgingOptions {
  /** Tokens before and with each one that it reads in full precision, at least; up to 63 more. 1 to 1,048,576. */
  readonly recentTokens: number;
  /** Leading tokens that are always read in full precision. 0 to 256. Defaults to 4. */
  readonly sinkTokens?: number;
}

export interface LoadProgress {
  readonly phase: 'weights' | 'ready';
  readonly loadedBytes: number;
  readonly totalBytes: number;
}

/** Counters since start and gauges of now, for /metrics and for tests. */
export interface EngineStats extends StepTimes {
  /** Null without tiers. */
  readonly tiers: TierStats | null;
  /** Blocks that pins hold, each pin counted whole. */
  readonly pinnedBlocks: number;
  readonly runningRequests: number;
  readonly waitingRequests: number;
  readonly totalBlocks: number;
  readonly freeBlocks: number;
  /** Unreferenced blocks whose content can still be hit; they count as free too. */
  readonly cachedBlocks: number;
  readonly usedBlocks: number;
  readonly steps: number;
  /** Of those, planned while the one before them ran (`asyncScheduling`). */
  readonly overlappedSteps: number;
  readonly promptTokens: number;
  /** Prompt tokens of requests that were admitted: looked up in the prefix cache, if there is one. */
  readonly lookedUpPromptTokens: number;
  /** Of those, found there. */
  readonly cachedPromptTokens: number;
  /** Tokens run through the model, recomputation included. */
  readonly computedTokens: number;
  readonly generatedTokens: number;
  readonly preemptions: number;
  readonly evictions: number;
  readonly copyOnWrites: number;
  /** Cached blocks copied because a prompt shares a part of them. */
  readonly partialHitCopies: number;
  /** Blocks freed because an identical one was there already. */
  readonly merges: number;
  /** Slots of blocks that sequences hold, and those of them with a token in them: the rest is internal fragmentation. */
  readonly heldSlots: number;
  readonly usedSlots: number;
  /** How long cached blocks live, lie idle and come back, and what was evicted too early. */
  readonly blockHistory: BlockHistoryFigures;
  /** Requests admitted, by how their look-up in the prefix cache ended. */
  readonly cacheReports: Readonly<Record<CacheReason, number>>;
  readonly placement: PlacementStats;
  /** Null where the pool lies on one NUMA node. */
  readonly numa: NumaStats | null;
  readonly finishedRequests: Readonly<Record<FinishReason | 'error', number>>;
}

/** The pool as it is now, for people to look at. */
export interface BlockMap {
  readonly blockSize: number;
  readonly blockCount: number;
  /** Per block: references held by sequences. */
  readonly references: readonly number[];
  /** Per block: whether its content is in the prefix cache. */
  readonly cached: readonly boolean[];
  readonly sequences: readonly {
    readonly requestId: string;
    readonly state: 'running' | 'waiting';
    readonly computedTokens: number;
    readonly totalTokens: number;
    readonly blocks: readonly number[];
  }[];
}

/** What happened to one request in time; given to observers when it ends. All in milliseconds of the engine's clock. */
export interface RequestTimes {
  readonly requestId: string;
  readonly arrivedMs: number;
  /** When the first step that it takes part in began: what lies before is waiting. */
  readonly firstScheduledMs: number | null;
  readonly firstTokenMs: number | null;
  readonly finishedMs: number;
  readonly promptTokens: number;
  readonly completionTokens: number;
  readonly cachedTokens: number;
  readonly cacheReport: CacheReport | null;
  readonly finishReason: FinishReason | 'error';
  /** Gaps between consecutive tokens. */
  readonly interTokenMs: readonly number[];
}

/** A conversation to be saved: a prompt in any of its forms, usually the token ids of prompt and answer. */
export interface SaveSessionRequest
  extends Pick<GenerateRequest, 'prompt' | 'messages' | 'chatOptions' | 'tokenIds' | 'cacheSalt'> {
  /** Written beside it first, then put in its place: what was there stays there if anything fails. */
  readonly path: string;
  /** Anything to get back with the session, up to about 16 MiB. */
  readonly data?: string;
}

export interface SavedSessionInfo {
  readonly tokenCount: number;
  /** Leading tokens whose pages were in the prefix cache and so are in the file. */
  readonly cachedTokens: number;
}

export interface LoadedSession {
  /** Every token of the conversation. */
  readonly tokenIds: readonly number[];
  /** Leading tokens of them whose pages the prefix cache holds now. */
  readonly cachedTokens: number;
  readonly data: string | null;
}

/** What happens to blocks and sequences (docs/events.md). Nothing is made of it while nobody listens. */
export interface EngineEvents {
  /** Calls `listener` with every event when it happens; `blocks` (defaults to false) asks for block events too. Returns what stops it. */
  listen(listener: EventListener, options?: { readonly blocks?: boolean }): () => void;
  /**
   * A reader at its own pace: the state first, then what changes it. One that falls too far behind loses what it has not read, and gets the
   * state again; the engine waits for nobody.
   *
   * @example
   * for await (const batch of engine.events.view()) {
   *   if (batch.type === 'resync') view = createMemoryView(batch.snapshot!);
   *   else for (const event of batch.events) view.apply(event);
   * }
   */
  view(options?: ViewOptions): EventViewer;
  /** The state now. O(blocks). */
  snapshot(): Snapshot;
  /** The id of the next event. */
  readonly nextEventId: EventHub['nextEventId'];
}

export interface Engine extends AsyncDisposable {
  readonly config: ModelConfig;
  readonly tokenizer: Tokenizer;
  readonly hasChatTemplate: boolean;
  /** One line: backend, instruction set, threads. */
  readonly backendDescription: string;
  /** Why the CPU backend could not be had when `auto` fell back to the reference backend, or null. */
  readonly fallbackReason: string | null;
  readonly maxModelLen: number;
  /** Types of K and V in the pool, as `kvCacheDtype` names them. */
  readonly kvDType: KvCacheDtype;
  readonly memory: { readonly weightBytes: number; readonly kvBytes: number; readonly scratchBytes: number };
  /** Validates, tokenises and queues. Throws InvalidRequestError, ContextLengthError, QueueFullError, EngineClosedError. */
  generate(request: GenerateRequest): Generation;
  /**
   * The prompt's tokens as `generate` would encode them, without holding up the event loop: encode long texts with this
   * and hand `generate` the token ids. Rejects with InvalidRequestError.
   */
  encodePrompt(
    request: Pick<GenerateRequest, 'prompt' | 'messages' | 'chatOptions' | 'tokenIds'>,
    signal?: AbortSignal,
  ): Promise<readonly number[]>;
  /**
   * Holds what the prefix cache has of a prompt (its leading full blocks) for `leaseMs` milliseconds or until it is released, whatever else
   * comes. All pins together may hold a quarter of the pool; a request that needs more than pins and running requests leave waits.
   * Throws InvalidRequestError over the budget, or for a lease that is not over 0 and at most a day.
   */
  pinPrefix(
    request: Pick<GenerateRequest, 'prompt' | 'messages' | 'chatOptions' | 'tokenIds' | 'cacheSalt'> & {
      readonly leaseMs: number;
    },
  ): PrefixPin;
  /**
   * Writes all tokens of a conversation to a file, and the pages of its leading full blocks that the prefix cache holds now. Pages are
   * copied between steps; requests go on. Rejects with SessionFileError and InvalidRequestError.
   */
  saveSession(request: SaveSessionRequest): Promise<SavedSessionInfo>;
  /**
   * Brings the pages of a saved session into the prefix cache, under a salt of its own, so that `generate({ tokenIds: [...session.tokenIds, ...] })`
   * hits them. Takes blocks that are free or evictable, and loads a leading part where those are too few. Rejects with SessionFileError
   * (nothing loaded) when the file is damaged, or was saved with another model, KV type, block size or backend.
   */
  loadSession(path: string, options?: { readonly cacheSalt?: string }): Promise<LoadedSession>;
  /** Renders messages with the model's chat template. */
  renderChat(messages: readonly ChatMessage[], options?: ChatPromptOptions): string;
  /** The internal error after which the engine stopped (a bug), or null. A server should then report itself unhealthy. */
  readonly failure: Error | null;
  stats(): EngineStats;
  blockMap(): BlockMap;
  readonly events: EngineEvents;
  /** What happened to a request that is known, or was one of the last `explainedRequests` to end; else null. */
  explain(requestId: string): RequestExplanation | null;
  /** Calls `observer` for every request that ends; returns what stops it. */
  onRequestEnd(observer: (times: RequestTimes) => void): () => void;
  /** Takes no more requests and resolves when those queued or running have ended. */
  drain(): Promise<void>;
  /** Cancels what runs, then frees everything. */
  close(): Promise<void>;
}
