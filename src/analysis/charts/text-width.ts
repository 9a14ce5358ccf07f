// How wide text will be, without a font: good enough to lay out legends.

/** Pixels at a font size: CJK characters are square, capitals and digits wider than small letters. */
export function estimateTextWidth(text: string, fontSize: number): number {
  let ems = 0;
  for (const character of text) {
    if (/[\u2e80-\uffef]/.test(character)) ems += 1;
    else if (/[il.,:;'|! ]/.test(character)) ems += 0.33;
    else if (/[A-Zmw%]/.test(character)) ems += 0.74;
    else ems += 0.58;
  }
  return ems * fontSize;
}

/** Breaks a text into lines of at most `width` pixels, between words, or anywhere in CJK. */
export function wrapText(text: string, width: number, fontSize: number): string[] {
  const pieces = text.match(/[\u2e80-\uffef]|[^\s\u2e80-\uffef]+\s*|\s+/g) ?? [];
  const lines: string[] = [];
  let line = '';
  for (const piece of pieces) {
    if (line !== '' && estimateTextWidth(line + piece.trimEnd(), fontSize) > width) {
      lines.push(line.trimEnd());
      line = '';
    }
    line += piece;
  }
  if (line.trim() !== '') lines.push(line.trimEnd());
  return lines;
}
