// `octavo run`: one prompt, its continuation on stdout.

import { existsSync } from 'node:fs';
import { text as readAll } from 'node:stream/consumers';
import type { Command } from 'commander';
import pc from 'picocolors';
import type { ChatMessage } from '../../models/chat-template.ts';
import { CliError } from '../cli-error.ts';
import { addEngineFlags, type EngineFlags } from '../engine-flags.ts';
import { addSamplingFlags, type SamplingFlags, toSamplingParams } from '../sampling-flags.ts';
import { addSessionFlag, loadSessionFile, type SessionFlags } from '../session-flag.ts';

interface RunFlags extends EngineFlags, SamplingFlags, SessionFlags {
  readonly chat: boolean;
  readonly system?: string;
  readonly json: boolean;
}

const examples = `
One argument is always the prompt, and the bundled model continues it; two are a model and a prompt.
The prompt "-" is read from standard input.

Examples:
  octavo run "Once upon a time"
  octavo run ./model.gguf "The capital of France is" --max-tokens 8 --temperature 0
  octavo run Qwen/Qwen2.5-0.5B-Instruct-GGUF:q8_0 --chat "Write a haiku about pages." --json
  cat story.txt | octavo run -
  octavo run --session story.session "Once upon a time" && octavo run --session story.session " The next day"`;

export function addRunCommand(program: Command): void {
  const command = program
    .command('run')
    .summary('continue a prompt on standard output')
    .description('Continue a prompt and write the text to standard output as it comes.')
    .argument('[model]', 'a GGUF file, a safetensors folder or a Hugging Face id (default: the bundled model)')
    .argument('<prompt>', 'the text to continue; - reads standard input')
    .usage('[options] [model] <prompt>');
  // Commander wants required arguments first; the rule for one or two is ours, below.
  command.registeredArguments[1].required = false;
  command
    .option('--chat', "put the prompt into the model's chat template", false)
    .option('--system <text>', 'system message; implies --chat')
    .option('--json', 'write one JSON object (text, finish reason, usage) instead of the text', false);
  addSessionFlag(command);
  addSamplingFlags(command, { maxTokens: 256 });
  addEngineFlags(command)
    .addHelpText('after', examples)
    .action(async (first: string | undefined, second: string | undefined, flags: RunFlags) => {
      const { model, prompt } = await chooseArguments(first, second);
      await run(model, prompt, flags);
    });
}

/** One argument is a prompt for the bundled model, two are a model and a prompt. */
async function chooseArguments(
  first: string | undefined,
  second: string | undefined,
): Promise<{ model: string | undefined; prompt: string }> {
  if (first === undefined) throw new CliError('A prompt is needed.', 'For example: octavo run "Once upon a time"', 2);
  const model = second === undefined ? undefined : first;
  const prompt = second ?? first;
  if (second === undefined && (/\.gguf$/i.test(first) || (first.includes('/') && existsSync(first)))) {
    throw new CliError(
      `"${first}" is a model, and the prompt is missing.`,
      `For example: octavo run ${first} "Hello"`,
      2,
    );
  }
  return { model, prompt: prompt === '-' ? (await readAll(process.stdin)).replace(/\n$/, '') : prompt };
}

async function run(model: string | undefined, prompt: string, flags: RunFlags): Promise<void> {
  const wantsChat = flags.chat || flags.system !== undefined;
  if (wantsChat && flags.session !== undefined) {
    throw new CliError('--session continues bare text.', 'Use `octavo chat --session` for a conversation.', 2);
  }
  const { loadEngine } = await import('../load-engine.ts');
  const { engine } = await loadEngine(model, flags);
  await using _closed = engine;
  const abort = new AbortController();
  process.once('SIGINT', () => abort.abort());
  if (wantsChat && !engine.hasChatTemplate) {
    throw new CliError(
      'This model has no chat template.',
      'Leave out --chat and --system to continue the bare prompt.',
    );
  }
  const messages: ChatMessage[] = [
    ...(flags.system === undefined ? [] : [{ role: 'system', content: flags.system }]),
    { role: 'user', content: prompt },
  ];
  const startedMs = performance.now();
  let firstTokenMs: number | null = null;
  let text = '';
  let finishReason = 'cancelled';
  let usage = { promptTokens: 0, completionTokens: 0, cachedTokens: 0 };
  const session = await loadSessionFile(engine, flags.session);
  const tokenIds = session && [...session.tokenIds, ...engine.tokenizer.encode(prompt, { addSpecialTokens: false })];
  const known: number[] = [];
  const generation = engine.generate({
    ...(tokenIds ? { tokenIds } : wantsChat ? { messages } : { prompt }),
    sampling: toSamplingParams(flags),
    signal: abort.signal,
  });
  for await (const event of generation) {
    if (event.type === 'start') known.push(...event.promptTokenIds);
    if (event.type === 'token') {
      firstTokenMs ??= performance.now() - startedMs;
      known.push(event.tokenId);
    }
    if (event.type === 'token' || event.type === 'finish') {
      text += event.text;
      if (!flags.json) process.stdout.write(event.text);
    }
    if (event.type === 'finish') finishReason = event.reason;
    if (event.type === 'usage') usage = event.usage;
  }
  const durationMs = performance.now() - startedMs;
  if (flags.json) {
    process.stdout.write(`${JSON.stringify({ text, finishReason, usage, firstTokenMs, durationMs })}\n`);
  } else {
    process.stdout.write('\n');
    if (process.stderr.isTTY) {
      const rate = (usage.completionTokens / durationMs) * 1000;
      process.stderr.write(
        pc.dim(`${usage.completionTokens} tokens, ${rate.toFixed(1)} per second, ${finishReason}\n`),
      );
    }
  }
  if (flags.session !== undefined && known.length > 0) {
    await engine.saveSession({ path: flags.session, tokenIds: known });
  }
  if (abort.signal.aborted) process.exitCode = 130;
}
