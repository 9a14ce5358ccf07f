// Decodes UTF-8 that arrives in pieces, giving exactly the text that decoding it whole would give.

/** An incremental UTF-8 decoder. Bytes that are no UTF-8 become U+FFFD, one per maximal ill-formed part. */
export interface Utf8Stream {
  /** Text that the bytes so far complete; at most three bytes are held back. */
  push(bytes: Uint8Array): string;
  /** Text of the bytes held back. */
  end(): string;
}

const EMPTY = new Uint8Array(0);

/** Decodes whole UTF-8 text; a leading byte order mark is text, not a mark. */
export function decodeUtf8(bytes: Uint8Array): string {
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes);
}

export function createUtf8Stream(): Utf8Stream {
  // Not TextDecoder's own stream mode: what it holds back is not observable, and this needs no state but the bytes.
  let held = EMPTY;
  return {
    push(bytes) {
      if (bytes.length === 0) return '';
      let all = bytes;
      if (held.length > 0) {
        all = new Uint8Array(held.length + bytes.length);
        all.set(held);
        all.set(bytes, held.length);
      }
      const completeLength = all.length - incompleteTailLength(all);
      held = completeLength === all.length ? EMPTY : all.slice(completeLength);
      return completeLength === 0 ? '' : decodeUtf8(all.subarray(0, completeLength));
    },
    end() {
      const text = held.length === 0 ? '' : decodeUtf8(held);
      held = EMPTY;
      return text;
    },
  };
}

/** How many bytes at the end begin a character that more bytes could complete (Unicode 15, table 3-7). */
function incompleteTailLength(bytes: Uint8Array): number {
  for (let length = 1; length <= Math.min(3, bytes.length); length++) {
    const lead = bytes[bytes.length - length];
    if (lead < 0x80) return 0;
    if (lead < 0xc0) continue;
    if (lead < 0xc2 || lead > 0xf4) return 0;
    const fullLength = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    if (length >= fullLength) return 0;
    if (length >= 2) {
      const second = bytes[bytes.length - length + 1];
      const lowest = lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80;
      const highest = lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf;
      if (second < lowest || second > highest) return 0;
    }
    return length;
  }
  return 0;
}
