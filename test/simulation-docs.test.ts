// The commands of docs/simulation.md run as they stand there; calibration is cut short.

import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, expect, it } from 'vitest';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const folder = mkdtempSync(join(tmpdir(), 'octavo-docs-'));
afterAll(() => rmSync(folder, { recursive: true }));
const run = promisify(execFile);

it('the commands of docs/simulation.md', { timeout: 300_000 }, async () => {
  const text = readFileSync(join(root, 'docs/simulation.md'), 'utf8');
  const commands = [...text.matchAll(/```sh\n([\s\S]*?)```/g)].flatMap(([, block]) => block.trim().split('\n'));
  expect(commands.length).toBeGreaterThan(5);
  for (const command of commands) {
    expect(command).toMatch(/^npx octavo (simulate|calibrate) /);
    const args = command
      .split(' ')
      .slice(2)
      .map((word) => (/^(calibration\.json|sweep\.html)$/.test(word) ? join(folder, word) : word));
    if (args[0] === 'calibrate') args.push('--seconds', '1', '--no-server');
    const { stdout } = await run(process.execPath, ['--import', 'tsx', 'src/cli/main.ts', ...args], { cwd: root });
    if (args.includes('--json')) expect(JSON.parse(stdout)).toHaveProperty('seed', 0);
    else expect(stdout.length).toBeGreaterThan(100);
  }
  expect(readFileSync(join(folder, 'sweep.html'), 'utf8')).toContain('id="front"');
  const calibration = JSON.parse(readFileSync(join(folder, 'calibration.json'), 'utf8'));
  expect(calibration.fit.steps).toBeGreaterThan(50);
  // How good it is in a second depends on what else the machine does; capacity.test.ts fits steps without a clock.
  expect(calibration.fit.medianError).toBeGreaterThan(0);
  expect(calibration.fit.medianError).toBeLessThanOrEqual(calibration.fit.maxError);
});
