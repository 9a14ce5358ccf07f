// English words that are seen or heard on a page in another language.

const attributes = ['aria-label', 'title', 'placeholder', 'alt'] as const;

/** What is no text of ours: code, ids, what a person or a model wrote, and languages by their own names. */
const foreign = 'code, pre, .mono, .message, textarea, input, script, style, [data-foreign], [lang=en]';

function wordsOf(text: string): string[] {
  return text.match(/[A-Za-z][A-Za-z'’]+/g) ?? [];
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
