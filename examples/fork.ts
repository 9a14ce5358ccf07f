// One beginning, three endings: the forks share all blocks of the beginning and copy only what they write.

import { createEngine } from 'octavo';

await using engine = await createEngine({ model: 'models/octavo-stories-3m-q8_0.gguf' });

const beginning = engine.generate({ prompt: 'Once upon a time', sampling: { seed: 1, maxTokens: 120 } });
const endings: Promise<string>[] = [];
let text = '';
let tokenCount = 0;
for await (const event of beginning) {
  if (event.type !== 'token') continue;
  text += event.text;
  if (++tokenCount !== 60) continue;
  for (const seed of [2, 3, 4]) {
    const fork = beginning.fork({ sampling: { seed, maxTokens: 60 } });
    endings.push(fork.result().then(({ choices }) => choices[0].text));
  }
  const { sequences } = engine.blockMap();
  console.log(`${sequences.length} sequences, blocks of each:`);
  for (const { requestId, blocks } of sequences) console.log(`  ${requestId}: ${blocks.join(' ')}`);
  break;
}
console.log(`\nOnce upon a time${text}`);
for (const ending of await Promise.all(endings)) console.log(`\n... ${ending}`);
