// Checks the tensors of a file against the program that is to read them, before any is read.

import type { WeightInfo } from '../backends/backend.ts';
import { ModelFileError } from '../errors/errors.ts';
import type { Program } from '../program/program.ts';
import type { ModelConfig } from './model.ts';

/**
 * Tensors that a file may carry though the program does not read them: rope tables that old checkpoints store, divisors that
 * the configuration took in, and the copy of tied embeddings that some converters write.
 */
function isIgnorable(name: string, config: ModelConfig): boolean {
  if (name === 'rope_freqs.weight') return config.ropeScaling.kind === 'factors';
  if (name === 'output.weight') return config.tiedEmbeddings;
  return (
    /^(model\.layers\.\d+\.self_attn|model)\.rotary_emb\.inv_freq$/.test(name) || /^blk\.\d+\.attn_rot_embd$/.test(name)
  );
}

/**
 * Throws ModelFileError when the file's layers are not those that the configuration claims, when a tensor is missing or has
 * another shape than the configuration says, or when there is one that the program would leave out.
 */
export function checkTensors(
  path: string,
  config: ModelConfig,
  program: Program,
  tensors: ReadonlyMap<string, WeightInfo>,
  nameInFile: (name: string) => string = (name) => name,
): void {
  checkLayerCount(path, config, tensors);
  const used = new Set<string>();
  for (const wanted of program.weights) {
    used.add(wanted.name);
    const found = tensors.get(wanted.name);
    if (!found) throw new ModelFileError(path, `tensor ${nameInFile(wanted.name)} ${shape(wanted)} is missing`);
    if (found.rows !== wanted.rows || found.columns !== wanted.columns) {
      throw new ModelFileError(
        path,
        `tensor ${nameInFile(wanted.name)} is ${shape(found)}; the configuration says ${shape(wanted)}`,
      );
    }
  }
  const unused = [...tensors.keys()].filter((name) => !used.has(name) && !isIgnorable(name, config));
  if (unused.length > 0) {
    const more = unused.length > 3 ? ` and ${unused.length - 3} more` : '';
    throw new ModelFileError(
      path,
      `holds tensors that the ${config.architecture} program does not use: ${unused
        .slice(0, 3)
        .map((name) => nameInFile(name).slice(0, 100))
        .join(', ')}${more}`,
    );
  }
}

function checkLayerCount(path: string, config: ModelConfig, tensors: ReadonlyMap<string, WeightInfo>): void {
  const layers = new Set<number>();
  for (const name of tensors.keys()) {
    const match = /^blk\.(\d{1,6})\./.exec(name);
    if (match) layers.add(Number(match[1]));
  }
  if (layers.size !== config.layerCount) {
    throw new ModelFileError(
      path,
      `the configuration says ${config.layerCount} layers, but there are tensors of ${layers.size}`,
    );
  }
}

function shape({ rows, columns }: { readonly rows: number; readonly columns: number }): string {
  return rows === 1 ? `[${columns}]` : `[${rows}, ${columns}]`;
}
