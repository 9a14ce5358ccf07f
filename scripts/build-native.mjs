// Builds the C++ addon into native/build/Release/octavo.node; does nothing when it is newer than its sources.
//
// Without a compiler, make or Python the build cannot run: that is said in plain words and is no failure, since the
// reference backend serves instead. `--strict` makes it one; `--force` builds even when nothing has changed.

import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const nativeFolder = join(root, 'native');
const addon = join(nativeFolder, 'build', 'Release', 'octavo.node');
const strict = process.argv.includes('--strict');
const force = process.argv.includes('--force');

function newestSourceMs(folder) {
  let newest = 0;
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (entry.name === 'build' || entry.name === 'prebuilds') continue;
    const path = join(folder, entry.name);
    if (entry.isDirectory()) newest = Math.max(newest, newestSourceMs(path));
    else if (/\.(cc|h|gyp)$/.test(entry.name)) newest = Math.max(newest, statSync(path).mtimeMs);
  }
  return newest;
}

function runs(command, args) {
  return spawnSync(command, args, { stdio: 'ignore' }).status === 0;
}

function missingTools() {
  if (process.platform === 'win32') return [];
  const missing = [];
  if (![process.env.CXX, 'c++', 'g++', 'clang++'].some((name) => name && runs(name, ['--version'])))
    missing.push('a C++ compiler');
  if (!runs('make', ['--version'])) missing.push('make');
  if (!runs('python3', ['--version']) && !runs('python', ['--version'])) missing.push('Python 3');
  return missing;
}

function giveUp(reason) {
  console.error(`octavo: the native CPU kernels were not built: ${reason}.`);
  console.error(
    'octavo: everything works without them, but slowly: the reference backend (plain TypeScript) will serve instead.',
  );
  console.error('octavo: to get them later, install what is missing and run: node scripts/build-native.mjs');
  process.exit(strict ? 1 : 0);
}

function main() {
  if (!force && existsSync(addon) && statSync(addon).mtimeMs >= newestSourceMs(nativeFolder)) return;
  const missing = missingTools();
  if (missing.length > 0) giveUp(`${missing.join(', ')} not found`);

  let nodeGyp;
  try {
    nodeGyp = createRequire(import.meta.url).resolve('node-gyp/bin/node-gyp.js');
  } catch {
    giveUp('node-gyp is not installed');
  }
  // Not `rebuild`, which would begin by deleting an addon that others may be loading.
  const args = [nodeGyp, 'configure', 'build', '--release', '-j', '2', '--loglevel', 'error'];
  // Headers beside the running node spare a download.
  const nodeFolder = resolve(dirname(process.execPath), '..');
  if (existsSync(join(nodeFolder, 'include', 'node', 'node_api.h'))) args.push(`--nodedir=${nodeFolder}`);
  console.log('octavo: building the native CPU kernels (about a minute)');
  const result = spawnSync(process.execPath, args, { cwd: nativeFolder, encoding: 'utf8', maxBuffer: 64 << 20 });
  if (result.status === 0 && existsSync(addon)) return;
  console.error(`${result.stdout ?? ''}${result.stderr ?? ''}`);
  giveUp('the build failed (its output is above)');
}

main();
