// What an architecture is: the names by which model files call it, and the program that it records.

import type { Program, RopeLayout } from '../../program/program.ts';
import type { ArchitectureName, ModelConfig } from '../model.ts';

export interface Architecture {
  readonly name: ArchitectureName;
  /** Values of `general.architecture` that mean it. */
  readonly ggufNames: readonly string[];
  /** Values of `model_type` in config.json that mean it. */
  readonly hfModelTypes: readonly string[];
  /** How its GGUF files order the rows of q and k heads; safetensors checkpoints are always `half`. */
  readonly ggufRopeLayout: RopeLayout;
  /** What Hugging Face's configuration class assumes for keys that config.json leaves out. */
  readonly hfDefaults: HfDefaults;
  /** Which projections of attention carry biases when `config.attentionBias` holds. */
  readonly biasedProjections: readonly AttentionProjection[];
  /** Records the model. The configuration must have been checked. */
  build(config: ModelConfig): Program;
}

export type AttentionProjection = 'q' | 'k' | 'v' | 'output';

export interface HfDefaults {
  readonly ropeTheta: number;
  readonly normEpsilon: number;
  readonly tiedEmbeddings: boolean;
  readonly attentionBias: boolean;
  /** Null: hidden size / heads. */
  readonly headSize: number | null;
}
