// `octavo chat`: a conversation in the terminal.

import { createInterface, type Interface } from 'node:readline';
import type { Command } from 'commander';
import pc from 'picocolors';
import type { Engine, Usage } from '../../engine/api.ts';
import { ContextLengthError, InvalidRequestError, SessionFileError } from '../../errors/index.ts';
import type { ChatMessage } from '../../models/chat-template.ts';
import { CliError, reportError } from '../cli-error.ts';
import { addEngineFlags, type EngineFlags } from '../engine-flags.ts';
import { addSamplingFlags, type SamplingFlags, toSamplingParams } from '../sampling-flags.ts';
import { addSessionFlag, loadSessionFile, packMessages, type SessionFlags, unpackMessages } from '../session-flag.ts';

interface ChatFlags extends EngineFlags, SamplingFlags, SessionFlags {
  readonly system?: string;
}

const examples = `
In the chat: /help, /clear (forget the conversation), /exit. Ctrl-C cancels an answer; at the prompt it leaves.

Examples:
  octavo chat
  octavo chat --session trip.session
  octavo chat ./model.gguf --system "You answer in one sentence." --temperature 0.2`;

const help = `  /clear   forget the conversation
  /exit    leave (also Ctrl-D)
  Ctrl-C   cancel the answer
`;

export function addChatCommand(program: Command): void {
  const command = program
    .command('chat')
    .summary('talk with a model in the terminal')
    .description('Talk with a model. The conversation so far stays in the prefix cache and is not computed again.')
    .argument('[model]', 'a GGUF file, a safetensors folder or a Hugging Face id (default: the bundled model)')
    .option('--system <text>', 'system message; a resumed session keeps its own');
  addSessionFlag(command);
  addSamplingFlags(command, {});
  addEngineFlags(command)
    .addHelpText('after', examples)
    .action(async (model: string | undefined, flags: ChatFlags) => {
      const { loadEngine } = await import('../load-engine.ts');
      const { engine } = await loadEngine(model, flags);
      await using _closed = engine;
      if (!engine.hasChatTemplate) {
        throw new CliError('This model has no chat template.', 'Use `octavo run` to continue a bare prompt.');
      }
      await converse(engine, flags);
    });
}

/** Reads lines until the input ends; each is a message or a command. */
async function converse(engine: Engine, flags: ChatFlags): Promise<void> {
  const opening: ChatMessage[] = flags.system === undefined ? [] : [{ role: 'system', content: flags.system }];
  const session = await loadSessionFile(engine, flags.session);
  let history = session === null ? [...opening] : unpackMessages(flags.session as string, session.data);
  /** What the file lacks, or null if it is up to date. */
  let unsaved: Turn | null = null;
  const interactive = process.stdin.isTTY === true;
  const lines = createInterface({ input: process.stdin, output: interactive ? process.stdout : undefined });
  lines.setPrompt(pc.bold('> '));
  if (interactive) process.stdout.write(pc.dim(`${engine.config.name}. /help for commands.\n`));
  if (session !== null) {
    const { tokenIds, cachedTokens } = session;
    process.stdout.write(pc.dim(`[session of ${tokenIds.length} tokens, ${cachedTokens} of them loaded]\n`));
  }
  let answering: AbortController | null = null;
  const onInterrupt = (): void => {
    if (answering !== null) answering.abort();
    else lines.close();
  };
  lines.on('SIGINT', onInterrupt);
  process.on('SIGINT', onInterrupt);
  try {
    ask(lines, interactive);
    for await (const line of lines) {
      const message = line.trim();
      if (message === '/exit' || message === '/quit') break;
      if (message === '/clear') {
        history = [...opening];
        process.stdout.write(pc.dim('The conversation is forgotten.\n'));
      } else if (message.startsWith('/')) {
        if (message !== '/help') process.stdout.write(`${message} is no command.\n`);
        process.stdout.write(help);
      } else if (message !== '') {
        answering = new AbortController();
        const turn = await answer(engine, [...history, { role: 'user', content: message }], flags, answering.signal);
        answering = null;
        history = turn.messages;
        if (turn.tokenIds.length > 0) unsaved = turn;
        if (unsaved !== null && (await saved(engine, unsaved, flags))) unsaved = null;
      }
      ask(lines, interactive);
    }
  } finally {
    process.off('SIGINT', onInterrupt);
    lines.close();
  }
  if (unsaved !== null && !(await saved(engine, unsaved, flags))) process.exitCode = 1;
}

/** The conversation after a turn, and all its tokens; none if the turn was refused. */
interface Turn {
  readonly messages: ChatMessage[];
  readonly tokenIds: readonly number[];
}

/** Saves a turn if that is asked for. False, and the reason told, if it failed: the conversation goes on. */
async function saved(engine: Engine, { messages, tokenIds }: Turn, flags: ChatFlags): Promise<boolean> {
  if (flags.session === undefined) return true;
  try {
    await engine.saveSession({ path: flags.session, tokenIds, data: packMessages(messages) });
    return true;
  } catch (error) {
    if (!(error instanceof SessionFileError)) throw error;
    reportError(error, process.stderr, flags.verbose);
    return false;
  }
}

function ask(lines: Interface, interactive: boolean): void {
  if (interactive) lines.prompt();
}

/** Streams one answer. Returns the turn with it, or without the question when it was refused. */
async function answer(
  engine: Engine,
  conversation: ChatMessage[],
  flags: ChatFlags,
  signal: AbortSignal,
): Promise<Turn> {
  let text = '';
  const tokenIds: number[] = [];
  let usage: Usage | null = null;
  try {
    for await (const event of engine.generate({ messages: conversation, sampling: toSamplingParams(flags), signal })) {
      if (event.type === 'start') tokenIds.push(...event.promptTokenIds);
      if (event.type === 'token') tokenIds.push(event.tokenId);
      if (event.type === 'token' || event.type === 'finish') {
        text += event.text;
        process.stdout.write(event.text);
      }
      if (event.type === 'usage') usage = event.usage;
    }
  } catch (error) {
    if (!(error instanceof ContextLengthError) && !(error instanceof InvalidRequestError)) throw error;
    reportError(error, process.stderr, flags.verbose);
    if (error instanceof ContextLengthError) process.stderr.write('/clear forgets the conversation.\n');
    return { messages: conversation.slice(0, -1), tokenIds: [] };
  }
  process.stdout.write('\n');
  if (usage !== null) {
    const cancelled = signal.aborted ? ', cancelled' : '';
    process.stdout.write(
      pc.dim(
        `[${usage.promptTokens} prompt tokens, ${usage.cachedTokens} of them cached; ${usage.completionTokens} generated${cancelled}]\n`,
      ),
    );
  }
  return { messages: [...conversation, { role: 'assistant', content: text }], tokenIds };
}
