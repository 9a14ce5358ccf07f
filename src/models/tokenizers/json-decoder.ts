// Reads the `decoder` of tokenizer.json: how token texts spell bytes.

import { z } from 'zod';
import { UnsupportedModelError } from '../../errors/errors.ts';
import type { TokenSpelling } from './token-bytes.ts';

export interface DecoderSettings {
  readonly spelling: TokenSpelling;
  readonly stripsLeadingSpace: boolean;
}

const decoderSchema = z.object({ type: z.string() });
const sequenceSchema = z.object({ decoders: z.array(z.unknown()) });
const replaceSchema = z.object({ pattern: z.object({ String: z.literal('▁') }), content: z.literal(' ') });
const stripSchema = z.object({ content: z.literal(' '), start: z.int().min(0).max(1), stop: z.literal(0) });
const metaspaceSchema = z.object({
  replacement: z.literal('▁').default('▁'),
  prepend_scheme: z.enum(['always', 'first', 'never']).optional(),
  add_prefix_space: z.boolean().optional(),
});

const SUPPORTED = ['ByteLevel', 'Metaspace', 'Sequence of Replace (▁ by a space), ByteFallback, Fuse, Strip'];

/**
 * The spelling that a decoder undoes. Instead of running decoders, Octavo turns every token into its bytes once:
 * that is exact for streaming, where decoders work on windows.
 */
export function readDecoder(config: unknown, isByteLevelModel: boolean): DecoderSettings {
  if (config === null || config === undefined) {
    if (isByteLevelModel) return { spelling: 'byteLevel', stripsLeadingSpace: false };
    throw new UnsupportedModelError('A tokenizer without decoder', SUPPORTED);
  }
  let spelling: TokenSpelling | null = null;
  let stripsLeadingSpace = false;
  const read = (part: unknown): void => {
    const { type } = decoderSchema.parse(part);
    switch (type) {
      case 'Sequence':
        sequenceSchema.parse(part).decoders.forEach(read);
        return;
      case 'ByteLevel':
        spelling = 'byteLevel';
        return;
      case 'Metaspace': {
        const { prepend_scheme, add_prefix_space } = metaspaceSchema.parse(part);
        spelling = 'sentencePiece';
        stripsLeadingSpace = (prepend_scheme ?? (add_prefix_space === false ? 'never' : 'always')) !== 'never';
        return;
      }
      case 'Replace':
        replaceSchema.parse(part);
        spelling = 'sentencePiece';
        return;
      case 'Strip':
        stripsLeadingSpace = stripSchema.parse(part).start === 1;
        return;
      case 'ByteFallback':
      case 'Fuse':
        return;
      default:
        throw new UnsupportedModelError(`Decoder ${type}`, SUPPORTED);
    }
  };
  read(config);
  if (spelling === null) throw new UnsupportedModelError('This decoder', SUPPORTED);
  return { spelling, stripsLeadingSpace };
}
