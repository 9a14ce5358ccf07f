// What is planned for: a model's configuration and the bytes of its weights, from a file, a config.json or the name of a shape.

import { readFile, stat } from 'node:fs/promises';
import { basename, dirname, extname } from 'node:path';
import { type KvDTypes, resolveKvDTypes } from '../../engine/kv-cache-dtype.ts';
import { ModelFileError } from '../../errors/index.ts';
import { buildProgram } from '../../models/architectures/index.ts';
import { everyNthLayer } from '../../models/config-gguf.ts';
import { parseHfConfig } from '../../models/config-hf.ts';
import type { ModelConfig } from '../../models/model.ts';
import { openModel } from '../../models/open-model.ts';
import { type SynthDType, synthDTypes } from '../../models/synth/index.ts';
import type { SynthShape } from '../../models/synth/shapes.ts';
import { synthTensors } from '../../models/synth/tensors.ts';
import { type CacheGroup, cacheGroupsOf } from '../../program/cache-groups.ts';
import { type DType, rowBytes } from '../../tensor/dtype.ts';
import { isPlanShape, planShape } from './shapes.ts';

export interface PlanSubject {
  readonly name: string;
  /** Where its weights are known from: a file that has them, or a shape that says how many there are. */
  readonly source: 'file' | 'config' | 'shape';
  readonly config: ModelConfig;
  /** Layers that share blocks, as the engine groups them. */
  readonly groups: readonly CacheGroup[];
  readonly parameters: number;
  readonly weightBytes: number;
  /** Type of most of the weights. */
  readonly weightType: DType;
  /** The KV types that the option means for this model. Throws InvalidRequestError for an unknown one. */
  kvDTypes(wanted: string): KvDTypes;
}

export const weightTypes = synthDTypes;

/**
 * The model that `reference` means: a GGUF file, a folder, a hub config.json, or the name of a shape. `weightType` is the type of the
 * weights of a shape or config.json; files have their own. Defaults to what config.json says, else f16.
 *
 * @throws ModelFileError for a file that cannot be read, UnsupportedModelError for names and models that are not known
 */
export async function openSubject(reference: string, weightType?: SynthDType): Promise<PlanSubject> {
  const isThere = await stat(reference).then(
    () => true,
    () => false,
  );
  if (!isThere && isPlanShape(reference)) return shapeSubject(reference, weightType);
  if (!isThere && !/[/\\]|\.(gguf|json|safetensors)$/i.test(reference)) planShape(reference);
  return extname(reference).toLowerCase() === '.json' && !reference.endsWith('.index.json')
    ? configSubject(reference, weightType)
    : fileSubject(reference);
}

async function fileSubject(path: string): Promise<PlanSubject> {
  const model = await openModel(path);
  try {
    const { config, program, weights, weightBytes } = model;
    const bytes = new Map<DType, number>();
    let parameters = 0;
    for (const { name } of program.weights) {
      const info = weights.weights.get(name);
      if (info === undefined) continue;
      parameters += info.rows * info.columns;
      bytes.set(info.dtype, (bytes.get(info.dtype) ?? 0) + info.bytes);
    }
    const [[weightType]] = [...bytes].sort(([, one], [, other]) => other - one);
    return {
      name: config.name,
      source: 'file',
      config,
      groups: cacheGroupsOf(program),
      parameters,
      weightBytes,
      weightType,
      kvDTypes: (wanted) => resolveKvDTypes(wanted, weights),
    };
  } finally {
    await model.close();
  }
}

/** A shape by name. `weightType` defaults to f16. */
export function shapeSubject(name: string, weightType: SynthDType = 'f16'): PlanSubject {
  const shape = planShape(name);
  return weighed(configOf(shape), shape, weightType, 'shape', shape.title.replace(/ \(.*\)$/, ''));
}

const torchTypes: Readonly<Record<string, SynthDType>> = { float32: 'f32', float16: 'f16', bfloat16: 'bf16' };

async function configSubject(path: string, weightType: SynthDType | undefined): Promise<PlanSubject> {
  let content: string;
  try {
    content = await readFile(path, 'utf8');
  } catch (cause) {
    throw new ModelFileError(path, 'cannot be read', { cause });
  }
  let json: Record<string, unknown>;
  try {
    json = JSON.parse(content);
  } catch (cause) {
    throw new ModelFileError(path, 'is not JSON', { cause });
  }
  const folder = basename(dirname(path));
  const name = basename(path) === 'config.json' && folder !== '.' && folder !== '' ? folder : basename(path, '.json');
  const config = parseHfConfig({ path, json, name });
  const stated = torchTypes[String(json.dtype ?? json.torch_dtype)];
  return weighed(config, shapeOf(config), weightType ?? stated ?? 'f16', 'config', name);
}

/** Counts the weights that the program reads, as a file of this shape would store them. */
function weighed(
  config: ModelConfig,
  shape: SynthShape,
  weightType: SynthDType,
  source: 'config' | 'shape',
  name: string,
): PlanSubject {
  const stored = new Map(synthTensors(shape, weightType, 0).map((tensor) => [tensor.name, tensor]));
  const program = buildProgram(config);
  let parameters = 0;
  let weightBytes = 0;
  for (const weight of program.weights) {
    const tensor = stored.get(weight.name);
    if (tensor === undefined) throw new ModelFileError(name, `no size is known for ${weight.name}`);
    parameters += tensor.rows * tensor.columns;
    weightBytes += tensor.rows * rowBytes(tensor.dtype, tensor.columns);
  }
  const table = { dtype: weightType } as never;
  return {
    name,
    source,
    config,
    groups: cacheGroupsOf(program),
    parameters,
    weightBytes,
    weightType,
    kvDTypes: (wanted) => resolveKvDTypes(wanted, { weights: new Map([['token_embd.weight', table]]) }),
  };
}

/** The configuration that a synthesised file of the shape is read as. */
export function configOf(shape: SynthShape): ModelConfig {
  const { ggufArchitecture: name, slidingWindow, layerCount } = shape;
  return {
    architecture: name === 'llama' && slidingWindow !== null ? 'mistral' : name,
    name: shape.title,
    vocabSize: shape.vocabSize,
    hiddenSize: shape.hiddenSize,
    intermediateSize: shape.intermediateSize,
    layerCount,
    headCount: shape.headCount,
    kvHeadCount: shape.kvHeadCount,
    headSize: shape.headSize,
    rotaryDim: shape.headSize,
    normEpsilon: shape.normEpsilon,
    ropeTheta: shape.ropeTheta,
    ropeScaling: { kind: 'none' },
    ropeLayout: 'half',
    noRopeLayers: name === 'smollm3' ? everyNthLayer(layerCount, 4) : [],
    slidingWindow,
    fullAttentionLayers: [],
    attentionBias: shape.attentionBias,
    tiedEmbeddings: shape.tiedEmbeddings,
    contextLength: shape.contextLength,
  };
}

function shapeOf(config: ModelConfig): SynthShape {
  return {
    ...config,
    title: config.name,
    ggufArchitecture: config.architecture === 'mistral' ? 'llama' : config.architecture,
    preTokenizer: '',
    addBosToken: false,
    headNorms: config.architecture === 'qwen3',
    llama3Rope: null,
  };
}
