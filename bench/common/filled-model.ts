// A model whose KV pool is all there, for steps that are run by hand.

import { type CompileOptions, type Executable, kvBlockBytes } from '../../src/backends/backend.ts';
import type { Program } from '../../src/program/program.ts';

/** Compiles a program and writes every block: untouched memory would be one page of zeros, read from the cache. */
export async function compileFilled<Compiled extends Executable>(
  backend: { compile(program: Program, options: CompileOptions): Promise<Compiled> },
  program: Program,
  options: CompileOptions,
): Promise<Compiled> {
  const executable = await backend.compile(program, options);
  const bytes = new Uint8Array(kvBlockBytes(options.kv)).fill(0x2c);
  for (let block = 0; block < options.blockCount; block++) executable.writeBlock(block, bytes);
  return executable;
}
