// The API key check.

import { createHash, timingSafeEqual } from 'node:crypto';
import type { FastifyRequest } from 'fastify';
import { ApiError } from './api-error.ts';

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

/** A check that throws ApiError 401 unless the request carries `Authorization: Bearer <apiKey>`. */
export function createKeyCheck(apiKey: string): (request: FastifyRequest) => void {
  const expected = digest(apiKey);
  return (request) => {
    const header = request.headers.authorization;
    const given = header === undefined ? null : /^Bearer\s+(\S+)\s*$/i.exec(header);
    if (given === null) {
      throw new ApiError(401, 'This server needs an API key: send "Authorization: Bearer <key>".', {
        code: 'missing_api_key',
      });
    }
    // Digests have one length and tell nothing of the key, so the comparison takes one time.
    if (!timingSafeEqual(digest(given[1]), expected)) {
      throw new ApiError(401, 'The API key is wrong.', { code: 'invalid_api_key' });
    }
  };
}
