// Starts `npm start` as a user would, asks it one question over HTTP, and stops it; exits 1 if any of that fails.

import { spawn } from 'node:child_process';
import { createServer } from 'node:net';

const port = await new Promise((resolve) => {
  const probe = createServer().listen(0, '127.0.0.1', () => {
    const { port } = probe.address();
    probe.close(() => resolve(port));
  });
});
const child = spawn('npm', ['start', '--', '--port', String(port)], {
  stdio: ['ignore', 'inherit', 'inherit'],
  detached: true,
});
const stop = () => {
  try {
    process.kill(-child.pid, 'SIGTERM');
  } catch {
    // It has gone already.
  }
};
const ended = new Promise((resolve) => child.once('exit', resolve));

async function ask() {
  const base = `http://127.0.0.1:${port}`;
  for (let attempt = 0; attempt < 240; attempt++) {
    const health = await fetch(`${base}/health`).catch(() => null);
    if (health?.ok) break;
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
  const page = await fetch(base);
  if (!page.ok || !(await page.text()).includes('<html')) throw new Error(`the page answered ${page.status}`);
  const answer = await fetch(`${base}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      messages: [{ role: 'user', content: 'Tell me a story about a cat.' }],
      max_tokens: 40,
      temperature: 0,
    }),
  });
  const body = await answer.json();
  const text = body.choices?.[0]?.message?.content;
  if (answer.status !== 200 || typeof text !== 'string' || text.length === 0)
    throw new Error(`the chat answered ${answer.status}: ${JSON.stringify(body)}`);
  console.log(`It said: ${text}`);
}

let failed = false;
try {
  await ask();
} catch (error) {
  failed = true;
  console.error(`smoke test failed: ${error.message}`);
}
stop();
await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, 20_000))]);
process.exit(failed ? 1 : 0);
