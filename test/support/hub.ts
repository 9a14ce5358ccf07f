// A small hub: one repository with one file, listed and sent as Hugging Face does, for a token.

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';

export interface TestHub {
  readonly url: string;
  /** Files sent so far. */
  readonly downloadCount: number;
  close(): Promise<void>;
}

const commit = '0123456789abcdef0123456789abcdef01234567';

/** Serves the file at `path` as `fileName` of `repo` to those who send `token`. */
export async function startTestHub(repo: string, fileName: string, path: string, token: string): Promise<TestHub> {
  const content = readFileSync(path);
  const oid = createHash('sha256').update(content).digest('hex');
  const entry = { type: 'file', path: fileName, size: content.length, oid: commit, lfs: { oid, size: content.length } };
  let downloadCount = 0;
  const server = createServer((request, response) => {
    const json = (status: number, body: unknown) =>
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    const { pathname } = new URL(request.url ?? '/', 'http://localhost');
    if (!pathname.includes(`/${repo}/`)) return json(404, { error: 'Repository not found' });
    if (request.headers.authorization !== `Bearer ${token}`) return json(401, { error: 'gated' });
    if (pathname.startsWith(`/api/models/${repo}/revision/`)) return json(200, { id: repo, sha: commit });
    if (pathname.startsWith('/api/models/')) return json(200, [entry]);
    downloadCount++;
    return response.writeHead(200, { 'content-length': content.length }).end(content);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address !== 'object') throw new Error('the hub has no port');
  return {
    url: `http://127.0.0.1:${address.port}`,
    get downloadCount() {
      return downloadCount;
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
