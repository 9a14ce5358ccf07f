// What the README shows is true: its example is examples/story.ts and runs, its files exist, its scripts are there.

import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { startTestServer } from './support/server.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const run = promisify(execFile);
const commands = ['serve', 'run', 'chat', 'inspect', 'synth', 'simulate', 'calibrate', 'plan', 'report'];
const documents = [
  'README.md',
  'README.zh-CN.md',
  'web/README.md',
  'CONTRIBUTING.md',
  'docs/architecture.md',
  'docs/dashboard.md',
  'docs/claims.md',
  'docs/dependencies.md',
  'docs/events.md',
  'docs/measured.md',
  'docs/memory.md',
  'docs/planning.md',
  'docs/simulation.md',
];

describe('documents', () => {
  it('show the example that lies in examples/, with a model that is there', async () => {
    const readme = await readFile(join(root, 'README.md'), 'utf8');
    const [, block] = readme.match(/```ts\n([\s\S]*?)```/) ?? [];
    const example = await readFile(join(root, 'examples/story.ts'), 'utf8');
    expect(block).toBe(example);
    const model = example.match(/model: '(.*)'/)?.[1] ?? '';
    expect(existsSync(join(root, model)), model).toBe(true);
  });

  it.each(['story', 'fork'])('examples/%s.ts runs', async (name) => {
    const { stdout } = await run(process.execPath, ['--import', 'tsx', `examples/${name}.ts`], { cwd: root });
    expect(stdout.split(/\s+/).length).toBeGreaterThan(20);
  });

  it('ask the server as the README does', async () => {
    const readme = await readFile(join(root, 'README.md'), 'utf8');
    const body = readme.match(/-d '(\{.*\})'/)?.[1] ?? '';
    const server = await startTestServer();
    try {
      const answer = await fetch(`${server.url}/v1/chat/completions`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body,
      });
      expect(answer.status).toBe(200);
      expect(await answer.text()).toMatch(/data: \[DONE\]\s*$/);
    } finally {
      await server.close();
    }
  });

  it.each(documents)('%s links to files and names scripts that exist', async (path) => {
    const text = await readFile(join(root, path), 'utf8');
    for (const [, target] of text.matchAll(/\]\((?!https?:)([^)#]+)\)/g)) {
      expect(existsSync(join(root, dirname(path), target)), `${path} links to ${target}`).toBe(true);
    }
    const { scripts } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as {
      scripts: Record<string, string>;
    };
    for (const [, script] of text.matchAll(/npm run ([\w:]+)/g))
      expect(scripts, `${path} runs ${script}`).toHaveProperty([script]);
    for (const [, command] of text.matchAll(/npx octavo (\w+)/g)) {
      expect(commands, `${path} runs octavo ${command}`).toContain(command);
    }
  });
});
