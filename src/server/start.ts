// Listens, and shuts down without cutting off what runs.

import { setTimeout as sleep } from 'node:timers/promises';
import { createServer, type ServerOptions } from './server.ts';

export interface StartOptions extends Omit<ServerOptions, 'draining'> {
  /** Defaults to 127.0.0.1. */
  readonly host?: string;
  /** 0 takes any free port. Defaults to 8000. */
  readonly port?: number;
  /** After the engine has drained, clients that still read their answers get this long. Defaults to 10 seconds. */
  readonly closeGraceMs?: number;
}

export interface RunningServer {
  /** Where it listens, e.g. http://127.0.0.1:8000. */
  readonly url: string;
  /**
   * Refuses new requests with 503, lets those that run finish, then stops listening. The engine has drained, but is
   * not closed. Calling again returns the same promise.
   */
  close(): Promise<void>;
}

/** Starts a server. Rejects with the socket's error (code EADDRINUSE, EACCES …) when it cannot listen. */
export async function startServer(options: StartOptions): Promise<RunningServer> {
  const { host = '127.0.0.1', port = 8000, closeGraceMs = 10_000, ...serverOptions } = options;
  const draining = new AbortController();
  const app = await createServer({ ...serverOptions, draining: draining.signal });
  try {
    await app.listen({ host, port });
  } catch (error) {
    await app.close();
    throw error;
  }
  const address = app.server.address();
  const boundPort = address !== null && typeof address === 'object' ? address.port : port;
  const shownHost = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host.includes(':') ? `[${host}]` : host;

  async function shutDown(): Promise<void> {
    draining.abort();
    await options.engine.drain();
    const timer = new AbortController();
    const closed = app.close().finally(() => timer.abort());
    await sleep(closeGraceMs, undefined, { signal: timer.signal }).catch(() => undefined);
    app.server.closeAllConnections();
    await closed;
  }

  let closing: Promise<void> | null = null;
  return {
    url: `http://${shownHost}:${boundPort}`,
    close() {
      closing ??= shutDown();
      return closing;
    },
  };
}
