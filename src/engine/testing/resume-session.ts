// Run as a process of its own: loads a session, goes on from it, and prints what came as JSON. Arguments: model, session file, backend.

import { createEngine } from '../create-engine.ts';

const [model, path, backend] = process.argv.slice(2);
await using engine = await createEngine({
  model,
  backend: backend as 'cpu' | 'reference',
  maxModelLen: 256,
  maxNumSeqs: 8,
  kvCacheMemoryBytes: 8 << 20,
  checkIntegrity: true,
  threads: 1,
});
const session = await engine.loadSession(path);
const sampling = { temperature: 0, maxTokens: 16, ignoreEos: true };
const { choices, usage } = await engine.generate({ tokenIds: session.tokenIds, sampling }).result();
console.log(
  JSON.stringify({
    loadedTokens: session.cachedTokens,
    data: session.data,
    cachedTokens: usage.cachedTokens,
    tokenIds: choices[0].tokenIds,
  }),
);
