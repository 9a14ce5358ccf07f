// `octavo chat`: a conversation in the terminal.

import { createInterface, type Interface } from 'node:readline';
import type { Command } from 'commander';
import pc from 'picocolors';
import type { Engine, Usage } from '../../engine/api.ts';
import { ContextLengthError, InvalidRequestError } from '../../errors/index.ts';
import type { ChatMessage } from '../../models/chat-template.ts';
import { CliError, reportError } from '../cli-error.ts';
import { addEngineFlags, type EngineFlags } from '../engine-flags.ts';
import { addSamplingFlags, type SamplingFlags, toSamplingParams } from '../sampling-flags.ts';

interface ChatFlags extends EngineFlags, SamplingFlags {
  readonly system?: string;
}

const examples = `
In the chat: /help, /clear (forget the conversation), /exit. Ctrl-C cancels an answer; at the prompt it leaves.

Examples:
  octavo chat
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
    .option('--system <text>', 'system message');
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
  let history = [...opening];
  const interactive = process.stdin.isTTY === true;
  const lines = createInterface({ input: process.stdin, output: interactive ? process.stdout : undefined });
  lines.setPrompt(pc.bold('> '));
  if (interactive) process.stdout.write(pc.dim(`${engine.config.name}. /help for commands.\n`));
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
        history = await answer(engine, [...history, { role: 'user', content: message }], flags, answering.signal);
        answering = null;
      }
      ask(lines, interactive);
    }
  } finally {
    process.off('SIGINT', onInterrupt);
    lines.close();
  }
}

function ask(lines: Interface, interactive: boolean): void {
  if (interactive) lines.prompt();
}

/** Streams one answer. Returns the conversation with it, or without the question when it was refused. */
async function answer(
  engine: Engine,
  conversation: ChatMessage[],
  flags: ChatFlags,
  signal: AbortSignal,
): Promise<ChatMessage[]> {
  let text = '';
  let usage: Usage | null = null;
  try {
    for await (const event of engine.generate({ messages: conversation, sampling: toSamplingParams(flags), signal })) {
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
    return conversation.slice(0, -1);
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
  return [...conversation, { role: 'assistant', content: text }];
}
