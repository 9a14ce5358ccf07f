// Downloads one file into a blob of the cache: resumed where it was cut, checked before it gets its name.

import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { HubError } from '../../errors/errors.ts';

export interface DownloadJob {
  readonly url: string;
  readonly blobPath: string;
  readonly sizeBytes: number;
  /** Of the whole file: sha256 for files in large-file storage, git's blob sha1 for the others. */
  readonly checksum: { readonly kind: 'sha256' | 'gitSha1'; readonly hex: string };
  /** With the authorisation already in it. */
  readonly fetch: typeof fetch;
  readonly sleep: (ms: number, signal?: AbortSignal) => Promise<void>;
  readonly signal?: AbortSignal;
  readonly onProgress: (receivedBytes: number) => void;
}

const maxTriesWithoutProgress = 5;
const firstRetryDelayMs = 500;

/**
 * Fetches `job.url` to `job.blobPath` by way of `<blobPath>.incomplete`, which an interrupted download leaves behind and
 * a later one goes on from. Cut connections and server errors are tried again, five times without progress in between.
 *
 * @throws HubError; after a checksum mismatch the incomplete file is gone
 */
export async function downloadBlob(job: DownloadJob): Promise<void> {
  const incompletePath = `${job.blobPath}.incomplete`;
  await onDisk(job, () => mkdir(dirname(job.blobPath), { recursive: true }));
  let hadBytesBefore = (await sizeOf(incompletePath)) > 0;
  for (;;) {
    await fetchAll(job, incompletePath);
    const actual = await onDisk(job, () => checksumOf(job, incompletePath));
    if (actual === job.checksum.hex) break;
    await rm(incompletePath, { force: true });
    // What an earlier run left may be at fault: a fresh download decides.
    if (!hadBytesBefore) {
      throw new HubError(
        'checksum',
        job.url,
        `${job.url}: the file's ${job.checksum.kind} is ${actual}, but the hub says ${job.checksum.hex}. ` +
          'The download was damaged or the file changed; try again.',
      );
    }
    hadBytesBefore = false;
  }
  await onDisk(job, () => rename(incompletePath, job.blobPath));
}

async function fetchAll(job: DownloadJob, incompletePath: string): Promise<void> {
  let tries = 0;
  let haveBytes = await sizeOf(incompletePath);
  for (;;) {
    job.signal?.throwIfAborted();
    if (haveBytes === job.sizeBytes && (haveBytes > 0 || (await exists(incompletePath)))) return;
    const beforeBytes = haveBytes;
    try {
      await fetchRest(job, incompletePath, haveBytes);
      haveBytes = await sizeOf(incompletePath);
    } catch (error) {
      job.signal?.throwIfAborted();
      haveBytes = await sizeOf(incompletePath);
      tries = haveBytes > beforeBytes ? 1 : tries + 1;
      if (!isWorthRetrying(error) || tries >= maxTriesWithoutProgress) throw error;
      await job.sleep(firstRetryDelayMs * 2 ** (tries - 1), job.signal);
    }
  }
}

/** Requests the bytes from `haveBytes` on and appends them; starts over when the server sends the whole file. */
async function fetchRest(job: DownloadJob, incompletePath: string, haveBytes: number): Promise<void> {
  const isResumed = haveBytes > 0 && haveBytes < job.sizeBytes;
  const headers: Record<string, string> = { 'accept-encoding': 'identity' };
  if (isResumed) headers.range = `bytes=${haveBytes}-`;
  const response = await onNetwork(job, () => job.fetch(job.url, { headers, signal: job.signal }));
  if (response.status === 416) {
    await response.body?.cancel();
    await rm(incompletePath, { force: true });
    throw new HubError('network', job.url, `${job.url}: the server cannot resume at byte ${haveBytes}`, 416);
  }
  if (!response.ok) {
    await response.body?.cancel();
    throw hubErrorOfStatus(job.url, response.status);
  }
  const isPartial = response.status === 206;
  if (
    isPartial &&
    !new RegExp(`^bytes ${isResumed ? haveBytes : 0}-`).test(response.headers.get('content-range') ?? '')
  ) {
    await response.body?.cancel();
    await rm(incompletePath, { force: true });
    throw new HubError('network', job.url, `${job.url}: the server sent another range than was asked for`, 206);
  }
  const startBytes = isPartial && isResumed ? haveBytes : 0;
  const handle = await onDisk(job, () => open(incompletePath, startBytes > 0 ? 'a' : 'w'));
  try {
    await appendBody(job, response, handle, startBytes);
  } finally {
    await handle.close();
  }
}

