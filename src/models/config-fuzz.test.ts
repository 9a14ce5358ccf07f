// Fuzz: metadata, config.json and tensor tables of valid models, mutated at random, are read or refused with a typed error.

import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import type { WeightInfo } from '../backends/backend.ts';
import { ModelFileError, UnsupportedModelError } from '../errors/errors.ts';
import { createRandom } from '../random/random.ts';
import { buildProgram } from './architectures/index.ts';
import { checkTensors } from './check-tensors.ts';
import { parseGgufConfig } from './config-gguf.ts';
import { parseHfConfig } from './config-hf.ts';
import { openGguf } from './gguf/index.ts';
import { canonicalWeights } from './hf-names.ts';
import type { ModelConfig } from './model.ts';
import { openSafetensors } from './safetensors/index.ts';

const fixtures = fileURLToPath(new URL('../../test/fixtures/oracle/', import.meta.url));
const models = ['llama3', 'llama-linear-half', 'mistral', 'qwen2', 'qwen3', 'smollm3'];
const casesPerModel = 200;

type Random = () => number;
type Entries = [string, unknown][];

function pick<T>(random: Random, options: readonly T[]): T {
  return options[Math.floor(random() * options.length)];
}

function oddValue(random: Random, original: unknown): unknown {
  const near = typeof original === 'number' ? [original + 1, original - 1, original * 2, original / 2, -original] : [];
  const strange = [
    0,
    1,
    -1,
    0.5,
    2 ** 31,
    2 ** 53,
    1e308,
    2n ** 63n,
    -1n,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    null,
    undefined,
    true,
    false,
    '',
    'linear',
    'yarn',
    'x'.repeat(10_000),
    [],
    [0],
    [1, 'two', null],
    {},
    { factor: -1 },
    { rope_type: 'llama3', factor: 8 },
    Uint32Array.of(1, 2),
  ];
  return pick<unknown>(random, near.length > 0 && random() < 0.5 ? near : strange);
}

function mutate(random: Random, entries: Entries): Entries {
  const changed = [...entries];
  const times = 1 + Math.floor(random() * 3);
  for (let i = 0; i < times; i++) {
    const at = Math.floor(random() * changed.length);
    const [key, value] = changed[at];
    const action = random();
    if (action < 0.2) changed.splice(at, 1);
    else if (action < 0.3) changed[at] = [pick(random, changed)[0], value];
    else if (isPlainObject(value) && action < 0.7) {
      changed[at] = [key, Object.fromEntries(mutate(random, Object.entries({ ...value, extra: 1 })))];
    } else changed[at] = [key, oddValue(random, value)];
    if (changed.length === 0) break;
  }
  return changed;
}

function isPlainObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !ArrayBuffer.isView(value);
}

function mutateTensors(random: Random, tensors: ReadonlyMap<string, WeightInfo>): ReadonlyMap<string, WeightInfo> {
  if (random() < 0.7) return tensors;
  const changed = new Map(tensors);
  const info = pick(random, [...tensors.values()]);
  changed.delete(info.name);
  const name = pick(random, [info.name, `${info.name}.x`, info.name.replace(/\d+/, '999999'), 'output.weight']);
  const rows = pick(random, [info.rows, 0, 1, info.rows * 2, 2 ** 40]);
  if (random() < 0.7) changed.set(name, { ...info, name, rows });
  return changed;
}

/** Runs the checks of one case; returns whether the model was accepted. Fails on any error that is not typed. */
function outcome(
  seed: string,
  tensors: ReadonlyMap<string, WeightInfo>,
  parse: (tensors: ReadonlyMap<string, WeightInfo>) => ModelConfig,
): boolean {
  try {
    const config = parse(tensors);
    checkTensors('fuzz', config, buildProgram(config), tensors);
    return true;
  } catch (error) {
    if (error instanceof ModelFileError || error instanceof UnsupportedModelError) {
      expect(error.message.length, seed).toBeLessThan(1000);
      return false;
    }
    throw new Error(`case ${seed}`, { cause: error });
  }
}

describe.each(models)('mutations of %s', (name) => {
  let metadata: Entries;
  let configJson: Entries;
  let ggufTensors: ReadonlyMap<string, WeightInfo>;
  let hfTensors: ReadonlyMap<string, WeightInfo>;

  beforeAll(async () => {
    const gguf = await openGguf(`${fixtures}${name}/model.gguf`);
    metadata = [...gguf.metadata].filter(([key]) => !key.startsWith('tokenizer.'));
    ggufTensors = gguf.source.weights;
    await gguf.source.close();
    const folder = await openSafetensors(`${fixtures}${name}`);
    hfTensors = canonicalWeights(folder.source, name).weights;
    await folder.source.close();
    configJson = Object.entries(JSON.parse(await readFile(`${fixtures}${name}/config.json`, 'utf8')));
  });

  it('are read or refused from GGUF metadata', () => {
    let acceptedCount = 0;
    for (let seed = 0; seed < casesPerModel; seed++) {
      const random = createRandom(seed);
      const changed = new Map(mutate(random, metadata));
      const ropeFactors = random() < 0.2 ? Float32Array.of(1, random() < 0.5 ? Number.NaN : 2) : null;
      const input = { path: 'fuzz', metadata: changed, ropeFactors };
      const accepted = outcome(`gguf ${name} ${seed}`, mutateTensors(random, ggufTensors), (tensors) =>
        parseGgufConfig({ ...input, tensors }),
      );
      if (accepted) acceptedCount++;
    }
    expect(acceptedCount).toBeLessThan(casesPerModel * 0.9);
  });

  it('are read or refused from config.json', () => {
    let acceptedCount = 0;
    for (let seed = 0; seed < casesPerModel; seed++) {
      const random = createRandom(seed + 1_000_000);
      const json = Object.fromEntries(mutate(random, configJson));
      const accepted = outcome(`hf ${name} ${seed}`, mutateTensors(random, hfTensors), () =>
        parseHfConfig({ path: 'fuzz', json, name }),
      );
      if (accepted) acceptedCount++;
    }
    expect(acceptedCount).toBeGreaterThan(0);
    expect(acceptedCount).toBeLessThan(casesPerModel * 0.95);
  });
});
