// What is handed out of the pages: built for use, not for debugging.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

it('pages hold no paths of the machine that built them', () => {
  const root = fileURLToPath(new URL('..', import.meta.url));
  const dist = join(root, 'web', 'dist');
  const files = readdirSync(dist, { recursive: true, encoding: 'utf8' }).filter((name) =>
    /\.(js|css|html)$/.test(name),
  );
  expect(files.length).toBeGreaterThan(5);
  expect(files.filter((name) => readFileSync(join(dist, name), 'utf8').includes(root))).toEqual([]);
});
