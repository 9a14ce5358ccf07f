// The architectures that Octavo knows, by the names that model files give them.

import { UnsupportedModelError } from '../../errors/errors.ts';
import type { Program } from '../../program/program.ts';
import type { ModelConfig } from '../model.ts';
import type { Architecture } from './architecture.ts';
import { llama } from './llama.ts';
import { mistral } from './mistral.ts';
import { qwen2 } from './qwen2.ts';
import { qwen3 } from './qwen3.ts';
import { smollm3 } from './smollm3.ts';

export type { Architecture } from './architecture.ts';

/** Every architecture. To add one: write its file, list it here, and make an oracle fixture (tools/oracle/architectures). */
export const architectures: readonly Architecture[] = [llama, mistral, qwen2, qwen3, smollm3];

/** The architecture that GGUF's `general.architecture` names. Throws UnsupportedModelError with the list of known ones. */
export function findGgufArchitecture(name: string): Architecture {
  const found = architectures.find((architecture) => architecture.ggufNames.includes(name));
  if (found) return found;
  const known = architectures.flatMap((architecture) => architecture.ggufNames);
  throw new UnsupportedModelError(`GGUF architecture ${JSON.stringify(name.slice(0, 60))}`, known);
}

/** The architecture that config.json's `model_type` names. Throws UnsupportedModelError with the list of known ones. */
export function findHfArchitecture(modelType: string): Architecture {
  const found = architectures.find((architecture) => architecture.hfModelTypes.includes(modelType));
  if (found) return found;
  const known = architectures.flatMap((architecture) => architecture.hfModelTypes);
  throw new UnsupportedModelError(`model_type ${JSON.stringify(modelType.slice(0, 60))}`, known);
}

/** The program of a checked configuration. */
export function buildProgram(config: ModelConfig): Program {
  const found = architectures.find((architecture) => architecture.name === config.architecture);
  if (found) return found.build(config);
  const known = architectures.map(({ name }) => name);
  throw new UnsupportedModelError(`architecture "${config.architecture}"`, known);
}
