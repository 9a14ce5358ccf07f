// Fetching from a hub, played by a local server: downloads, resumption, checksums, refusals, and the cache.

import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readFile, readlink, rm, stat, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { HubError, InvalidRequestError, ModelFileError } from '../../errors/errors.ts';
import { type FetchFromHubOptions, fetchFromHub, type HubProgress } from './fetch.ts';
import { parseHubReference } from './reference.ts';
import { selectFiles } from './selection.ts';

const commit = 'c0ffee'.padEnd(40, '0');
const gguf = Buffer.from(Array.from({ length: 300_000 }, (_, i) => (i * 7) & 255));
const shardIndex = JSON.stringify({ weight_map: { a: 'model-1.safetensors', b: 'model-2.safetensors' } });

interface HubFile {
  readonly content: Buffer;
  readonly isLarge: boolean;
}

/** What the hub does wrong, set by a test. */
interface Trouble {
  /** Cut the connection after so many bytes of a file, so many times. */
  cutAfterBytes?: number;
  cutsLeft?: number;
  /** Serve this instead of the file. */
  instead?: Buffer;
  ignoreRange?: boolean;
  status?: number;
  statusesLeft?: number;
  /** Send files, and the second page of listings, from here. */
  elsewhere?: string;
}

let server: Server;
let endpoint = '';
let cacheDir = '';
let trouble: Trouble = {};
let repos: Record<string, Record<string, HubFile>> = {};
let downloads: { readonly path: string; readonly range: string | undefined; readonly token: string | undefined }[] = [];
let listingTokens: (string | undefined)[] = [];
let extraEntries: unknown[] = [];

const large = (content: Buffer | string): HubFile => ({ content: Buffer.from(content), isLarge: true });
const small = (content: string): HubFile => ({ content: Buffer.from(content), isLarge: false });

function treeEntry(path: string, { content, isLarge }: HubFile): object {
  const gitOid = createHash('sha1').update(`blob ${content.length}\0`).update(content).digest('hex');
  const entry = { type: 'file', path, size: content.length, oid: gitOid };
  if (!isLarge) return entry;
  const oid = createHash('sha256').update(content).digest('hex');
  return { ...entry, lfs: { oid, size: content.length, pointerSize: 130 } };
}

function respond(request: IncomingMessage, response: ServerResponse): unknown {
  const { pathname, search } = new URL(request.url ?? '/', endpoint);
  const token = request.headers.authorization;
  const json = (status: number, body: unknown) => {
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  };
  const [, api, repo, rest] = /^(\/api\/models)?\/([^/]+\/[^/]+)\/(.*)$/.exec(pathname) ?? [];
  const files = repos[repo];
  if (repo === 'owner/gated' && token !== 'Bearer secret') return json(401, { error: 'gated' });
  if (files === undefined) return json(404, { error: 'Repository not found' });
  if (api !== undefined && rest.startsWith('revision/')) {
    return rest === 'revision/nowhere' ? json(404, { error: 'no revision' }) : json(200, { id: repo, sha: commit });
  }
  if (api !== undefined && trouble.elsewhere !== undefined && search !== '?page=2') {
    response.setHeader('link', `<${trouble.elsewhere}${pathname}?page=2>; rel="next"`);
    return json(200, []);
  }
  if (api !== undefined) {
    listingTokens.push(token);
    return json(200, [...Object.entries(files).map(([path, file]) => treeEntry(path, file)), ...extraEntries]);
  }
  const path = rest.replace(`resolve/${commit}/`, '');
  if (trouble.elsewhere !== undefined && search !== '?cdn') {
    return response.writeHead(302, { location: `${trouble.elsewhere}${pathname}?cdn` }).end();
  }
  const { range } = request.headers;
  downloads.push({ path, range, token });
  if (trouble.status !== undefined && (trouble.statusesLeft ?? 0) > 0) {
    trouble.statusesLeft!--;
    return json(trouble.status, {});
  }
  const content = trouble.instead ?? files[path].content;
  const start = range !== undefined && trouble.ignoreRange !== true ? Number(/bytes=(\d+)-/.exec(range)?.[1]) : 0;
  const body = content.subarray(start);
  const headers: Record<string, string> = { 'content-length': String(body.length) };
  if (start > 0) headers['content-range'] = `bytes ${start}-${content.length - 1}/${content.length}`;
  response.writeHead(start > 0 ? 206 : 200, headers);
  if (trouble.cutAfterBytes !== undefined && (trouble.cutsLeft ?? 0) > 0) {
    trouble.cutsLeft!--;
    response.write(body.subarray(0, trouble.cutAfterBytes), () => setTimeout(() => response.destroy(), 20));
    return;
  }
  response.end(body);
}

