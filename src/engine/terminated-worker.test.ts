// Native threads outlive the JavaScript that they work for: here it goes while they run.

import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { bundledModelPath } from '../models/testing/bundled-model.ts';

it('lets a worker thread be terminated in the middle of a step', async () => {
  const program = fileURLToPath(new URL('testing/terminated-worker.ts', import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, ['--import', 'tsx', program, bundledModelPath()], {
    timeout: 60_000,
  });
  expect(stdout).toBe('terminated\n');
}, 60_000);
