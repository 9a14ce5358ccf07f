// `octavo serve`: the HTTP server.

import { basename } from 'node:path';
import type { Command } from 'commander';
import pc from 'picocolors';
import type { Engine } from '../../engine/api.ts';
import type { RunningServer } from '../../server/index.ts';
import { CliError } from '../cli-error.ts';
import { addEngineFlags, type EngineFlags } from '../engine-flags.ts';
import { bytesFlag, integerFlag, repeatedFlag } from '../flag-values.ts';
import { formatBytes, formatCount } from '../format.ts';

interface ServeFlags extends EngineFlags {
  readonly host: string;
  readonly port: number;
  readonly servedModelName?: string;
  readonly apiKey?: string;
  readonly adminKey?: string;
  readonly showText: boolean;
  readonly explainRequests: number;
  readonly record?: string;
  readonly recordEvents: boolean;
  readonly recordLimit?: number;
  readonly recordMaxBytes?: number;
  readonly recordFiles: number;
  readonly corsOrigin?: readonly string[];
  readonly logLevel: string;
}

const examples = `
Examples:
  octavo serve                                          the bundled model on http://127.0.0.1:8000
  octavo serve ./model.gguf --port 9000 --threads 4
  octavo serve Qwen/Qwen2.5-0.5B-Instruct-GGUF:q8_0 --max-model-len 4096 --kv-cache-memory-bytes 1G
  OCTAVO_API_KEY=secret octavo serve --host 0.0.0.0`;

export function addServeCommand(program: Command): void {
  const command = program
    .command('serve')
    .summary('serve a model over HTTP, as OpenAI does')
    .description('Serve a model over HTTP: the OpenAI API, metrics, and a page at / to chat and watch the block map.')
    .argument('[model]', 'a GGUF file, a safetensors folder or a Hugging Face id (default: the bundled model)')
    .optionsGroup('Server:')
    .option('--host <address>', 'address to listen on; 0.0.0.0 is all', '127.0.0.1')
    .option('--port <number>', 'port to listen on; 0 takes a free one', integerFlag(0, 65535), 8000)
    .option('--served-model-name <name>', 'the name that clients use (default: the name of the file)')
    .option('--api-key <key>', 'clients must send this key (default: OCTAVO_API_KEY, or no key)')
    .option(
      '--admin-key <key>',
      'the key for /v1/events and explanations (default: OCTAVO_ADMIN_KEY, or both answer this machine only)',
    )
    .option('--show-text', 'let explanations show text of prompts and answers', false)
    .option('--explain-requests <count>', 'ended requests that can still be explained', integerFlag(0, 1_000_000), 1000)
    .option('--record <file>', 'write a line without text for each request to a new file, which simulate can replay')
    .option('--record-events', 'with --record: every event too, so that pages can replay the run', false)
    .option('--record-limit <bytes>', 'where the recording ends (default: 1G)', bytesFlag)
    .option(
      '--record-max-bytes <bytes>',
      'instead: go on in a new file there; full ones become FILE.1, FILE.2, …',
      bytesFlag,
    )
    .option('--record-files <count>', 'full files that --record-max-bytes keeps', integerFlag(1, 10_000), 4)
    .option(
      '--cors-origin <origin>',
      'let pages of this origin call; may be given several times; * is any',
      repeatedFlag,
    )
    .option('--log-level <level>', 'JSON log on stderr: fatal, error, warn, info, debug, silent', 'warn');
  addEngineFlags(command)
    .addHelpText('after', examples)
    .action(async (model: string | undefined, flags: ServeFlags) => serve(model, flags));
}

const logLevels = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'];