beforeEach(async () => {
  trouble = {};
  downloads = [];
  extraEntries = [];
  listingTokens = [];
  repos = {
    'owner/gguf': { 'model-Q8_0.gguf': large(gguf), 'model-Q4_K_M.gguf': large('four bits'), 'README.md': small('hi') },
    'owner/gated': { 'model-Q8_0.gguf': large('GGUF') },
    'owner/sharded': {
      'config.json': small('{}'),
      'tokenizer.json': large('{"t":1}'),
      'model.safetensors.index.json': small(shardIndex),
      'model-1.safetensors': large('first'),
      'model-2.safetensors': large('second'),
      'model-3.safetensors': large('not in the index'),
      'model-Q8_0.gguf': large(gguf),
      'notes.txt': small('no'),
    },
  };
  server = createServer(respond);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  cacheDir = await mkdtemp(join(tmpdir(), 'octavo-hub-'));
});

afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await rm(cacheDir, { recursive: true, force: true });
});

function fetchModel(repo: string, more: Partial<FetchFromHubOptions> = {}) {
  return fetchFromHub({ repo, endpoint, cacheDir, sleep: async () => {}, ...more });
}

async function failure(promise: Promise<unknown>): Promise<HubError> {
  const error = await promise.then(
    () => null,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(HubError);
  return error as HubError;
}

const sha256 = createHash('sha256').update(gguf).digest('hex');

describe('fetchFromHub', () => {
  it('downloads a GGUF file into the hub layout, with progress, and then finds it there', async () => {
    const progress: HubProgress[] = [];
    const first = await fetchModel('owner/gguf:model-Q8_0.gguf', { onProgress: (at) => progress.push(at) });
    const folder = join(cacheDir, 'models--owner--gguf');
    expect(first).toEqual({
      kind: 'gguf',
      path: join(folder, 'snapshots', commit, 'model-Q8_0.gguf'),
      commit,
      downloadedBytes: gguf.length,
    });
    expect(await readlink(first.path)).toBe(join('..', '..', 'blobs', sha256));
    expect((await readFile(first.path)).equals(gguf)).toBe(true);
    expect(await readFile(join(folder, 'refs', 'main'), 'utf8')).toBe(commit);
    expect(progress.at(-1)).toEqual({ path: 'model-Q8_0.gguf', receivedBytes: gguf.length, totalBytes: gguf.length });
    expect(progress.every(({ receivedBytes }, i) => i === 0 || receivedBytes >= progress[i - 1].receivedBytes)).toBe(
      true,
    );
    const second = await fetchModel('owner/gguf:q8_0');
    expect(second).toEqual({ ...first, downloadedBytes: 0 });
    expect(downloads).toHaveLength(1);
  });

  it('fetches what a sharded safetensors model needs and no more', async () => {
    const { kind, path, downloadedBytes } = await fetchModel('owner/sharded');
    expect(kind).toBe('safetensors');
    expect(path).toBe(join(cacheDir, 'models--owner--sharded', 'snapshots', commit));
    expect(downloads.map((download) => download.path)).toEqual([
      'config.json',
      'tokenizer.json',
      'model.safetensors.index.json',
      'model-1.safetensors',
      'model-2.safetensors',
    ]);
    expect(downloadedBytes).toBe(2 + 7 + shardIndex.length + 5 + 6);
    expect(await readFile(join(path, 'model-2.safetensors'), 'utf8')).toBe('second');
  });

  it('goes on after cut connections', async () => {
    trouble = { cutAfterBytes: 100_000, cutsLeft: 2 };
    const { path } = await fetchModel('owner/gguf:Q8_0');
    expect((await readFile(path)).equals(gguf)).toBe(true);
    expect(downloads.map(({ range }) => range)).toEqual([undefined, 'bytes=100000-', 'bytes=200000-']);
  });

  it('gives up after five tries without progress, and a later call goes on from there', async () => {
    trouble = { cutAfterBytes: 50_000, cutsLeft: 1, status: 503, statusesLeft: 0 };
    let sleepCount = 0;
    const sleep = async () => {
      sleepCount++;
      trouble.statusesLeft = 100;
    };
    const error = await failure(fetchModel('owner/gguf:Q8_0', { sleep }));
    expect(error).toMatchObject({ failure: 'http', status: 503 });
    expect(sleepCount).toBe(4);
    const incomplete = await stat(join(cacheDir, 'models--owner--gguf', 'blobs', `${sha256}.incomplete`));
    expect(incomplete.size).toBe(50_000);
    trouble = {};
    downloads = [];
    const { path } = await fetchModel('owner/gguf:Q8_0');
    expect((await readFile(path)).equals(gguf)).toBe(true);
    expect(downloads.map(({ range }) => range)).toEqual(['bytes=50000-']);
  });

  it('starts over where the server ignores ranges', async () => {
    trouble = { cutAfterBytes: 100_000, cutsLeft: 1, ignoreRange: true };
    const { path } = await fetchModel('owner/gguf:Q8_0');
    expect((await readFile(path)).equals(gguf)).toBe(true);
  });

  it('downloads afresh where an incomplete file is damaged', async () => {
    const blobs = join(cacheDir, 'models--owner--gguf', 'blobs');
    await mkdir(blobs, { recursive: true });
    await writeFile(join(blobs, `${sha256}.incomplete`), Buffer.alloc(1000));
    const { path } = await fetchModel('owner/gguf:Q8_0');
    expect((await readFile(path)).equals(gguf)).toBe(true);
    expect(downloads.map(({ range }) => range)).toEqual(['bytes=1000-', undefined]);
  });

  it('refuses a file with the wrong checksum and leaves nothing of it', async () => {
    const wrong = Buffer.from(gguf);
    wrong[1234] ^= 1;
    trouble = { instead: wrong };
    const error = await failure(fetchModel('owner/gguf:Q8_0'));
    expect(error.failure).toBe('checksum');
    expect(error.message).toContain(sha256);
    const blobs = join(cacheDir, 'models--owner--gguf', 'blobs');
    await expect(stat(join(blobs, sha256))).rejects.toThrow();
    await expect(stat(join(blobs, `${sha256}.incomplete`))).rejects.toThrow();
  });

  it('checks small files by their git hash, and refuses more bytes than were announced', async () => {
    trouble = { instead: Buffer.from('[]') };
    expect((await failure(fetchModel('owner/sharded'))).failure).toBe('checksum');
    trouble = { instead: Buffer.alloc(400_000) };
    expect((await failure(fetchModel('owner/gguf:Q8_0'))).message).toMatch(/more than the 300000 bytes/);
  });

  it('names missing access, and sends the token', async () => {
    expect(await failure(fetchModel('owner/gated'))).toMatchObject({ failure: 'access', status: 401 });
    const { path } = await fetchModel('owner/gated', { token: 'secret' });
    expect(await readFile(path, 'utf8')).toBe('GGUF');
    expect(downloads[0].token).toBe('Bearer secret');
  });

  it('follows redirections and pages, and does not send the token to another origin', async () => {
    trouble = { elsewhere: endpoint.replace('127.0.0.1', 'localhost') };
    const { path } = await fetchModel('owner/gguf:Q8_0', { token: 'secret' });
    expect((await readFile(path)).equals(gguf)).toBe(true);
    expect(downloads.map(({ token }) => token)).toEqual([undefined]);
    expect(listingTokens).toEqual([undefined]);
  });

  it('names a repository, a revision or a file that is not there', async () => {
    expect(await failure(fetchModel('owner/none'))).toMatchObject({ failure: 'not_found', status: 404 });
    expect(await failure(fetchModel('owner/gguf@nowhere'))).toMatchObject({ failure: 'not_found' });
    await expect(fetchModel('owner/gguf:Q2_K')).rejects.toThrow(/no GGUF file "Q2_K".*model-Q8_0.gguf/);
  });

  it('uses a complete cached copy when the hub is gone, and says so when there is none', async () => {
    const unreachable = { endpoint: 'http://127.0.0.1:9' };
    expect(await failure(fetchModel('owner/sharded', unreachable))).toMatchObject({ failure: 'network', status: null });
    const online = await fetchModel('owner/sharded');
    expect(await fetchModel('owner/sharded', unreachable)).toEqual({ ...online, downloadedBytes: 0 });
    await rm(join(online.path, 'model-2.safetensors'));
    expect((await failure(fetchModel('owner/sharded', unreachable))).failure).toBe('network');
  });

  it('passes over paths that lead out of the cache', async () => {
    const [good] = [treeEntry('x', large('x'))];
    extraEntries = ['../../evil-Q4_K_M.gguf', '/etc/passwd.gguf', 'a\\b.gguf'].map((path) => ({ ...good, path }));
    repos['owner/evil'] = { 'README.md': small('x') };
    await expect(fetchModel('owner/evil')).rejects.toThrow(/neither a GGUF file/);
    repos['owner/escape'] = {
      'config.json': small('{}'),
      'model.safetensors.index.json': small(JSON.stringify({ weight_map: { a: '../../../x.safetensors' } })),
    };
    await expect(fetchModel('owner/escape')).rejects.toThrow(/no file name/);
  });

  it('says when the disk fails', async () => {
    await writeFile(join(cacheDir, 'models--owner--gguf'), 'a file where a folder has to be');
    expect((await failure(fetchModel('owner/gguf:Q8_0'))).failure).toBe('disk');
  });

  it('names answers that are no hub’s', async () => {
    const html: typeof fetch = async () => new Response('<html>', { status: 200 });
    expect((await failure(fetchModel('owner/gguf', { fetch: html }))).failure).toBe('protocol');
    const empty: typeof fetch = async () => new Response('{}', { status: 200 });
    expect((await failure(fetchModel('owner/gguf', { fetch: empty }))).message).toMatch(/names no commit/);
  });

  it('stops when aborted and keeps what came', async () => {
    const controller = new AbortController();
    trouble = { cutAfterBytes: 10_000, cutsLeft: 1 };
    const sleep = async () => controller.abort(new Error('enough'));
    await expect(fetchModel('owner/gguf:Q8_0', { signal: controller.signal, sleep })).rejects.toThrow('enough');
    const incomplete = join(cacheDir, 'models--owner--gguf', 'blobs', `${sha256}.incomplete`);
    expect((await stat(incomplete)).size).toBe(10_000);
  });
});

describe('references', () => {
  it.each([
    ['a/b', { repo: 'a/b', revision: 'main', selector: null }],
    ['a/b-1.5@v1', { repo: 'a/b-1.5', revision: 'v1', selector: null }],
    ['a/b:sub/c.gguf', { repo: 'a/b', revision: 'main', selector: 'sub/c.gguf' }],
    ['a/b@refs/pr/1:Q8_0', { repo: 'a/b', revision: 'refs/pr/1', selector: 'Q8_0' }],
  ])('%s', (text, expected) => {
    expect(parseHubReference(text)).toEqual(expected);
  });

  it.each(['a', 'a/b/c', '../b', './a/b', 'a/b@../x', 'a/b@', 'a b/c', 'a/b:'])('refuses %s', (text) => {
    expect(() => parseHubReference(text)).toThrow(InvalidRequestError);
  });
});

describe('selection', () => {
  it('takes the usual quantisation, all parts of split files, no projectors', () => {
    const paths = ['m-F16.gguf', 'm-Q4_K_M.gguf', 'm-Q8_0.gguf', 'mmproj-Q4_K_M.gguf'];
    expect(selectFiles('a/b', paths, null).paths).toEqual(['m-Q4_K_M.gguf']);
    expect(selectFiles('a/b', ['only.gguf'], null).paths).toEqual(['only.gguf']);
    const split = ['m-Q8_0-00002-of-00002.gguf', 'm-Q8_0-00001-of-00002.gguf', 'm-Q4_0.gguf'];
    expect(selectFiles('a/b', split, 'Q8_0')).toEqual({
      kind: 'gguf',
      paths: ['m-Q8_0-00001-of-00002.gguf', 'm-Q8_0-00002-of-00002.gguf'],
      entryPath: 'm-Q8_0-00001-of-00002.gguf',
    });
    expect(() => selectFiles('a/b', split.slice(0, 1), 'Q8_0')).toThrow(/1 of the 2 parts/);
    expect(() => selectFiles('a/b', ['x.gguf', 'y.gguf'], null)).toThrow(ModelFileError);
  });
});
