// Fetches a model from a Hugging Face hub into the hub's own cache, downloading only what is not there.

import { stat } from 'node:fs/promises';
import { setTimeout as sleepMs } from 'node:timers/promises';
import { HubError, ModelFileError } from '../../errors/errors.ts';
import { openFile } from '../file.ts';
import { isJsonObject, readJsonIfPresent } from '../safetensors/json.ts';
import { openRepoCache, type RepoCache } from './cache.ts';
import { diskError, downloadBlob, hubErrorOfStatus, networkError } from './download.ts';
import { type HubReference, isSafePath, parseHubReference } from './reference.ts';
import { type HubModelKind, type HubSelection, safetensorsIndexName, selectFiles } from './selection.ts';

export interface HubProgress {
  /** The file in work, as named in the repository. */
  readonly path: string;
  /** Of all files known to be needed so far (the shards of a model once its index is here). */
  readonly receivedBytes: number;
  readonly totalBytes: number;
}

export interface FetchFromHubOptions {
  /** `owner/name`, with `@revision` and `:file.gguf` or `:Q4_K_M` after it as wanted. */
  readonly repo: string;
  /** Defaults to https://huggingface.co. */
  readonly endpoint?: string;
  /** Sent to `endpoint` only, never to where it redirects. */
  readonly token?: string;
  /** The hub cache itself: `hub` in what the environment calls HF_HOME. */
  readonly cacheDir: string;
  /** Defaults to the global one. */
  readonly fetch?: typeof fetch;
  /** Waits between tries. Defaults to a timer. */
  readonly sleep?: (ms: number, signal?: AbortSignal) => Promise<void>;
  readonly onProgress?: (progress: HubProgress) => void;
  readonly signal?: AbortSignal;
}

export interface FetchedModel {
  readonly kind: HubModelKind;
  /** The GGUF file (the first of a split one), or the folder with config.json and safetensors. */
  readonly path: string;
  /** The commit that the revision stands for. */
  readonly commit: string;
  /** Bytes that had to be downloaded; 0 when the cache had all. */
  readonly downloadedBytes: number;
}

interface RemoteFile {
  readonly path: string;
  readonly sizeBytes: number;
  readonly etag: string;
  readonly checksumKind: 'sha256' | 'gitSha1';
}

const defaultEndpoint = 'https://huggingface.co';
// Far more than any repository has that this reads; a hub that never stops listing must not fill memory.
const maxFileCount = 20_000;

/**
 * Makes a hub's model available locally. Files already in the cache are not downloaded again; when the hub cannot be
 * reached, a complete cached copy serves.
 *
 * @throws HubError when it cannot be fetched, ModelFileError when the repository holds no model that fits
 */
export async function fetchFromHub(options: FetchFromHubOptions): Promise<FetchedModel> {
  const reference = parseHubReference(options.repo);
  const endpoint = (options.endpoint ?? defaultEndpoint).replace(/\/+$/, '');
  const request = authorisedFetch(options.fetch ?? fetch, endpoint, options.token, options.signal);
  const cache = openRepoCache(options.cacheDir, reference.repo);
  let remote: { readonly commit: string; readonly files: ReadonlyMap<string, RemoteFile> };
  try {
    remote = await readListing(reference, endpoint, request);
  } catch (error) {
    options.signal?.throwIfAborted();
    const cached = error instanceof HubError && error.failure === 'network' ? await findCached(reference, cache) : null;
    if (cached !== null) return cached;
    throw error;
  }
  const { commit, files } = remote;
  const selection = selectFiles(reference.repo, [...files.keys()], reference.selector);
  const transfer = createTransfer(reference, endpoint, commit, cache, request, options);
  await transfer(selection.paths.map((path) => fileNamed(files, path, reference.repo)));
  let downloadedBytes = transfer.downloadedBytes();
  const shards = await shardPaths(selection, cache.snapshotPath(commit));
  if (shards.length > 0) {
    await transfer(shards.map((path) => fileNamed(files, path, reference.repo)));
    downloadedBytes = transfer.downloadedBytes();
  }
  await storing(endpoint, cache, () => cache.writeRef(reference.revision, commit));
  return { kind: selection.kind, path: cache.snapshotPath(commit, selection.entryPath), commit, downloadedBytes };
}

/** `fetch` with the token for requests to the endpoint's own origin, and the caller's signal for all. */
function authorisedFetch(
  base: typeof fetch,
  endpoint: string,
  token: string | undefined,
  signal: AbortSignal | undefined,
): typeof fetch {
  const { origin } = new URL(endpoint);
  return (input, init) => {
    const headers = new Headers(init?.headers);
    const url = input instanceof Request ? input.url : String(input);
    if (token !== undefined && token !== '' && new URL(url).origin === origin) {
      headers.set('authorization', `Bearer ${token}`);
    }
    return base(input, { signal, ...init, headers });
  };
}

