// A scene: who comes when, and what may be turned.

import type { Settings } from './settings.ts';

/** One request of a scene. */
export interface Visit {
  readonly name: string;
  /** The step before which it comes. */
  readonly step: number;
  readonly promptTokenIds: readonly number[];
  readonly outputTokens: number;
  /** It continues another one from all that one knows by then, instead of a prompt. */
  readonly forkOf?: string;
}

export interface Scene {
  readonly defaults: Settings;
  /** Settings that this scene lets a learner turn. */
  readonly controls: readonly (keyof Settings)[];
  /** Values offered for the kind of memory; `paged` alone unless it is a control. */
  visits(settings: Settings): readonly Visit[];
}
