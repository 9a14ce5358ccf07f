// Chooses which files of a repository make up a model.

import { ModelFileError } from '../../errors/errors.ts';

export type HubModelKind = 'gguf' | 'safetensors';

export interface HubSelection {
  readonly kind: HubModelKind;
  /** Paths to fetch, small ones first. Of a sharded safetensors model without its shards: the index tells them. */
  readonly paths: readonly string[];
  /** What to open: the (first) GGUF file, or '' for the folder. */
  readonly entryPath: string;
}

export const safetensorsIndexName = 'model.safetensors.index.json';
const safetensorsName = 'model.safetensors';
const companionNames = [
  'config.json',
  'generation_config.json',
  'tokenizer.json',
  'tokenizer_config.json',
  'chat_template.jinja',
];
// What to take when nobody said: the usual trade of size against quality first, then what comes close.
const preferredQuants = [
  'Q4_K_M',
  'Q4_K_S',
  'Q5_K_M',
  'Q5_K_S',
  'Q4_0',
  'Q6_K',
  'Q8_0',
  'Q4_K',
  'Q5_K',
  'F16',
  'BF16',
  'F32',
];
const splitSuffix = /-(\d{5})-of-(\d{5})\.gguf$/i;

/**
 * Chooses files by `selector` (a GGUF path or a quantisation), or without one: the safetensors set where the
 * repository has it, else its best supported GGUF file. All parts of a split GGUF file are taken.
 *
 * @throws ModelFileError when nothing fits, with what there is
 */
export function selectFiles(repo: string, allPaths: readonly string[], selector: string | null): HubSelection {
  const ggufPaths = allPaths.filter((path) => /\.gguf$/i.test(path) && !/mmproj/i.test(path));
  if (selector !== null) return ggufSelection(repo, ggufPaths, chooseGguf(repo, ggufPaths, selector));
  const present = new Set(allPaths);
  const weights = [safetensorsName, safetensorsIndexName].find((name) => present.has(name));
  if (weights !== undefined && present.has('config.json')) {
    const companions = companionNames.filter((name) => present.has(name));
    return { kind: 'safetensors', paths: [...companions, weights], entryPath: '' };
  }
  const chosen = preferredQuants
    .map((quant) => ggufPaths.find((path) => hasQuant(path, quant)))
    .find((path) => path !== undefined);
  const heads = ggufPaths.filter((path) => Number(splitSuffix.exec(path)?.[1] ?? 1) === 1);
  const path = chosen ?? (heads.length === 1 ? heads[0] : undefined);
  if (path !== undefined) return ggufSelection(repo, ggufPaths, path);
  throw new ModelFileError(
    repo,
    ggufPaths.length === 0
      ? 'has neither a GGUF file nor config.json with model.safetensors'
      : `has several GGUF files; choose one with ${repo}:FILE: ${ggufPaths.join(', ')}`,
  );
}

function chooseGguf(repo: string, ggufPaths: readonly string[], selector: string): string {
  if (ggufPaths.includes(selector)) return selector;
  const byQuant = ggufPaths.filter((path) => hasQuant(path, selector));
  if (byQuant.length > 0) return byQuant[0];
  throw new ModelFileError(
    repo,
    `has no GGUF file "${selector}". It has: ${ggufPaths.length === 0 ? 'none' : ggufPaths.join(', ')}`,
  );
}

/** Whether a file's name ends in `-QUANT`, `.QUANT` or `_QUANT`, before the part number of a split one. */
function hasQuant(path: string, quant: string): boolean {
  const stem = path.replace(splitSuffix, '.gguf').slice(0, -'.gguf'.length).toUpperCase();
  return ['-', '.', '_', '/'].some((separator) => stem.endsWith(separator + quant.toUpperCase()));
}

/** A GGUF file with its siblings, the first part to be opened. */
function ggufSelection(repo: string, ggufPaths: readonly string[], path: string): HubSelection {
  const match = splitSuffix.exec(path);
  if (match === null) return { kind: 'gguf', paths: [path], entryPath: path };
  const stem = path.slice(0, match.index);
  const count = Number(match[2]);
  const parts = ggufPaths
    .filter((other) => other.startsWith(stem) && splitSuffix.exec(other)?.index === stem.length)
    .toSorted();
  if (parts.length !== count) {
    throw new ModelFileError(repo, `has ${parts.length} of the ${count} parts of ${path}`);
  }
  return { kind: 'gguf', paths: parts, entryPath: parts[0] };
}
