// Sends completions over node:http with kept-alive connections and reads the event stream with as little work as will do:
// the load generator shares the cores with the server.

import { Agent, request as httpRequest } from 'node:http';
import type { PlannedRequest } from './drive.ts';

export interface HttpClient {
  /** Bytes of the request's body, made ahead of the run. */
  prepare(request: PlannedRequest): Buffer;
  /** Calls `onToken` for each event with text; resolves to the completion tokens that the usage tells of. */
  send(body: Buffer, onToken: () => void): Promise<number>;
  /** A plain GET. */
  get(path: string): Promise<string>;
  close(): void;
}

const unfinished = Buffer.from('"finish_reason":null');
const usageStart = Buffer.from('"completion_tokens":');
const doneEvent = Buffer.from('[DONE]');
const errorStart = Buffer.from('data: {"error"');
const eventEnd = Buffer.from('\n\n');

export function createHttpClient(baseUrl: string): HttpClient {
  const agent = new Agent({ keepAlive: true });
  return {
    prepare({ prompt, outputTokens }) {
      return Buffer.from(
        JSON.stringify({
          prompt,
          max_tokens: outputTokens,
          ignore_eos: true,
          temperature: 0,
          stream: true,
          stream_options: { include_usage: true },
        }),
      );
    },
    send(body, onToken) {
      return new Promise((resolve, reject) => {
        const request = httpRequest(
          `${baseUrl}/v1/completions`,
          { method: 'POST', agent, headers: { 'content-type': 'application/json', 'content-length': body.length } },
          (response) => {
            if (response.statusCode !== 200) {
              response.setEncoding('utf8');
              let text = '';
              response.on('data', (chunk: string) => {
                text += chunk;
              });
              response.on('end', () => reject(new Error(`HTTP ${response.statusCode}: ${text.slice(0, 200)}`)));
              return;
            }
            const reader = createEventReader(onToken);
            response.on('data', (chunk: Buffer) => reader.push(chunk));
            response.on('error', reject);
            response.on('end', () => {
              const { error, isDone, completionTokens } = reader.result();
              if (error !== null) reject(new Error(error));
              else if (!isDone) reject(new Error('the stream ended early'));
              else resolve(completionTokens);
            });
          },
        );
        request.on('error', reject);
        request.end(body);
      });
    },
    get(path) {
      return new Promise((resolve, reject) => {
        httpRequest(`${baseUrl}${path}`, { agent }, (response) => {
          response.setEncoding('utf8');
          let text = '';
          response.on('data', (chunk: string) => {
            text += chunk;
          });
          response.on('end', () =>
            response.statusCode === 200 ? resolve(text) : reject(new Error(`HTTP ${response.statusCode} for ${path}`)),
          );
          response.on('error', reject);
        })
          .on('error', reject)
          .end();
      });
    },
    close: () => agent.destroy(),
  };
}

interface EventReader {
  push(chunk: Buffer): void;
  result(): { readonly error: string | null; readonly isDone: boolean; readonly completionTokens: number };
}

/** Finds the events in a byte stream and looks for a few bytes in each; no JSON is parsed. */
export function createEventReader(onToken: () => void): EventReader {
  let rest: Buffer | null = null;
  let error: string | null = null;
  let isDone = false;
  let completionTokens = 0;
  return {
    push(chunk) {
      const bytes = rest === null ? chunk : Buffer.concat([rest, chunk]);
      let from = 0;
      for (let end = bytes.indexOf(eventEnd); end >= 0; end = bytes.indexOf(eventEnd, from)) {
        const event = bytes.subarray(from, end);
        from = end + eventEnd.length;
        if (event.includes(unfinished)) onToken();
        else if (event.includes(usageStart)) completionTokens = numberAfter(event, usageStart);
        else if (event.includes(doneEvent)) isDone = true;
        else if (event.includes(errorStart)) error = event.toString('utf8');
      }
      rest = from < bytes.length ? bytes.subarray(from) : null;
    },
    result: () => ({ error, isDone, completionTokens }),
  };
}

function numberAfter(event: Buffer, key: Buffer): number {
  const at = event.indexOf(key) + key.length;
  return Number.parseInt(event.toString('latin1', at, at + 16), 10);
}
