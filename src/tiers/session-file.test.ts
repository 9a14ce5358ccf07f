// Sessions come back whole, or are refused for the reason that there is.

import { describe, expect, it } from 'vitest';
import { SessionFileError } from '../errors/index.ts';
import { openSession, type SessionContent, type SessionIdentity, saveSession } from './session-file.ts';
import { createMemoryFiles, type FileFault } from './testing/memory-files.ts';
import { testBytes, testKey } from './testing/pages.ts';

const path = '/sessions/one';
const pageBytes = 600;
const identity: SessionIdentity = { model: 'a', kvType: 'f16', layout: '2x2x16' };

function contentOf(pageCount: number, tokenCount = pageCount * 16 + 3): SessionContent {
  return {
    identity,
    tokenIds: Array.from({ length: tokenCount }, (_, i) => i * 7),
    pageBytes,
    keys: Array.from({ length: pageCount }, (_, i) => testKey(i)),
    async readPages(first, into) {
      for (const [i, page] of into.entries()) page.set(testBytes(first + i, pageBytes));
    },
    otherGroups: otherSizes(pageCount).map((otherBytes) => ({
      pageBytes: otherBytes,
      keys: [testKey(pageCount - 1), testKey(pageCount)],
      async readPages(first, into) {
        for (const [i, page] of into.entries()) page.set(testBytes(pageCount + otherBytes + first + i, otherBytes));
      },
    })),
  };
}

/** Page sizes of other cache groups, which small sessions do not have; two pages each. */
const otherSizes = (pageCount: number): number[] => (pageCount < 2 ? [] : pageCount < 20 ? [200] : [200, 1100]);

async function readAll(files: ReturnType<typeof createMemoryFiles>, as: SessionIdentity = identity): Promise<number> {
  const session = await openSession(files, path, as);
  try {
    const pages = session.keys.map(() => new Uint8Array(pageBytes));
    await session.readPages(0, pages);
    for (const [i, page] of pages.entries()) {
      expect(session.keys[i]).toBe(testKey(i));
      expect(Buffer.compare(page, testBytes(i, pageBytes))).toBe(0);
    }
    const sizes = otherSizes(session.keys.length);
    expect(session.otherGroups.map((group) => group.pageBytes)).toEqual(sizes);
    for (const group of session.otherGroups) {
      const others = group.keys.map(() => new Uint8Array(group.pageBytes));
      // The later one first: groups are read as a caller likes.
      await group.readPages(1, others.slice(1));
      await group.readPages(0, others.slice(0, 1));
      expect(group.keys).toEqual([testKey(pages.length - 1), testKey(pages.length)]);
      for (const [i, page] of others.entries()) {
        expect(page).toEqual(new Uint8Array(testBytes(pages.length + group.pageBytes + i, group.pageBytes)));
      }
    }
    for (const [i, id] of session.tokenIds.entries()) expect(id).toBe(i * 7);
    return pages.length;
  } finally {
    await session.close();
  }
}

const faultOf = async (work: Promise<unknown>) => {
  const error = await work.then(
    () => null,
    (refusal: unknown) => refusal,
  );
  expect(error).toBeInstanceOf(SessionFileError);
  return (error as SessionFileError).fault;
};

describe('a session file', () => {
  it.each([0, 1, 16, 40])('brings back %i pages', async (count) => {
    const files = createMemoryFiles();
    await saveSession(files, path, contentOf(count));
    expect(await readAll(files)).toBe(count);
    expect(files.openFileCount).toBe(0);
    expect(files.paths()).toEqual([path]);
  });

  it('is refused when model, KV type or layout differ, or it is not there', async () => {
    const files = createMemoryFiles();
    await saveSession(files, path, contentOf(3));
    expect(await faultOf(readAll(files, { ...identity, model: 'b' }))).toBe('model');
    expect(await faultOf(readAll(files, { ...identity, kvType: 'f32' }))).toBe('kv_type');
    expect(await faultOf(readAll(files, { ...identity, layout: '1' }))).toBe('layout');
    expect(await faultOf(openSession(files, '/sessions/two', identity))).toBe('io');
    expect(files.openFileCount).toBe(0);
  });

  it('is refused when it is cut off anywhere', async () => {
    const files = createMemoryFiles();
    await saveSession(files, path, contentOf(3));
    const whole = files.totalBytes;
    for (let size = whole - 1; size >= 0; size -= 61) {
      const file = await files.open(path, { wantsDirect: false, creates: false });
      await file.resize(size);
      await file.close();
      expect(await faultOf(readAll(files)), `${size} of ${whole} bytes`).toBe('truncated');
    }
  });

  it('is refused when any bit of what counts has changed', async () => {
    const files = createMemoryFiles();
    await saveSession(files, path, contentOf(2));
    const whole = files.totalBytes;
    let refusals = 0;
    for (let byte = 0; byte < whole; byte++) {
      files.flipBit(path, byte);
      // Bytes between the parts mean nothing; everything else is noticed.
      const error = await readAll(files).catch((refusal: unknown) => refusal);
      if (error instanceof SessionFileError) refusals++;
      else expect(error, `byte ${byte}`).toBe(2);
      files.flipBit(path, byte);
    }
    expect(refusals).toBeGreaterThan(whole - 32);
    files.flipBit(path, 0);
    expect(await faultOf(readAll(files))).toBe('not_a_session');
    files.flipBit(path, 0);
    files.flipBit(path, 4);
    expect(await faultOf(readAll(files))).toBe('version');
  });

  it.each<FileFault>(['EIO', 'ENOSPC', 'crash', 'torn'])(
    'leaves the old one in place after %s at any operation',
    async (fault) => {
      let n = 1;
      for (let isDone = false; !isDone; n++) {
        const files = createMemoryFiles();
        await saveSession(files, path, contentOf(2));
        const before = files.operationCount;
        files.decide = ({ index }) => (index === before + n ? fault : null);
        const error = await saveSession(files, path, contentOf(20)).catch((refusal: unknown) => refusal);
        isDone = files.operationCount - before < n;
        if (error !== undefined) expect((error as SessionFileError).fault).toBe('io');
        files.decide = null;
        if (fault === 'crash' || fault === 'torn') files.restart();
        expect([2, 20]).toContain(await readAll(files));
        if (isDone) expect(await readAll(files)).toBe(20);
      }
      expect(n).toBeGreaterThan(8);
    },
  );
});
