// Errors as an OpenAI client expects them: a status and {error: {message, type, param, code}}.

import {
  ContextLengthError,
  EngineClosedError,
  InvalidRequestError,
  OctavoError,
  QueueFullError,
} from '../errors/index.ts';

/** An answer other than success, decided in the server. */
export class ApiError extends OctavoError {
  readonly status: number;
  readonly code: string;
  readonly type: string;
  readonly param: string | null;
  readonly retryAfterSeconds: number | null;

  constructor(
    status: number,
    message: string,
    details: {
      readonly code: string;
      readonly param?: string | null;
      readonly type?: string;
      readonly retryAfterSeconds?: number;
    },
  ) {
    super(message);
    this.status = status;
    this.code = details.code;
    this.type = details.type ?? typeOfStatus(status);
    this.param = details.param ?? null;
    this.retryAfterSeconds = details.retryAfterSeconds ?? null;
  }
}

/** The body of every answer that is not a success. */
export interface ErrorBody {
  readonly error: {
    readonly message: string;
    readonly type: string;
    readonly param: string | null;
    readonly code: string;
  };
}

function typeOfStatus(status: number): string {
  if (status === 401) return 'authentication_error';
  if (status === 403) return 'permission_error';
  if (status === 404) return 'not_found_error';
  if (status === 503) return 'service_unavailable_error';
  return status < 500 ? 'invalid_request_error' : 'server_error';
}

/** Engine errors name fields as SamplingParams does; a client knows them by the names of the request body. */
const bodyNames: Readonly<Record<string, string>> = {
  tokenIds: 'prompt',
  topP: 'top_p',
  topK: 'top_k',
  minP: 'min_p',
  repetitionPenalty: 'repetition_penalty',
  presencePenalty: 'presence_penalty',
  frequencyPenalty: 'frequency_penalty',
  logitBias: 'logit_bias',
  stopTokenIds: 'stop_token_ids',
  minTokens: 'min_tokens',
  maxTokens: 'max_tokens',
  ignoreEos: 'ignore_eos',
  promptLogprobs: 'logprobs',
  cacheSalt: 'cache_salt',
};

function bodyParam(param: string | null): string | null {
  if (param === null) return null;
  const name = param.replace(/^sampling\./, '');
  return bodyNames[name] ?? name;
}

/** Errors of fastify carry a status and a code of their own. */
function frameworkError(error: Error & { statusCode?: unknown; code?: unknown }): ApiError | null {
  if (typeof error.statusCode !== 'number' || error.statusCode < 400 || error.statusCode >= 500) return null;
  const code = typeof error.code === 'string' ? error.code : '';
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE') {
    return new ApiError(413, 'The request body is larger than this server accepts.', { code: 'request_too_large' });
  }
  if (code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE') {
    return new ApiError(415, 'Send the body as JSON, with the header "Content-Type: application/json".', {
      code: 'unsupported_media_type',
    });
  }
  if (code === 'FST_ERR_CTP_EMPTY_JSON_BODY') {
    return new ApiError(400, 'The request body is empty; a JSON object is expected.', { code: 'invalid_json' });
  }
  if (error instanceof SyntaxError || code === 'FST_ERR_CTP_INVALID_JSON_BODY') {
    return new ApiError(400, `The request body is not valid JSON: ${error.message}`, { code: 'invalid_json' });
  }
  return new ApiError(error.statusCode, error.message, { code: 'invalid_request' });
}

/** The answer that an error means. What is nobody's fault but ours becomes a 500 that tells nothing of the inside. */
export function toApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  if (error instanceof InvalidRequestError) {
    return new ApiError(400, error.message, { code: 'invalid_value', param: bodyParam(error.param) });
  }
  if (error instanceof ContextLengthError) {
    return new ApiError(400, error.message, { code: error.code, param: 'prompt' });
  }
  if (error instanceof QueueFullError) {
    return new ApiError(503, error.message, { code: error.code, retryAfterSeconds: 1 });
  }
  if (error instanceof EngineClosedError) {
    // Its message may name the internal error that stopped the engine.
    const message = 'This server takes no more requests: it is shutting down or has stopped.';
    return new ApiError(503, message, { code: error.code, retryAfterSeconds: 5 });
  }
  if (error instanceof Error && error.name === 'AbortError') {
    return new ApiError(499, 'The client closed the request.', { code: 'client_closed_request' });
  }
  if (error instanceof Error && !(error instanceof OctavoError)) {
    const known = frameworkError(error);
    if (known !== null) return known;
  }
  return new ApiError(500, 'The server failed to answer this request. Its log says why.', { code: 'internal_error' });
}

/** The body of an ApiError. */
export function errorBody(error: ApiError): ErrorBody {
  return { error: { message: error.message, type: error.type, param: error.param, code: error.code } };
}
