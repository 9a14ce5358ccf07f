import { createEngine } from 'octavo';

await using engine = await createEngine({ model: 'models/octavo-stories-3m-q8_0.gguf' });

const generation = engine.generate({
  messages: [{ role: 'user', content: 'Tell me a story about a fox.' }],
  sampling: { temperature: 0.8, seed: 1, maxTokens: 200 },
});
for await (const event of generation) {
  if (event.type === 'token') process.stdout.write(event.text);
}
