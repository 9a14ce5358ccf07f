// The option `kvCacheDtype`: one type for K and V, or two with a slash between them.

import type { WeightSource } from '../backends/backend.ts';
import { InvalidRequestError } from '../errors/errors.ts';
import { type KvDType, kvDTypeNames } from '../tensor/kv-dtype.ts';

/** Types of K and V: `int8` is both, `int8/f16` has K in int8 and V in f16. */
export type KvCacheDtype = KvDType | `${KvDType}/${KvDType}`;

export interface KvDTypes {
  readonly keyDType: KvDType;
  readonly valueDType: KvDType;
}

/** The types that the option means. `auto` is f32 where the weights are F32, else f16. Throws InvalidRequestError for other names. */
export function resolveKvDTypes(wanted: string, source: Pick<WeightSource, 'weights'>): KvDTypes {
  if (wanted === 'auto') {
    const dtype = source.weights.get('token_embd.weight')?.dtype === 'f32' ? 'f32' : 'f16';
    return { keyDType: dtype, valueDType: dtype };
  }
  const parts = String(wanted).split('/');
  const [keyDType, valueDType = keyDType] = parts as KvDType[];
  if (parts.length > 2 || !kvDTypeNames.includes(keyDType) || !kvDTypeNames.includes(valueDType)) {
    throw new InvalidRequestError(
      `kvCacheDtype must be auto, one of ${kvDTypeNames.join(', ')}, or two of them as K/V (int8/f16), got ${String(wanted)}`,
      'kvCacheDtype',
      wanted,
    );
  }
  return { keyDType, valueDType };
}

/** As the option says it. */
export function formatKvDTypes({ keyDType, valueDType }: KvDTypes): KvCacheDtype {
  return keyDType === valueDType ? keyDType : `${keyDType}/${valueDType}`;
}
