// Plain HTTP calls, where a client library would hide what is sent or received.

/** Every field of every answer, as if none were absent or null; a test reads those of its route. */
export interface AnswerBody {
  readonly id: string;
  readonly model: string;
  readonly choices: readonly {
    readonly index: number;
    readonly text: string;
    readonly message: { readonly content: string };
    readonly delta: { readonly role?: string; readonly content?: string };
    readonly logprobs: {
      readonly tokens: readonly string[];
      readonly token_logprobs: readonly number[];
      readonly top_logprobs: readonly Readonly<Record<string, number>>[];
      readonly text_offset: readonly number[];
      readonly content: readonly {
        readonly token: string;
        readonly logprob: number;
        readonly bytes: readonly number[];
        readonly top_logprobs: readonly { readonly logprob: number }[];
      }[];
    };
    readonly finish_reason: string | null;
    readonly stop_reason: string | number | null;
  }[];
  readonly usage: {
    readonly prompt_tokens: number;
    readonly completion_tokens: number;
    readonly prompt_tokens_details: { readonly cached_tokens: number };
  };
  readonly tokens: number[];
  readonly token_strs: readonly string[];
  readonly count: number;
  readonly max_model_len: number;
  readonly prompt: string;
  readonly error: {
    readonly message: string;
    readonly type: string;
    readonly param: string | null;
    readonly code: string;
  };
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly json: AnswerBody;
}

/** Posts `body` as JSON; a string is sent as it is. */
export async function post(
  url: string,
  path: string,
  body: unknown,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const response = await fetch(url + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
  return { status: response.status, headers: response.headers, json: (await response.json()) as AnswerBody };
}

export interface StreamAnswer {
  readonly status: number;
  readonly contentType: string | null;
  readonly chunks: readonly AnswerBody[];
  /** Whether the stream ended with [DONE]. */
  readonly done: boolean;
}

/** Posts a streaming request and reads all its events. */
export async function postStream(url: string, path: string, body: Record<string, unknown>): Promise<StreamAnswer> {
  const response = await fetch(url + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ ...body, stream: true }),
  });
  const events = (await response.text()).split('\n\n').filter((event) => event !== '');
  const data = events.map((event) => {
    if (!event.startsWith('data: ')) throw new Error(`not an event: ${event}`);
    return event.slice(6);
  });
  return {
    status: response.status,
    contentType: response.headers.get('content-type'),
    chunks: data.filter((each) => each !== '[DONE]').map((each) => JSON.parse(each) as AnswerBody),
    done: data.at(-1) === '[DONE]',
  };
}