async function readListing(reference: HubReference, endpoint: string, request: typeof fetch) {
  const { repo, revision } = reference;
  const url = `${endpoint}/${repo}`;
  const files = new Map<string, RemoteFile>();
  // Loaded when it is needed: it costs every command 50 ms otherwise.
  const { HubApiError, listFiles, modelInfo } = await import('@huggingface/hub');
  let commit: unknown;
  try {
    const hub = { hubUrl: endpoint, fetch: request };
    ({ sha: commit } = await modelInfo({ name: repo, revision, additionalFields: ['sha'], ...hub }));
    if (typeof commit !== 'string' || !/^[0-9a-f]{40}$/.test(commit)) {
      throw new HubError('protocol', url, `${url}: the hub names no commit for revision "${revision}".`);
    }
    for await (const entry of listFiles({ repo, revision: commit, recursive: true, ...hub })) {
      if (entry.type !== 'file') continue;
      const file = remoteFile(entry.path, entry.size, entry.lfs, entry.oid);
      // Paths and hashes become names in the cache, so those of a form that no hub gives are passed over.
      if (file !== null) files.set(file.path, file);
      if (files.size > maxFileCount) {
        throw new HubError('protocol', url, `${url}: the hub lists more than ${maxFileCount} files.`);
      }
    }
  } catch (error) {
    if (error instanceof HubError) throw error;
    if (error instanceof HubApiError) throw hubErrorOfStatus(url, error.statusCode);
    // A failed fetch is a TypeError with a cause; one without, or a SyntaxError, comes of an answer in another form.
    if (error instanceof SyntaxError || (error instanceof TypeError && error.cause === undefined)) {
      throw new HubError('protocol', url, `${url}: the answer is not a hub's (${error.message}).`, null, {
        cause: error,
      });
    }
    throw networkError(url, error);
  }
  return { commit, files };
}

function remoteFile(path: unknown, size: unknown, lfs: unknown, oid: unknown): RemoteFile | null {
  if (typeof path !== 'string' || !isSafePath(path)) return null;
  const lfsOid = isJsonObject(lfs) ? lfs.oid : undefined;
  const sizeBytes = isJsonObject(lfs) && lfs.size !== undefined ? lfs.size : size;
  if (!Number.isSafeInteger(sizeBytes) || (sizeBytes as number) < 0) return null;
  const common = { path, sizeBytes: sizeBytes as number };
  if (typeof lfsOid === 'string' && /^[0-9a-f]{64}$/.test(lfsOid))
    return { ...common, etag: lfsOid, checksumKind: 'sha256' };
  if (typeof oid === 'string' && /^[0-9a-f]{40}$/.test(oid)) return { ...common, etag: oid, checksumKind: 'gitSha1' };
  return null;
}

function fileNamed(files: ReadonlyMap<string, RemoteFile>, path: string, repo: string): RemoteFile {
  const file = files.get(path);
  if (file === undefined) throw new ModelFileError(repo, `has no file "${path}", which its index names`);
  return file;
}

interface Transfer {
  (files: readonly RemoteFile[]): Promise<void>;
  downloadedBytes(): number;
}

/** Brings files into the cache one after the other and links them into the snapshot, counting bytes over all calls. */
function createTransfer(
  reference: HubReference,
  endpoint: string,
  commit: string,
  cache: RepoCache,
  request: typeof fetch,
  options: FetchFromHubOptions,
): Transfer {
  let totalBytes = 0;
  let doneBytes = 0;
  let downloadedBytes = 0;
  const sleep = options.sleep ?? ((ms, signal) => sleepMs(ms, undefined, { signal }));
  const transfer = async (files: readonly RemoteFile[]): Promise<void> => {
    totalBytes += files.reduce((sum, file) => sum + file.sizeBytes, 0);
    for (const { path, sizeBytes, etag, checksumKind } of files) {
      options.signal?.throwIfAborted();
      const blobPath = cache.blobPath(etag);
      const blob = await stat(blobPath).catch(() => null);
      const url = `${endpoint}/${reference.repo}/resolve/${commit}/${path.split('/').map(encodeURIComponent).join('/')}`;
      const report = (fileBytes: number) =>
        options.onProgress?.({ path, receivedBytes: doneBytes + fileBytes, totalBytes });
      if (blob?.size !== sizeBytes) {
        await downloadBlob({
          url,
          blobPath,
          sizeBytes,
          checksum: { kind: checksumKind, hex: etag },
          fetch: request,
          sleep,
          signal: options.signal,
          onProgress: report,
        });
        downloadedBytes += sizeBytes;
      }
      await storing(url, cache, () => cache.link(commit, path, etag));
      report(sizeBytes);
      doneBytes += sizeBytes;
    }
  };
  return Object.assign(transfer, { downloadedBytes: () => downloadedBytes });
}

async function storing<T>(url: string, cache: RepoCache, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (cause) {
    throw diskError(url, cache.folder, cause);
  }
}

/** The shards that the index of a selected safetensors model names, which must be plain file names. */
async function shardPaths(selection: HubSelection, folder: string): Promise<readonly string[]> {
  if (!selection.paths.includes(safetensorsIndexName)) return [];
  const path = `${folder}/${safetensorsIndexName}`;
  const index = await readJsonIfPresent(path, openFile);
  const weightMap = isJsonObject(index) ? index.weight_map : undefined;
  if (!isJsonObject(weightMap)) throw new ModelFileError(path, 'has no weight_map object');
  return [...new Set(Object.values(weightMap))].map((shard) => {
    if (typeof shard === 'string' && isSafePath(shard) && !shard.includes('/')) return shard;
    throw new ModelFileError(path, `names the shard ${JSON.stringify(shard)}, which is no file name`);
  });
}

/** What the cache holds for a reference when the hub cannot be asked: a complete model or null. */
async function findCached(reference: HubReference, cache: RepoCache): Promise<FetchedModel | null> {
  const commit = await cache.readRef(reference.revision);
  if (commit === null) return null;
  const paths = await cache.listSnapshot(commit);
  try {
    const selection = selectFiles(reference.repo, paths, reference.selector);
    const shards = await shardPaths(selection, cache.snapshotPath(commit));
    if (!shards.every((shard) => paths.includes(shard))) return null;
    return { kind: selection.kind, path: cache.snapshotPath(commit, selection.entryPath), commit, downloadedBytes: 0 };
  } catch (error) {
    if (error instanceof ModelFileError) return null;
    throw error;
  }
}
