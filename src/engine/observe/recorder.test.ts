import { describe, expect, it } from 'vitest';
import {
  createEventHub,
  emptySnapshot,
  type RecordedRequest,
  type RecordingHeader,
  type RecordingLine,
  readRecording,
} from '../../events/index.ts';
import { createRecorder, type RecordingFile } from './recorder.ts';

const groups = [{ blockSize: 16, blockCount: 8 }];
const header = (events: boolean): RecordingHeader => ({
  kind: 'header',
  format: 'octavo-recording',
  version: 1,
  startedAtMs: 0,
  startedMs: 0,
  model: 'm',
  fingerprint: null,
  kvDType: 'f16',
  ...groups[0],
  groups,
  scheduler: {
    maxNumSeqs: 1,
    maxNumBatchedTokens: 1,
    maxModelLen: 1,
    maxQueuedRequests: 1,
    maxStepStretch: 2,
    memory: 'paged',
    enablePrefixCaching: true,
    evictionPolicy: 'lru',
    allocator: 'free-list',
    adaptiveMemory: true,
    tenantQuota: null,
  },
  events,
});
const request: RecordedRequest = {
  kind: 'request',
  requestId: 'a',
  arrivedMs: 1,
  inputTokens: 3,
  outputTokens: 2,
  n: 1,
  priority: 0,
  tenant: 'x',
  blockHashes: [],
  outcome: 'stop',
  cachedTokens: 0,
  firstScheduledMs: 2,
  firstTokenMs: 3,
  finishedMs: 4,
  waitedMs: { queue: 0, blocks: 0, headroom: 0, quota: 0, pages: 0, prefix: 0 },
  preemptions: 0,
};

function setUp(options: {
  readonly events?: boolean;
  readonly limitBytes?: number;
  readonly bufferBytes?: number;
  readonly append?: (text: string) => Promise<void>;
}) {
  let text = '';
  let isClosed = false;
  const messages: string[] = [];
  const file: RecordingFile = {
    append: async (more) => {
      await options.append?.(more);
      text += more;
    },
    close: async () => {
      isClosed = true;
    },
  };
  const hub = createEventHub({ now: () => 7, hashKey: [1, 2, 3, 4] });
  hub.snapshotFrom(() => emptySnapshot(groups));
  const recorder = createRecorder({
    file,
    header: header(options.events ?? false),
    hub,
    now: () => 9,
    limitBytes: options.limitBytes ?? 1e9,
    bufferBytes: options.bufferBytes,
    onEnd: (message) => messages.push(message),
  });
  const lines = async (): Promise<RecordingLine[]> => {
    const found: RecordingLine[] = [];
    for await (const line of readRecording(text.split('\n'))) found.push(line);
    return found;
  };
  return { recorder, hub, messages, lines, size: () => Buffer.byteLength(text), isClosed: () => isClosed };
}