async function serve(model: string | undefined, flags: ServeFlags): Promise<void> {
  if (!logLevels.includes(flags.logLevel)) {
    throw new CliError(`--log-level ${flags.logLevel} is not one of ${logLevels.join(', ')}.`, null, 2);
  }
  if (flags.recordEvents && flags.record === undefined) {
    throw new CliError('--record-events needs --record FILE.', null, 2);
  }
  const { recordLimit, recordMaxBytes } = flags;
  if (recordLimit !== undefined && recordMaxBytes !== undefined) {
    throw new CliError('--record-limit and --record-max-bytes exclude each other.', null, 2);
  }
  if ((recordLimit ?? 65536) < 65536) throw new CliError('--record-limit must be at least 64K.', null, 2);
  if ((recordMaxBytes ?? 65536) < 65536) throw new CliError('--record-max-bytes must be at least 64K.', null, 2);
  // Imported here, so that --help and wrong flags need not wait for the engine and the server to load.
  const [{ pino }, { startServer }, { loadEngine }] = await Promise.all([
    import('pino'),
    import('../../server/index.ts'),
    import('../load-engine.ts'),
  ]);
  const { engine, modelPath } = await loadEngine(model, flags, {
    explainedRequests: flags.explainRequests,
    explainText: flags.showText,
    recording:
      flags.record === undefined
        ? undefined
        : {
            path: flags.record,
            events: flags.recordEvents,
            limitBytes: recordMaxBytes ?? recordLimit,
            keptParts: recordMaxBytes === undefined ? 0 : flags.recordFiles,
            onEnd: (message) => void process.stderr.write(`octavo: ${message}\n`),
          },
  });
  const servedModelName = flags.servedModelName ?? basename(modelPath).replace(/\.gguf$/i, '');
  const apiKey = flags.apiKey ?? (process.env.OCTAVO_API_KEY || undefined);
  let server: RunningServer;
  try {
    server = await startServer({
      engine,
      servedModelName,
      apiKey,
      adminKey: flags.adminKey ?? (process.env.OCTAVO_ADMIN_KEY || undefined),
      corsOrigins: flags.corsOrigin,
      host: flags.host,
      port: flags.port,
      logger: pino({ level: flags.logLevel }, pino.destination({ dest: 2, sync: true })),
    });
  } catch (error) {
    await engine.close();
    throw listenError(error, flags);
  }
  writeBanner(server.url, servedModelName, engine, apiKey === undefined && !isLoopback(flags.host));
  await untilSignal();
  process.stderr.write(
    'Draining: running requests finish, new ones are refused. Press Ctrl-C again to stop at once.\n',
  );
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => process.exit(signal === 'SIGINT' ? 130 : 143));
  }
  await server.close();
  await engine.close();
}

function untilSignal(): Promise<void> {
  return new Promise((resolve) => {
    const onSignal = (): void => {
      process.off('SIGINT', onSignal);
      process.off('SIGTERM', onSignal);
      resolve();
    };
    process.on('SIGINT', onSignal);
    process.on('SIGTERM', onSignal);
  });
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || host.startsWith('127.');
}

/** The socket's error as a line that says what to do. */
function listenError(error: unknown, flags: ServeFlags): unknown {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  const options = { cause: error };
  if (code === 'EADDRINUSE') {
    return new CliError(
      `Port ${flags.port} on ${flags.host} is in use.`,
      'Stop what listens there, or take another with --port (0 finds a free one).',
      1,
      options,
    );
  }
  if (code === 'EACCES') {
    return new CliError(`Port ${flags.port} needs more rights.`, 'Take a port of 1024 or above.', 1, options);
  }
  if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND') {
    return new CliError(`${flags.host} is no address of this machine.`, 'Try --host 127.0.0.1 or 0.0.0.0.', 1, options);
  }
  return error;
}

function writeBanner(url: string, servedModelName: string, engine: Engine, exposed: boolean): void {
  const { config, memory, maxModelLen } = engine;
  const { totalBlocks } = engine.stats();
  const { blockSize } = engine.blockMap();
  const fullSequences = Math.floor(totalBlocks / Math.ceil(maxModelLen / blockSize));
  const lines = [
    ['model', `${servedModelName}  (${config.architecture}, ${formatBytes(memory.weightBytes)} of weights)`],
    ['backend', engine.backendDescription],
    [
      'KV cache',
      `${formatBytes(memory.kvBytes)}: ${formatCount(totalBlocks)} blocks of ${blockSize} = ${formatCount(totalBlocks * blockSize)} tokens, ` +
        `${formatCount(fullSequences)} sequences of ${formatCount(maxModelLen)}`,
    ],
    ['page', pc.cyan(url)],
    ['API', pc.cyan(`${url}/v1`)],
  ];
  const text = lines.map(([name, value]) => `  ${pc.dim(name.padEnd(9))} ${value}`).join('\n');
  process.stdout.write(`\n${pc.bold('Octavo')} is serving\n\n${text}\n\nCtrl-C drains and stops.\n`);
  if (engine.fallbackReason !== null) {
    process.stderr.write(
      `${pc.yellow('warning:')} the slow reference backend serves, because the CPU backend cannot: ${engine.fallbackReason}\n`,
    );
  }
  if (exposed) {
    process.stderr.write(
      `${pc.yellow('warning:')} other machines can reach this server, and it asks for no --api-key.\n`,
    );
  }
}
