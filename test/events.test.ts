// The event stream and explanations over HTTP: states that add up, viewers that vanish or do not read, and who may see.

import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createMemoryView, type MemoryView, type OctavoEvent, type Snapshot } from '../src/index.ts';
import { post } from './support/http.ts';
import { startTestServer, type TestServer, waitUntil } from './support/server.ts';

const small = { maxModelLen: 256, maxNumSeqs: 8, maxNumBatchedTokens: 64, kvCacheMemoryBytes: 1 << 20 } as const;
let server: TestServer;
beforeAll(async () => {
  server = await startTestServer({ ...small, explainedRequests: 5 });
});
afterAll(() => server.close());

interface Message {
  readonly id: number;
  readonly name: string;
  readonly data: unknown;
}

/** Reads a stream of server-sent events into messages until it is closed. */
async function openStream(path: string, headers: Record<string, string> = {}, url = server.url) {
  const controller = new AbortController();
  const response = await fetch(url + path, { headers, signal: controller.signal });
  const messages: Message[] = [];
  const reading = (async () => {
    let text = '';
    const decoder = new TextDecoder();
    for await (const chunk of response.body!) {
      text += decoder.decode(chunk, { stream: true });
      for (let end = text.indexOf('\n\n'); end !== -1; end = text.indexOf('\n\n')) {
        const fields = new Map(
          text
            .slice(0, end)
            .split('\n')
            .map((line) => line.split(/: (.*)/s, 2) as [string, string]),
        );
        text = text.slice(end + 2);
        if (!fields.has('data')) continue;
        messages.push({
          id: Number(fields.get('id')),
          name: fields.get('event') ?? '',
          data: JSON.parse(fields.get('data')!),
        });
      }
    }
  })().catch(() => undefined);
  return {
    response,
    messages,
    async close() {
      controller.abort();
      await reading;
    },
  };
}

function viewOf(messages: readonly Message[]): MemoryView {
  let view: MemoryView | null = null;
  for (const { name, data } of messages) {
    if (name === 'resync') view = createMemoryView((data as { snapshot: Snapshot }).snapshot);
    else for (const event of data as OctavoEvent[]) view!.apply(event);
  }
  return view!;
}

const story = 'Once upon a time there was a little girl called Lily. She loved to play in the garden with her dog. ';

