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
