// Finds added tokens (special tokens and other whole tokens) in text, leftmost and longest first.

/** A token that is matched in text before any splitting. Fields as in tokenizer.json. */
export interface AddedToken {
  readonly id: number;
  readonly content: string;
  /** Control tokens: hidden by `skipSpecialTokens`. */
  readonly special: boolean;
  /** Takes white space on its left, or right, into the match. */
  readonly lstrip: boolean;
  readonly rstrip: boolean;
  /** Matches only between non-word characters. */
  readonly singleWord: boolean;
  /** Matched in normalised text rather than in the text as written. */
  readonly normalized: boolean;
}

/** A stretch of text between added tokens, or one added token. */
type Section = { readonly text: string; readonly start: number } | { readonly tokenId: number };

/** Splits text into sections. Empty stretches are left out. */
export type AddedTokenSplitter = (text: string) => Section[];

interface TrieNode {
  readonly children: Map<number, TrieNode>;
  token: AddedToken | null;
}

/** Compiles a splitter. `contentOf` gives the text to look for (the normalised content, where that is matched). */
export function createAddedTokenSplitter(
  tokens: readonly AddedToken[],
  contentOf: (token: AddedToken) => string,
): AddedTokenSplitter {
  const root: TrieNode = { children: new Map(), token: null };
  for (const token of tokens) {
    const content = contentOf(token);
    if (content === '') continue;
    let node = root;
    for (let index = 0; index < content.length; index++) {
      const code = content.charCodeAt(index);
      let child = node.children.get(code);
      if (child === undefined) {
        child = { children: new Map(), token: null };
        node.children.set(code, child);
      }
      node = child;
    }
    node.token = token;
  }
  const canStart = new Uint8Array(0x10000);
  for (const code of root.children.keys()) canStart[code] = 1;

  return (text) => {
    const sections: Section[] = [];
    let start = 0;
    const addText = (end: number): void => {
      if (end > start) sections.push({ text: text.slice(start, end), start });
    };
    let index = 0;
    while (index < text.length) {
      if (canStart[text.charCodeAt(index)] === 0) {
        index++;
        continue;
      }
      const match = longestMatch(root, text, index);
      if (match === null || (match.token.singleWord && !standsAlone(text, index, match.end))) {
        index++;
        continue;
      }
      let left = index;
      if (match.token.lstrip) while (left > start && isSpace(text, left - 1)) left--;
      let right = match.end;
      if (match.token.rstrip) while (right < text.length && isSpace(text, right)) right++;
      addText(left);
      sections.push({ tokenId: match.token.id });
      start = right;
      index = right;
    }
    addText(text.length);
    return sections;
  };
}

function longestMatch(root: TrieNode, text: string, from: number): { token: AddedToken; end: number } | null {
  let node: TrieNode | undefined = root;
  let longest: { token: AddedToken; end: number } | null = null;
  for (let index = from; index < text.length; index++) {
    node = node.children.get(text.charCodeAt(index));
    if (node === undefined) break;
    if (node.token !== null) longest = { token: node.token, end: index + 1 };
  }
  return longest;
}

function isSpace(text: string, index: number): boolean {
  return /\p{White_Space}/u.test(text[index]);
}

function standsAlone(text: string, start: number, end: number): boolean {
  return (
    !/[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}]$/u.test(text.slice(Math.max(0, start - 2), start)) &&
    !/^[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}]/u.test(text.slice(end, end + 2))
  );
}
