// The byte-to-character table of GPT-2 style byte-level BPE vocabularies.

/**
 * Character (as a code unit) that spells each byte in a byte-level vocabulary: printable Latin-1 bytes spell
 * themselves, the other 68 take the characters from U+0100 on, in byte order (GPT-2's `bytes_to_unicode`).
 */
export const CHARACTER_OF_BYTE: Uint16Array = buildCharacterOfByte();

/** Byte spelled by a code unit below U+0144, or -1 where it spells none. */
const BYTE_OF_CHARACTER: Int16Array = buildByteOfCharacter();

/** Byte that a code unit spells in a byte-level vocabulary, or -1. */
function byteOfCharacter(codeUnit: number): number {
  return codeUnit < BYTE_OF_CHARACTER.length ? BYTE_OF_CHARACTER[codeUnit] : -1;
}

/** Bytes that a token of a byte-level vocabulary spells, or null if it holds a character that spells no byte. */
export function bytesOfByteLevelToken(token: string): Uint8Array | null {
  const bytes = new Uint8Array(token.length);
  for (let index = 0; index < token.length; index++) {
    const byte = byteOfCharacter(token.charCodeAt(index));
    if (byte < 0) return null;
    bytes[index] = byte;
  }
  return bytes;
}

function buildCharacterOfByte(): Uint16Array {
  const table = new Uint16Array(256);
  let next = 256;
  for (let byte = 0; byte < 256; byte++) {
    const printable = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
    table[byte] = printable ? byte : next++;
  }
  return table;
}

function buildByteOfCharacter(): Int16Array {
  const table = new Int16Array(0x144).fill(-1);
  for (let byte = 0; byte < 256; byte++) table[CHARACTER_OF_BYTE[byte]] = byte;
  return table;
}
