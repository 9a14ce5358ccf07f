// Chat templates: Jinja text from a model file, turned into a function from messages to prompt text.

import { createContext, Script } from 'node:vm';
import { InvalidRequestError, ModelFileError } from '../../errors/errors.ts';
import type { ChatMessage, ChatTemplate } from '../chat-template.ts';
import { type ParsedTemplate, parseTemplate, runTemplate, TemplateBudgetError } from './interpreter.ts';
import { strftime } from './strftime.ts';

export interface ChatTemplateOptions {
  /** Texts of the tokens that templates know as `bos_token` and `eos_token`; undefined there if null. */
  readonly bosToken: string | null;
  readonly eosToken: string | null;
  /** What `strftime_now` reads. Defaults to the system clock. */
  readonly now?: () => Date;
  /** Longest time that one rendering may take. Defaults to 2,000. Ordinary ones take well under one. */
  readonly deadlineMs?: number;
}

/** Nodes that a rendering may evaluate, and how many more per message: real templates take about a hundred a message. */
const STEP_LIMIT = 100_000;
const STEP_LIMIT_PER_MESSAGE = 2000;
/** Text that a rendering may handle in all, and how many times the length of its messages on top. */
const VOLUME_LIMIT = 8_000_000;
const VOLUME_LIMIT_PER_INPUT = 100;
const RANGE_LIMIT = 10_000;
const DEADLINE_MS = 2000;

/**
 * Parses a chat template once. Rendering offers what Hugging Face's does: `messages`, `add_generation_prompt`,
 * `bos_token`, `eos_token`, `raise_exception`, `strftime_now`, `tojson`, and the caller's variables.
 *
 * Templates are not trusted: work and text are budgeted, which stops loops at once, and a deadline stops the rest
 * (a single filter over nested values can take exponential time, which no count of nodes sees).
 *
 * Throws ModelFileError if the template cannot be parsed. `render` throws InvalidRequestError (param `messages`)
 * for everything that goes wrong in the template, also for what it refuses with `raise_exception`.
 */
export function createChatTemplate(source: string, options: ChatTemplateOptions): ChatTemplate {
  const deadlineMs = options.deadlineMs ?? DEADLINE_MS;
  const withDeadline = createDeadline(deadlineMs);
  const now = options.now ?? (() => new Date());
  let parsed: ParsedTemplate;
  try {
    parsed = withDeadline(() => parseTemplate(source));
  } catch (error) {
    throw new ModelFileError('chat template', `cannot be parsed: ${messageOf(error)}`, { cause: error });
  }

  return {
    render(messages, { addGenerationPrompt = true, variables = {} } = {}) {
      const plainMessages = messages.map(withoutUndefined);
      const given: Record<string, unknown> = {
        ...variables,
        messages: plainMessages,
        add_generation_prompt: addGenerationPrompt,
        raise_exception: (message: unknown) => {
          throw new Error(String(message));
        },
        strftime_now: (format: unknown) => strftime(now(), String(format)),
      };
      if (options.bosToken !== null) given.bos_token = options.bosToken;
      if (options.eosToken !== null) given.eos_token = options.eosToken;
      const inputLength = JSON.stringify([plainMessages, variables]).length;
      const budget = {
        steps: STEP_LIMIT + STEP_LIMIT_PER_MESSAGE * messages.length,
        // Templates look at the list of messages for every message, hence the square.
        volume: VOLUME_LIMIT + VOLUME_LIMIT_PER_INPUT * inputLength + 20 * messages.length ** 2,
        rangeLength: Math.max(RANGE_LIMIT, messages.length),
      };
      try {
        return withDeadline(() => runTemplate(parsed, given, budget));
      } catch (error) {
        throw new InvalidRequestError(describeFailure(error, deadlineMs), 'messages');
      }
    },
  };
}

function describeFailure(error: unknown, deadlineMs: number): string {
  if (error instanceof TemplateBudgetError) return `The chat template was stopped: ${error.message}.`;
  if (isTimeout(error)) return `The chat template was stopped: it did not end within ${deadlineMs} ms.`;
  return `The chat template refuses these messages: ${messageOf(error)}`;
}

// By shape, not by class: the error of an expired deadline belongs to the realm of the sandbox.
const isTimeout = (error: unknown): boolean =>
  (error as { code?: unknown } | null)?.code === 'ERR_SCRIPT_EXECUTION_TIMEOUT';

function messageOf(error: unknown): string {
  const message = (error as { message?: unknown } | null)?.message;
  return typeof message === 'string' ? message : String(error);
}

/** Absent fields are absent to the template (`'name' in message`), not there and undefined. */
function withoutUndefined(message: ChatMessage): Record<string, unknown> {
  return Object.fromEntries(Object.entries(message).filter(([, value]) => value !== undefined));
}

/** A function that runs synchronous code and has V8 end it when its time is over, whatever the code calls. */
function createDeadline(deadlineMs: number): <T>(call: () => T) => T {
  const script = new Script('call()');
  const sandbox: { call: (() => unknown) | null } = { call: null };
  const context = createContext(sandbox);
  return <T>(call: () => T): T => {
    sandbox.call = call;
    try {
      return script.runInContext(context, { timeout: deadlineMs }) as T;
    } finally {
      sandbox.call = null;
    }
  };
}
