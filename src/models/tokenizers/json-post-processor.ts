// Reads the `post_processor` of tokenizer.json: the ids put before and after a single text.

import { z } from 'zod';
import { UnsupportedModelError } from '../../errors/errors.ts';

export interface SingleTemplate {
  readonly prefixIds: readonly number[];
  readonly suffixIds: readonly number[];
}

const processorSchema = z.object({ type: z.string() });
const sequenceSchema = z.object({ processors: z.array(z.unknown()) });
const pairSchema = z.tuple([z.string(), z.int().min(0)]);
const rowSchema = z.object({ cls: pairSchema, sep: pairSchema });
const templateSchema = z.object({
  single: z.array(
    z.union([
      z.object({ SpecialToken: z.object({ id: z.string() }) }),
      z.object({ Sequence: z.object({ id: z.string() }) }),
    ]),
  ),
  special_tokens: z.record(z.string(), z.object({ ids: z.array(z.int().min(0)) })).default({}),
});

const SUPPORTED = ['ByteLevel', 'TemplateProcessing', 'RobertaProcessing', 'BertProcessing', 'Sequence of these'];

/** The template for one text, or null where the file has none. `idOf` finds tokens that the template only names. */
export function readPostProcessor(config: unknown, idOf: (token: string) => number | null): SingleTemplate | null {
  if (config === null || config === undefined) return null;
  const { type } = processorSchema.parse(config);
  switch (type) {
    case 'ByteLevel':
      return null;
    case 'Sequence': {
      let template: SingleTemplate | null = null;
      for (const part of sequenceSchema.parse(config).processors) template = readPostProcessor(part, idOf) ?? template;
      return template;
    }
    case 'RobertaProcessing':
    case 'BertProcessing': {
      const { cls, sep } = rowSchema.parse(config);
      return { prefixIds: [cls[1]], suffixIds: [sep[1]] };
    }
    case 'TemplateProcessing': {
      const { single, special_tokens } = templateSchema.parse(config);
      const prefixIds: number[] = [];
      const suffixIds: number[] = [];
      let side = prefixIds;
      for (const part of single) {
        if ('Sequence' in part) {
          side = suffixIds;
          continue;
        }
        const name = part.SpecialToken.id;
        const ids = special_tokens[name]?.ids ?? [idOf(name)];
        for (const id of ids) {
          if (id === null) throw new Error(`post_processor: ${JSON.stringify(name)} is no token`);
          side.push(id);
        }
      }
      return { prefixIds, suffixIds };
    }
    default:
      throw new UnsupportedModelError(`Post-processor ${type}`, SUPPORTED);
  }
}