describe('recorder', () => {
  it('writes header, requests and the end', async () => {
    const { recorder, hub, lines, isClosed } = setUp({});
    recorder.request(request);
    expect(hub.wantsSteps).toBe(false);
    await recorder.close('closed');
    const found = await lines();
    expect(found.map(({ kind }) => kind)).toEqual(['header', 'request', 'end']);
    expect(found[2]).toMatchObject({ reason: 'closed', requests: 1, events: 0, lostLines: 0, state: null });
    expect(isClosed()).toBe(true);
    recorder.request(request);
    expect(await lines()).toHaveLength(3);
  });

  it('writes the state and every event between, and the state at the end', async () => {
    const { recorder, hub, lines } = setUp({ events: true });
    hub.emit({ type: 'held', group: 0, cause: 'prefix', blocks: [1] });
    await recorder.close('closed');
    const found = await lines();
    expect(found.map(({ kind }) => kind)).toEqual(['header', 'snapshot', 'event', 'end']);
    expect(found[3]).toMatchObject({ events: 1, state: { nextEventId: 1 } });
    expect(hub.wantsBlocks).toBe(false);
  });

  it.each([false, true])('stops before its limit, with an end line in the file (events: %s)', async (events) => {
    const limitBytes = 100_000;
    const { recorder, hub, lines, size, messages } = setUp({ events, limitBytes });
    for (let i = 0; i < 5000; i++) {
      if (events) hub.emit({ type: 'held', group: 0, cause: 'prefix', blocks: [1] });
      recorder.request(request);
    }
    expect(recorder.isOpen).toBe(false);
    await recorder.close('closed');
    expect(size()).toBeLessThanOrEqual(limitBytes);
    expect((await lines()).at(-1)).toMatchObject({ kind: 'end', reason: 'limit' });
    expect(messages).toEqual([expect.stringContaining('limit of 100000 bytes')]);
  });

  it('ends with one message where the disk fails, and nobody notices', async () => {
    const append = async (): Promise<void> => {
      throw new Error('ENOSPC: no space left on device');
    };
    const { recorder, hub, messages, isClosed } = setUp({ events: true, append });
    await new Promise((resolve) => setTimeout(resolve, 5));
    for (let i = 0; i < 10; i++) recorder.request(request);
    expect(recorder.isOpen).toBe(false);
    expect(hub.wantsBlocks).toBe(false);
    await recorder.close('closed');
    expect(messages).toEqual(['the recording ends: ENOSPC: no space left on device']);
    expect(isClosed()).toBe(true);
  });

  it.each([false, true])(
    'goes on in a new part at its limit, each a recording of its own (events: %s)',
    async (events) => {
      const parts: string[] = [''];
      const hub = createEventHub({ now: () => 7, hashKey: [1, 2, 3, 4] });
      hub.snapshotFrom(() => emptySnapshot(groups));
      const limitBytes = 20_000;
      const recorder = createRecorder({
        file: {
          append: async (text) => {
            parts[parts.length - 1] += text;
          },
          rotate: async () => void parts.push(''),
          close: async () => {},
        },
        header: header(events),
        hub,
        now: () => 9,
        limitBytes,
        rotates: true,
        onEnd: (message) => expect.unreachable(message),
      });
      for (let i = 0; i < 200; i++) {
        recorder.request(request);
        if (events) hub.emit({ type: 'held', group: 0, cause: 'prefix', blocks: [1] });
        await Promise.resolve();
      }
      expect(recorder.isOpen).toBe(true);
      await recorder.close('closed');
      expect(parts.length).toBeGreaterThan(3);
      let requests = 0;
      let nextId = 0;
      for (const [i, part] of parts.entries()) {
        expect(Buffer.byteLength(part)).toBeLessThan(limitBytes + 2000);
        const found: RecordingLine[] = [];
        for await (const line of readRecording(part.split('\n'))) found.push(line);
        expect(found.slice(0, 2).map(({ kind }) => kind)).toEqual(
          events ? ['header', 'snapshot'] : ['header', 'request'],
        );
        const end = found.at(-1);
        expect(end).toMatchObject({ kind: 'end', reason: i === parts.length - 1 ? 'closed' : 'rotated' });
        for (const line of found) {
          if (line.kind === 'request') requests++;
          // The state that a part begins with is that before its first event.
          if (line.kind === 'snapshot') expect(line.snapshot.nextEventId).toBe(nextId);
          if (line.kind === 'event') expect(line.event.id).toBe(nextId++);
        }
      }
      expect(requests).toBe(200);
      if (events) expect(nextId).toBe(200);
      const all: string[] = [];
      for await (const line of readRecording(parts.join('').split('\n'))) all.push(line.kind);
      expect(all.filter((kind) => kind === 'header')).toHaveLength(parts.length);
    },
  );

  it('ends where a part cannot hold more than the state of the pool', async () => {
    const hub = createEventHub({ now: () => 7, hashKey: [1, 2, 3, 4] });
    hub.snapshotFrom(() => emptySnapshot([{ blockSize: 16, blockCount: 2000 }]));
    const messages: string[] = [];
    const recorder = createRecorder({
      file: {
        append: async () => {},
        rotate: async () => {},
        close: async () => {},
      },
      header: header(true),
      hub,
      now: () => 9,
      limitBytes: 65536,
      rotates: true,
      onEnd: (message) => messages.push(message),
    });
    for (let i = 0; i < 1000 && recorder.isOpen; i++) {
      hub.emit({ type: 'held', group: 0, cause: 'prefix', blocks: [1] });
      await Promise.resolve();
    }
    await recorder.close('closed');
    expect(messages).toEqual([expect.stringContaining('too few for the state of the pool')]);
    expect(hub.wantsBlocks).toBe(false);
  });

  it('gathers lines, and writes them when it closes', async () => {
    const actions: (() => void)[] = [];
    const writes: string[] = [];
    const recorder = createRecorder({
      file: { append: async (text) => void writes.push(text), close: async () => {} },
      header: header(false),
      hub: createEventHub({ now: () => 7, hashKey: [1, 2, 3, 4] }),
      now: () => 9,
      limitBytes: 1e9,
      after: (_ms, action) => void actions.push(action),
      onEnd: () => {},
    });
    for (let i = 0; i < 5; i++) recorder.request(request);
    await new Promise((resolve) => setTimeout(resolve, 2));
    expect(writes).toEqual([]);
    expect(actions).toHaveLength(1);
    actions[0]();
    await new Promise((resolve) => setTimeout(resolve, 2));
    expect(writes).toHaveLength(1);
    recorder.request(request);
    await recorder.close('closed');
    expect(writes).toHaveLength(2);
    expect(writes[1].trim().split('\n')).toHaveLength(2);
  });

  it('loses lines rather than memory where the disk is slow, and says how many', async () => {
    let release = (): void => {};
    const append = (): Promise<void> =>
      new Promise((resolve) => {
        release = resolve;
      });
    const { recorder, lines, messages } = setUp({ append, bufferBytes: 1000 });
    await Promise.resolve();
    await Promise.resolve();
    for (let i = 0; i < 100; i++) recorder.request(request);
    const closed = recorder.close('closed');
    const timer = setInterval(() => release(), 1);
    await closed;
    clearInterval(timer);
    const end = (await lines()).at(-1);
    expect(end?.kind === 'end' && end.lostLines).toBeGreaterThan(90);
    expect(end?.kind === 'end' && end.lostLines + end.requests).toBe(100);
    expect(messages).toEqual([]);
  });

  it('ends a recording of events at the first that is lost', async () => {
    const { recorder, hub, messages } = setUp({
      events: true,
      append: () => new Promise(() => {}),
      bufferBytes: 20_000,
    });
    await new Promise((resolve) => setTimeout(resolve, 5));
    for (let i = 0; i < 1000; i++) hub.emit({ type: 'held', group: 0, cause: 'prefix', blocks: [1] });
    expect(recorder.isOpen).toBe(false);
    expect(hub.wantsBlocks).toBe(false);
    expect(messages).toEqual([expect.stringContaining('slower than the events')]);
  });
});
