// Which tokens end a generation.

/** Control tokens that end a turn or a text in the families Octavo runs, by name. */
const END_TOKEN_NAMES = new Set([
  '<|im_end|>',
  '<|eot_id|>',
  '<|eom_id|>',
  '<|end_of_text|>',
  '<|endoftext|>',
  '<end_of_turn>',
  '</s>',
]);

/** The ids that the file states, then those of control tokens known by name; each once. */
export function collectEndTokenIds(
  statedIds: readonly (number | null | undefined)[],
  controlTokens: Iterable<{ readonly id: number; readonly content: string }>,
): number[] {
  const ids = new Set<number>();
  for (const id of statedIds) if (id !== null && id !== undefined) ids.add(id);
  for (const token of controlTokens) if (END_TOKEN_NAMES.has(token.content)) ids.add(token.id);
  return [...ids];
}
