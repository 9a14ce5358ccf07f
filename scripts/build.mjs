// `npm run build`: the native addon, dist/ from src/, and the page in web/dist. What is up to date is skipped.

import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const stampFolder = join(root, '.cache', 'build');
const force = process.argv.includes('--force');

/** Every file under `path`, except what builds produce. */
function listFiles(path) {
  if (!existsSync(path)) return [];
  if (!statSync(path).isDirectory()) return [path];
  return readdirSync(path)
    .filter((name) => name !== 'dist' && name !== 'node_modules')
    .sort()
    .flatMap((name) => listFiles(join(path, name)));
}

/** Changes when a file is added, removed or written. */
function fingerprint(inputs) {
  const hash = createHash('sha256').update(process.version);
  for (const file of inputs.flatMap((input) => listFiles(join(root, input)))) {
    const { mtimeMs, size } = statSync(file);
    hash.update(`${relative(root, file)} ${mtimeMs} ${size}\n`);
  }
  return hash.digest('hex');
}

function runNode(args) {
  // Whatever calls this (tests do) may be set to something else: pages would then be built for debugging, with the paths of their sources.
  const env = { ...process.env, NODE_ENV: 'production' };
  return spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit', env }).status === 0;
}

/** The script behind a package's command, so that no shell is needed. Exits when it is not installed. */
function packageBin(packageName, command) {
  const manifestPath = join(root, 'node_modules', packageName, 'package.json');
  if (!existsSync(manifestPath)) {
    console.error(`build: ${packageName} is not installed. Run \`npm ci\` first (with dev dependencies).`);
    process.exit(1);
  }
  const { bin } = JSON.parse(readFileSync(manifestPath, 'utf8'));
  return join(dirname(manifestPath), typeof bin === 'string' ? bin : bin[command]);
}

/** Runs one part unless its inputs and its output are as the last successful run left them. */
function buildPart(name, inputs, output, build) {
  const stampPath = join(stampFolder, name);
  const wanted = fingerprint(inputs);
  if (!force && existsSync(join(root, output)) && existsSync(stampPath) && readFileSync(stampPath, 'utf8') === wanted) {
    console.log(`build: ${name} is up to date`);
    return;
  }
  const startedMs = performance.now();
  rmSync(stampPath, { force: true });
  if (!build()) {
    console.error(`build: ${name} failed; see above`);
    process.exit(1);
  }
  mkdirSync(stampFolder, { recursive: true });
  writeFileSync(stampPath, wanted);
  console.log(`build: ${name} done in ${((performance.now() - startedMs) / 1000).toFixed(1)} s`);
}

const manifests = ['package.json', 'package-lock.json'];

// It knows by itself what is up to date, and does without when there is no compiler.
const nativeScript = join('scripts', 'build-native.mjs');
if (existsSync(join(root, nativeScript)) && !runNode([nativeScript])) {
  console.error('build: the native addon could not be built; the slow reference backend will be used instead');
}

buildPart('dist', ['src', 'tsconfig.json', 'tsconfig.build.json', ...manifests], 'dist/cli/main.js', () => {
  // Output of removed sources must not stay behind.
  rmSync(join(root, 'dist'), { recursive: true, force: true });
  if (!runNode([packageBin('typescript', 'tsc'), '-p', 'tsconfig.build.json'])) return false;
  chmodSync(join(root, 'dist', 'cli', 'main.js'), 0o755);
  return true;
});

// The dashboard uses the reducer of events as it is. The lesson goes into a folder of the page's, and runs the memory manager and the scheduler itself.
buildPart('web', ['web', 'src', 'tsconfig.json', ...manifests], 'web/dist/lesson/index.html', () =>
  ['web', 'web/lesson'].every((folder) => runNode([packageBin('vite', 'vite'), 'build', folder, '--logLevel', 'warn'])),
);
