// Errors of the command itself, and how every error is told to the user.

import pc from 'picocolors';
import {
  BackendError,
  ContextLengthError,
  HubError,
  type HubFailure,
  IntegrityError,
  InvalidRequestError,
  MemoryPlanError,
  ModelFileError,
  OctavoError,
  SessionFileError,
  type SessionFileFault,
  UnsupportedModelError,
} from '../errors/index.ts';

/** Something that the user can put right. `hint` says how. `exitCode` 2 is for a wrong command line. */
export class CliError extends OctavoError {
  readonly code = 'cli';
  readonly hint: string | null;
  readonly exitCode: number;
  constructor(message: string, hint: string | null = null, exitCode = 1, options?: ErrorOptions) {
    super(message, options);
    this.hint = hint;
    this.exitCode = exitCode;
  }
}

/** The engine speaks of its options; the user knows flags. */
const flagNames: Readonly<Record<string, string>> = {
  kvCacheMemoryBytes: '--kv-cache-memory-bytes',
  maxModelLen: '--max-model-len',
  maxNumSeqs: '--max-num-seqs',
  maxNumBatchedTokens: '--max-num-batched-tokens',
  maxStepStretch: '--max-step-stretch',
  tenantQuota: '--tenant-quota',
  growthQuantile: '--growth-quantile',
  blockSize: '--block-size',
  kvCacheDtype: '--kv-cache-dtype',
  asyncScheduling: '--async-scheduling',
  enablePrefixCaching: '--enable-prefix-caching',
  evictionPolicy: '--eviction-policy',
  allocator: '--allocator',
  compactionBlocksPerStep: '--compaction-blocks-per-step',
  placeBatchTogether: '--place-batch-together',
  threads: '--threads',
  sequenceTokens: '--sequence-tokens',
};

function withFlagNames(message: string): string {
  return message.replaceAll(/\b[a-z]+[A-Z]\w*\b|\bthreads\b(?= must)/g, (word) => flagNames[word] ?? word);
}

const hubHints: Partial<Record<HubFailure, string>> = {
  access: 'Set HF_TOKEN to a token that may read this repository, and accept its terms on its page.',
  not_found: 'Check the name: owner/name, with :file.gguf or a quantisation such as :q8_0 after it.',
  network: 'Check the connection, and HF_ENDPOINT if it is set; a download that broke off is resumed.',
  checksum: 'Run the command again to download the file anew.',
  disk: 'Make room, or point HF_HOME to another disk.',
};

const sessionHints: Readonly<Record<SessionFileFault, string>> = {
  version: 'Resume it with the version of Octavo that saved it, or name another file.',
  model: 'Take the model that it was saved with, or name another file.',
  kv_type: 'Give the --kv-cache-dtype that it was saved with, or name another file.',
  layout: 'Give the --block-size and --backend that it was saved with, or name another file.',
  truncated: 'Delete it to begin anew.',
  corrupt: 'Delete it to begin anew.',
  not_a_session: 'Name another file.',
  io: 'Check the path, its permissions and the space on the disk.',
};

function hintOf(error: unknown): string | null {
  if (error instanceof CliError) return error.hint;
  if (error instanceof ModelFileError) return 'Check the path; if the file was downloaded, download it again.';
  if (error instanceof UnsupportedModelError) return 'Take another file of this model, or another model.';
  if (error instanceof HubError) return hubHints[error.failure] ?? null;
  if (error instanceof MemoryPlanError) return '`octavo inspect MODEL` shows what a sequence needs.';
  if (error instanceof BackendError) return 'Rebuild with `npm run build`, or use `--backend reference`.';
  if (error instanceof ContextLengthError)
    return 'Give a shorter prompt, a lower --max-tokens or a higher --max-model-len.';
  if (error instanceof IntegrityError) return 'This is a bug of Octavo; please report it with the output of --verbose.';
  if (error instanceof SessionFileError) return sessionHints[error.fault];
  if (error instanceof InvalidRequestError) return null;
  return error instanceof OctavoError ? null : 'Run again with --verbose for the stack.';
}

/** Writes one or two lines about an error (and its stack when `verbose`), and returns the exit code. */
export function reportError(error: unknown, stream: NodeJS.WritableStream, verbose: boolean): number {
  const message = error instanceof Error ? error.message : String(error);
  stream.write(`${pc.red('error:')} ${error instanceof OctavoError ? withFlagNames(message) : message}\n`);
  const hint = hintOf(error);
  if (hint !== null) stream.write(`${hint}\n`);
  if (verbose && error instanceof Error) {
    stream.write(`${error.stack}\n`);
    if (error.cause !== undefined) stream.write(`caused by: ${String(error.cause)}\n`);
  }
  return error instanceof CliError ? error.exitCode : 1;
}
