// Native threads outlive the JavaScript that they work for: here it goes while they run.

import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

it('lets a worker thread be terminated in the middle of a step', async () => {
  const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));
  const program = path('testing/terminated-worker.ts');
  const model = path('../../models/octavo-stories-3m-q8_0.gguf');
  const { stdout } = await promisify(execFile)(process.execPath, ['--import', 'tsx', program, model], {
    timeout: 60_000,
  });
  expect(stdout).toBe('terminated\n');
}, 60_000);