/** More than fits, with shared prefixes and several choices, and clients that go. */
async function work(): Promise<void> {
  const gone = new AbortController();
  const lost = fetch(`${server.url}/v1/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ prompt: story, max_tokens: 150, ignore_eos: true }),
    signal: gone.signal,
  }).catch(() => undefined);
  setTimeout(() => gone.abort(), 60);
  await Promise.all([
    lost,
    ...Array.from({ length: 9 }, (_, i) =>
      post(server.url, '/v1/completions', {
        prompt: story.repeat(1 + (i % 3)) + i,
        max_tokens: 60 + 10 * i,
        ignore_eos: true,
        n: i === 4 ? 3 : 1,
        seed: i,
      }),
    ),
  ]);
  await waitUntil(() => server.engine.stats().runningRequests === 0, 'all has ended');
}

async function metrics(): Promise<Map<string, number>> {
  const text = await (await fetch(`${server.url}/metrics`)).text();
  return new Map([...text.matchAll(/^(octavo_\w+)\{[^}]*\} (\S+)$/gm)].map(([, name, value]) => [name, Number(value)]));
}

describe('GET /v1/events', () => {
  test('adds up to the block map and to the metrics after random work', async () => {
    const stream = await openStream('/v1/events');
    expect(stream.response.headers.get('content-type')).toContain('text/event-stream');
    await work();
    const { nextEventId } = server.engine.events;
    await waitUntil(() => (stream.messages.at(-1)?.id ?? -1) >= nextEventId - 1, 'everything has arrived');
    await stream.close();
    expect(stream.messages[0]).toMatchObject({ name: 'resync', data: { reason: 'start' } });
    const view = viewOf(stream.messages);
    const map = (await (await fetch(`${server.url}/admin/blocks`)).json()) as {
      references: number[];
      cached: boolean[];
    };
    const [group] = view.groups;
    expect([...group.references]).toEqual(map.references);
    expect([...group.cached].map(Boolean)).toEqual(map.cached);
    const found = await metrics();
    const free = group.references.filter((count) => count === 0).length;
    const evictable = group.references.filter((count, block) => count === 0 && group.cached[block] === 1).length;
    const expected = {
      octavo_kv_blocks_total: group.blockCount,
      octavo_kv_blocks_free: free,
      octavo_kv_blocks_cached: evictable,
      octavo_step_total: view.counts.steps,
      octavo_num_preemptions_total: view.counts.preemptions,
      octavo_kv_evictions_total: view.counts.evictions,
      octavo_kv_copy_on_writes_total: view.counts.copyOnWrites,
      octavo_kv_partial_hit_copies_total: view.counts.partialHitCopies,
      octavo_kv_merges_total: view.counts.merges,
      octavo_generation_tokens_total: view.counts.generatedTokens,
      octavo_num_requests_running: 0,
      octavo_num_requests_waiting: 0,
    };
    for (const [name, value] of Object.entries(expected)) expect([name, found.get(name)]).toEqual([name, value]);
    expect(view.counts.preemptions).toBeGreaterThan(0);
    expect(view.counts.evictions).toBeGreaterThan(0);
    expect(view.sequences.size).toBe(0);
  });

  test('goes on after the last event that a viewer has had, and begins anew where nothing is known of it', async () => {
    const stream = await openStream('/v1/events');
    await post(server.url, '/v1/completions', { prompt: 'A', max_tokens: 8, ignore_eos: true });
    await waitUntil(() => stream.messages.some(({ name }) => name === 'events'), 'events');
    await stream.close();
    const last = stream.messages.at(-1)!.id;
    await post(server.url, '/v1/completions', { prompt: 'B', max_tokens: 8, ignore_eos: true });
    const back = await openStream('/v1/events', { 'last-event-id': String(last) });
    await waitUntil(() => back.messages.length > 0, 'the rest');
    await back.close();
    expect(back.messages[0].name).toBe('events');
    expect((back.messages[0].data as OctavoEvent[])[0].id).toBe(last + 1);
    const late = await openStream('/v1/events?last_event_id=99999999');
    await waitUntil(() => late.messages.length > 0, 'a state');
    await late.close();
    expect(late.messages[0].name).toBe('resync');
  });

  test('shows only the kinds that are asked for', async () => {
    const stream = await openStream('/v1/events?kinds=finished,admitted');
    await post(server.url, '/v1/completions', { prompt: 'The cat', max_tokens: 4, ignore_eos: true });
    await waitUntil(() => stream.messages.some(({ name }) => name === 'events'), 'events');
    await stream.close();
    const kinds = stream.messages.flatMap(({ name, data }) => (name === 'events' ? (data as OctavoEvent[]) : []));
    expect(new Set(kinds.map(({ type }) => type))).toEqual(new Set(['admitted', 'finished']));
    expect(stream.messages[0]).toMatchObject({ name: 'resync', data: { snapshot: null } });
  });

  test.each([
    ['/v1/events?kinds=finished,nonsense', 'kinds'],
    ['/v1/events?last_event_id=soon', 'last_event_id'],
  ])('refuses %s', async (path, param) => {
    const response = await fetch(server.url + path);
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({
      error: { type: 'invalid_request_error', param, code: 'invalid_value' },
    });
  });

  test('a viewer that does not read costs the engine nothing: what is kept is bounded, and requests go on', async () => {
    const { hostname, port } = new URL(server.url);
    const socket = connect(Number(port), hostname);
    socket.on('error', () => undefined);
    await new Promise((resolve) => socket.once('connect', resolve));
    socket.pause();
    socket.write(`GET /v1/events HTTP/1.1\r\nhost: ${hostname}\r\n\r\n`);
    const hub = server.engine.events as unknown as { readonly ringEvents: number; readonly wantsBlocks: boolean };
    await waitUntil(() => hub.wantsBlocks, 'the viewer is there');
    for (let i = 0; i < 3; i++) await work();
    expect(hub.ringEvents).toBeLessThanOrEqual(8192);
    const answer = await post(server.url, '/v1/completions', { prompt: 'The sun', max_tokens: 3 });
    expect(answer.status).toBe(200);
    socket.destroy();
  });

  test('takes a bounded number of viewers, and those that vanish make room', async () => {
    const streams = await Promise.all(Array.from({ length: 32 }, () => openStream('/v1/events?kinds=finished')));
    const refused = streams.filter(({ response }) => response.status === 503);
    const more = await openStream('/v1/events?kinds=finished');
    expect(more.response.status).toBe(503);
    for (const stream of [...streams, more]) await stream.close();
    expect(refused.length).toBeLessThan(32);
  });
});

describe('GET /v1/requests/:id/explain', () => {
  const explain = async (id: string, headers: Record<string, string> = {}, url = server.url) => {
    const response = await fetch(`${url}/v1/requests/${id}/explain`, { headers });
    return { status: response.status, body: (await response.json()) as Record<string, never> };
  };

  test('tells of a request by the id of its answer, without text', async () => {
    const first = await post(server.url, '/v1/completions', { prompt: story, max_tokens: 3, ignore_eos: true });
    const second = await post(server.url, '/v1/completions', { prompt: story, max_tokens: 3, ignore_eos: true });
    const { status, body } = await explain(second.json.id);
    expect(status).toBe(200);
    expect(body).toMatchObject({
      id: second.json.id,
      object: 'octavo.request_explanation',
      state: 'length',
      completion_tokens: 3,
      prefix_cache: { reason: 'hit', first_missing_token: null, text_from_missing: null },
      preemption_count: 0,
      steps: { count: 3 },
      text: null,
    });
    const cached = second.json.usage.prompt_tokens_details.cached_tokens;
    expect(body).toMatchObject({ prefix_cache: { cached_tokens: cached, cached_tokens_by_tier: { device: cached } } });
    expect(JSON.stringify(body)).not.toContain('Lily');
    expect((await explain(first.json.id)).status).toBe(200);
  });

  test('answers 404 in the shape of every error, also for requests that are too long ago', async () => {
    const old = await post(server.url, '/v1/completions', { prompt: 'A', max_tokens: 1 });
    for (let i = 0; i < 5; i++) await post(server.url, '/v1/completions', { prompt: 'B', max_tokens: 1 });
    for (const id of [old.json.id, 'cmpl-nobody']) {
      const { status, body } = await explain(id);
      expect(status).toBe(404);
      expect(body).toMatchObject({ error: { type: 'not_found_error', code: 'request_not_found', param: 'id' } });
    }
  });

  test('shows text where that is allowed', async () => {
    const open = await startTestServer({ ...small, explainedRequests: 5, explainText: true });
    const answer = await post(open.url, '/v1/completions', { prompt: story, max_tokens: 3 });
    const { body } = await explain(answer.json.id, {}, open.url);
    await open.close();
    expect(body).toMatchObject({
      text: { prompt: expect.stringContaining('Lily'), output: answer.json.choices[0].text },
    });
  });
});

describe('who may see events and explanations', () => {
  const paths = ['/v1/events', '/v1/requests/x/explain'];
  const status = async (
    url: string,
    path: string,
    headers: Record<string, string>,
  ): Promise<[number, string | null]> => {
    const controller = new AbortController();
    const response = await fetch(url + path, { headers, signal: controller.signal });
    const body = response.status === 200 ? null : ((await response.json()) as { error: { code: string } });
    controller.abort();
    return [response.status, body?.error.code ?? null];
  };
  const bearer = (key: string) => ({ authorization: `Bearer ${key}` });

  test('without an admin key this machine only, and nobody through it', async () => {
    for (const path of paths) {
      expect((await status(server.url, path, {}))[0]).not.toBe(403);
      expect(await status(server.url, path, { 'x-forwarded-for': '10.0.0.9' })).toEqual([403, 'admin_key_required']);
      expect(await status(server.url, path, { via: '1.1 proxy' })).toEqual([403, 'admin_key_required']);
    }
    const { hostname, port } = new URL(server.url);
    const socket = connect(Number(port), hostname);
    let answer = '';
    socket.on('data', (data) => {
      answer += data;
    });
    socket.write('GET /v1/events HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n\r\n');
    await waitUntil(() => answer.includes('\r\n\r\n'), 'an answer');
    socket.destroy();
    expect(answer).toMatch(/^HTTP\/1\.1 403 /);
  });

  test('with an API key and no admin key, whoever is on this machine and has it', async () => {
    const keyed = await startTestServer(small, { apiKey: 'api' });
    for (const path of paths) {
      expect(await status(keyed.url, path, {})).toEqual([401, 'missing_api_key']);
      expect(await status(keyed.url, path, bearer('wrong'))).toEqual([401, 'invalid_api_key']);
      expect([200, 404]).toContain((await status(keyed.url, path, bearer('api')))[0]);
    }
    await keyed.close();
  });

  test('with an admin key, who has that one, from anywhere', async () => {
    const keyed = await startTestServer(small, { apiKey: 'api', adminKey: 'admin' });
    const far = { 'x-forwarded-for': '10.0.0.9' };
    for (const path of paths) {
      expect(await status(keyed.url, path, {})).toEqual([401, 'missing_admin_key']);
      expect(await status(keyed.url, path, bearer('wrong'))).toEqual([401, 'invalid_admin_key']);
      expect(await status(keyed.url, path, bearer('api'))).toEqual([403, 'admin_key_required']);
      expect([200, 404]).toContain((await status(keyed.url, path, { ...bearer('admin'), ...far }))[0]);
    }
    expect((await status(keyed.url, '/v1/models', bearer('admin')))[0]).toBe(401);
    await keyed.close();
  });

  test('are in the OpenAPI document', async () => {
    const { paths: found } = (await (await fetch(`${server.url}/openapi.json`)).json()) as {
      paths: Record<string, { get: { parameters: { name: string }[] } }>;
    };
    expect(found['/v1/events'].get.parameters.map(({ name }) => name)).toEqual(['kinds', 'last_event_id']);
    expect(found['/v1/requests/{id}/explain'].get.parameters.map(({ name }) => name)).toEqual(['id']);
  });
});
