// English words that are seen or heard on a page in another language.

const attributes = ['aria-label', 'title', 'placeholder', 'alt'] as const;

/** What is no text of ours: code, what a person or a model wrote, and languages by their own names. */
const foreign = 'code, pre, .mono, textarea, input, script, style, [data-foreign], [lang=en]';

/** Without names: what has digits, dots, slashes or underscores in it, or begins with a hyphen. */
function wordsOf(text: string): string[] {
  const tokens = text.match(/[A-Za-z0-9_'’./-]+/g) ?? [];
  return tokens
    .filter((token) => !/[0-9_/]|^-|\w\.\w/.test(token))
    .flatMap((token) => token.split(/[-.]/))
    .filter((word) => word.length > 1);
}

/** Words of Latin letters, each once, without those of code and of what people wrote. */
export function latinWords(): string[] {
  const found = new Set<string>();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode as Text;
    const element = node.parentElement as Element;
    if (element.closest(foreign) || !element.checkVisibility()) continue;
    for (const word of wordsOf(node.data)) found.add(word);
  }
  for (const name of attributes) {
    for (const element of document.querySelectorAll(`[${name}]`)) {
      if (element.closest('[data-foreign], [lang=en]') || !element.checkVisibility()) continue;
      for (const word of wordsOf(element.getAttribute(name) ?? '')) found.add(word);
    }
  }
  return [...found];
}