async function appendBody(job: DownloadJob, response: Response, handle: FileHandle, startBytes: number): Promise<void> {
  let receivedBytes = startBytes;
  const reader = response.body?.getReader();
  try {
    for (;;) {
      const part = await onNetwork(job, async () => reader?.read());
      if (part === undefined || part.done) break;
      receivedBytes += part.value.length;
      if (receivedBytes > job.sizeBytes) {
        throw new HubError(
          'checksum',
          job.url,
          `${job.url}: the server sends more than the ${job.sizeBytes} bytes it said`,
        );
      }
      await onDisk(job, () => writeAll(handle, part.value));
      job.onProgress(receivedBytes);
    }
  } finally {
    await reader?.cancel().catch(() => {});
  }
  if (receivedBytes < job.sizeBytes) {
    throw new HubError(
      'network',
      job.url,
      `${job.url}: the connection closed after ${receivedBytes} of ${job.sizeBytes} bytes`,
    );
  }
}

async function writeAll(handle: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let written = 0; written < bytes.length; ) {
    written += (await handle.write(bytes, written)).bytesWritten;
  }
}

async function checksumOf(job: DownloadJob, path: string): Promise<string> {
  const hash: Hash = createHash(job.checksum.kind === 'sha256' ? 'sha256' : 'sha1');
  if (job.checksum.kind === 'gitSha1') hash.update(`blob ${job.sizeBytes}\0`);
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20, signal: job.signal })) hash.update(chunk);
  return hash.digest('hex');
}

async function sizeOf(path: string): Promise<number> {
  return (await stat(path).catch(() => null))?.size ?? 0;
}

async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch(() => null)) !== null;
}

function isWorthRetrying(error: unknown): boolean {
  if (!(error instanceof HubError)) return false;
  return (
    error.failure === 'network' || (error.failure === 'http' && (error.status === 429 || (error.status ?? 0) >= 500))
  );
}

async function onNetwork<T>(job: DownloadJob, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (cause) {
    job.signal?.throwIfAborted();
    throw networkError(job.url, cause);
  }
}

async function onDisk<T>(job: DownloadJob, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (cause) {
    job.signal?.throwIfAborted();
    throw diskError(job.url, job.blobPath, cause);
  }
}

/** A file system failure while storing what came from `url`. */
export function diskError(url: string, path: string, cause: unknown): HubError {
  const { code, message } = cause as NodeJS.ErrnoException;
  const why = code === 'ENOSPC' || code === 'EDQUOT' ? 'the disk is full' : message;
  return new HubError('disk', url, `${path} cannot be written: ${why}`, null, { cause });
}

/** A failure to reach `url` or to read its answer. */
export function networkError(url: string, cause: unknown): HubError {
  const inner = cause instanceof Error && cause.cause instanceof Error ? `: ${cause.cause.message}` : '';
  const message = cause instanceof Error ? cause.message : String(cause);
  return new HubError('network', url, `${url} cannot be reached (${message}${inner})`, null, { cause });
}

/** What an HTTP status of a hub means to a person. */
export function hubErrorOfStatus(url: string, status: number): HubError {
  if (status === 401 || status === 403) {
    return new HubError(
      'access',
      url,
      `${url}: access denied (${status}). The repository is private or gated, or does not exist: ` +
        'accept its terms on its page and set HF_TOKEN to a token that may read it.',
      status,
    );
  }
  if (status === 404)
    return new HubError('not_found', url, `${url}: there is no such repository, revision or file.`, status);
  return new HubError('http', url, `${url}: the hub answers with status ${status}.`, status);
}
