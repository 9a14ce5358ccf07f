// A real server on a free port over the bundled model, for end-to-end tests.

import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Engine, EngineOptions } from '../../src/engine/api.ts';
import { createEngine } from '../../src/engine/index.ts';
import { type StartOptions, startServer } from '../../src/server/index.ts';

export const servedModelName = 'stories';

/** The model in models/. */
export function bundledModelPath(): string {
  const folder = new URL('../../models/', import.meta.url);
  const name = readdirSync(folder).find((file) => file.endsWith('.gguf'));
  if (name === undefined) throw new Error('there is no GGUF file in models/');
  return fileURLToPath(new URL(name, folder));
}

export interface TestServer {
  readonly url: string;
  readonly engine: Engine;
  close(): Promise<void>;
}

/** Starts engine and server; both end with `close`. */
export async function startTestServer(
  engineOptions: Partial<EngineOptions> = {},
  serverOptions: Partial<StartOptions> = {},
): Promise<TestServer> {
  const engine = await createEngine({ model: bundledModelPath(), threads: 1, ...engineOptions });
  const server = await startServer({ engine, servedModelName, port: 0, closeGraceMs: 1000, ...serverOptions });
  return {
    url: server.url,
    engine,
    async close() {
      await engine.close();
      await server.close();
    },
  };
}

/** Waits until `check` holds; fails with `what` after `limitMs`. */
export async function waitUntil(check: () => boolean, what: string, limitMs = 5000): Promise<void> {
  const endMs = performance.now() + limitMs;
  while (!check()) {
    if (performance.now() > endMs) throw new Error(`not within ${limitMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
