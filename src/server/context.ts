// What every route needs to know.

import { setMaxListeners } from 'node:events';
import type { FastifyReply } from 'fastify';
import type { Engine } from '../engine/api.ts';
import { ApiError } from './api-error.ts';

export interface ServerContext {
  readonly engine: Engine;
  readonly servedModelName: string;
  /** Seconds since 1970 when the server was made; shown as the model's `created`. */
  readonly createdSeconds: number;
  /** Aborted when the server begins to drain: endless streams end, new work is refused. */
  readonly draining: AbortSignal;
}

/** Throws 404 unless the body names the served model or none. */
export function requireModel(context: ServerContext, model: string | null | undefined): void {
  if (model == null || model === context.servedModelName) return;
  throw new ApiError(404, `The model "${model}" does not exist. This server serves "${context.servedModelName}".`, {
    code: 'model_not_found',
    param: 'model',
  });
}

/** A signal that is aborted when the client goes before its answer is complete. */
export function clientGoneSignal(reply: FastifyReply): AbortSignal {
  const controller = new AbortController();
  // Every prompt of a batch listens.
  setMaxListeners(0, controller.signal);
  const { raw } = reply;
  const onClose = (): void => {
    if (!raw.writableFinished) controller.abort();
  };
  if (raw.destroyed || raw.socket?.destroyed) controller.abort();
  else raw.once('close', onClose);
  return controller.signal;
}

/** Seconds since 1970, as OpenAI dates its answers. */
export function nowSeconds(): number {
  return Math.floor(Date.now() / 1000);
}
