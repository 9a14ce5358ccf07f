// The checks of the API key, and of the key for what shows other people's requests.

import { createHash, timingSafeEqual } from 'node:crypto';
import { isIP } from 'node:net';
import type { FastifyRequest } from 'fastify';
import { ApiError } from './api-error.ts';

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

/** A check that throws ApiError 401 unless the request carries `Authorization: Bearer <apiKey>`. */
export function createKeyCheck(apiKey: string): (request: FastifyRequest) => void {
  const expected = digest(apiKey);
  return (request) => {
    const given = bearerOf(request);
    if (given === null) {
      throw new ApiError(401, 'This server needs an API key: send "Authorization: Bearer <key>".', {
        code: 'missing_api_key',
      });
    }
    // Digests have one length and tell nothing of the key, so the comparison takes one time.
    if (!timingSafeEqual(digest(given), expected)) {
      throw new ApiError(401, 'The API key is wrong.', { code: 'invalid_api_key' });
    }
  };
}

function bearerOf({ headers: { authorization } }: FastifyRequest): string | null {
  return (authorization === undefined ? null : /^Bearer\s+(\S+)\s*$/i.exec(authorization))?.[1] ?? null;
}

function isLoopbackAddress(address: string | undefined): boolean {
  if (address === undefined) return false;
  const plain = address.replace(/^::ffff:/i, '');
  return plain === '::1' || (isIP(plain) === 4 && plain.startsWith('127.'));
}

/**
 * Whether a request comes from this machine, and from nobody else through it: not through a proxy, and not from a page that calls this address by
 * a name of its own.
 */
export function isFromLoopback(request: FastifyRequest): boolean {
  const { headers } = request;
  if (headers['x-forwarded-for'] !== undefined || headers.forwarded !== undefined || headers.via !== undefined)
    return false;
  const host = (headers.host ?? '').replace(/:\d+$/, '').toLowerCase();
  const isOwnName = host === 'localhost' || host === '[::1]' || isLoopbackAddress(host);
  return isOwnName && isLoopbackAddress(request.socket.remoteAddress);
}

/**
 * A check of routes that show what others do. With an admin key it is asked for always; the API key is not enough (403). Without one they are there on
 * the loopback only, for whoever has the API key, if there is one. Throws ApiError 401 and 403.
 */
export function createAdminCheck(keys: {
  readonly adminKey: string | undefined;
  readonly apiKey: string | undefined;
}): (request: FastifyRequest) => void {
  const adminDigest = keys.adminKey === undefined ? null : digest(keys.adminKey);
  const apiDigest = keys.apiKey === undefined ? null : digest(keys.apiKey);
  return (request) => {
    const bearer = bearerOf(request);
    const given = bearer === null ? null : digest(bearer);
    const isApiKey = given !== null && apiDigest !== null && timingSafeEqual(given, apiDigest);
    if (adminDigest === null) {
      if (!isFromLoopback(request)) {
        throw new ApiError(403, 'Only this machine may see this: start the server with --admin-key to let others.', {
          code: 'admin_key_required',
        });
      }
      if (apiDigest === null || isApiKey) return;
      throw new ApiError(401, 'This server needs an API key: send "Authorization: Bearer <key>".', {
        code: given === null ? 'missing_api_key' : 'invalid_api_key',
      });
    }
    if (given !== null && timingSafeEqual(given, adminDigest)) return;
    if (isApiKey) {
      throw new ApiError(403, 'The API key does not show this: send the admin key.', { code: 'admin_key_required' });
    }
    throw new ApiError(401, 'This needs the admin key: send "Authorization: Bearer <admin key>".', {
      code: given === null ? 'missing_admin_key' : 'invalid_admin_key',
    });
  };
}
