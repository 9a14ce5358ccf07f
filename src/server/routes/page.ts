// GET /: the built page, or a hint how to build it.

import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import fastifyStatic from '@fastify/static';
import type { FastifyInstance } from 'fastify';

const contentPolicy =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const missingPage = `<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Octavo</title>
<body style="font: 16px/1.5 system-ui; max-width: 40rem; margin: 4rem auto; padding: 0 1rem; color-scheme: light dark">
<h1>Octavo is serving</h1>
<p>The page is not built. Run <code>npm run build</code> in the repository, then start the server again.</p>
<p>The API works without it: <code>GET /v1/models</code>, <code>POST /v1/chat/completions</code>,
<code>POST /v1/completions</code>; all of it is described in <code>GET /openapi.json</code>.</p>
</body></html>
`;

/** Serves the files of `webRoot` as they are at start. */
export async function registerPage(app: FastifyInstance, webRoot: string): Promise<void> {
  if (!existsSync(join(webRoot, 'index.html'))) {
    app.get('/', { schema: { hide: true } }, async (_request, reply) =>
      reply.header('content-type', 'text/html; charset=utf-8').send(missingPage),
    );
    return;
  }
  await app.register(fastifyStatic, {
    root: webRoot,
    wildcard: false,
    cacheControl: false,
    // Names of assets carry a hash of what is in them.
    setHeaders: (reply, path) => {
      const isAsset = dirname(path) === join(webRoot, 'assets');
      reply.header('cache-control', isAsset ? 'public, max-age=31536000, immutable' : 'no-cache');
      reply.header('content-security-policy', contentPolicy);
      reply.header('x-content-type-options', 'nosniff');
      reply.header('referrer-policy', 'no-referrer');
    },
  });
}
