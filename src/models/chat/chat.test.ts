// Chat templates: rendering as Hugging Face does, refusals, and templates that mean harm.

import { describe, expect, it } from 'vitest';
import { InvalidRequestError, ModelFileError } from '../../errors/errors.ts';
import { readSmallTokenizerJson } from '../tokenizers/fixtures.test-support.ts';
import { createTokenizerFromJson } from '../tokenizers/index.ts';
import { createChatTemplate, encodeChat, encodeChatAsync } from './index.ts';
import { strftime } from './strftime.ts';

const tokens = { bosToken: '<s>', eosToken: '</s>' };
const hello = [{ role: 'user', content: 'Hello' }];

const CHATML = `{%- for message in messages %}
    {{- '<|im_start|>' + message['role'] + '\\n' + message.content | trim + '<|im_end|>' + '\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
{%- endif %}
`;

const LLAMA2 = `{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}{% set system_message = messages[0]['content'] %}{% else %}{% set loop_messages = messages %}{% set system_message = false %}{% endif %}{% for message in loop_messages %}{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}{% if loop.index0 == 0 and system_message != false %}{% set content = '<<SYS>>\\n' + system_message + '\\n<</SYS>>\\n\\n' + message['content'] %}{% else %}{% set content = message['content'] %}{% endif %}{% if message['role'] == 'user' %}{{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}{% elif message['role'] == 'assistant' %}{{ ' ' + content.strip() + ' ' + eos_token }}{% endif %}{% endfor %}`;

describe('createChatTemplate', () => {
  it('renders ChatML with and without the generation prompt', () => {
    const template = createChatTemplate(CHATML, tokens);
    const text = '<|im_start|>user\nHello<|im_end|>\n';
    expect(template.render(hello, { addGenerationPrompt: false })).toBe(text);
    expect(template.render(hello)).toBe(`${text}<|im_start|>assistant\n`);
  });

  it('renders the Llama 2 template: system message, turns, BOS and EOS', () => {
    const template = createChatTemplate(LLAMA2, tokens);
    expect(
      template.render([
        { role: 'system', content: 'Be brief.' },
        { role: 'user', content: ' Hi ' },
        { role: 'assistant', content: 'Yes?' },
        { role: 'user', content: 'Bye' },
      ]),
    ).toBe('<s>[INST] <<SYS>>\nBe brief.\n<</SYS>>\n\n Hi [/INST] Yes? </s><s>[INST] Bye [/INST]');
  });

  it('turns what a template refuses into an InvalidRequestError that names messages', () => {
    const template = createChatTemplate(LLAMA2, tokens);
    const refused = [...hello, ...hello];
    expect(() => template.render(refused)).toThrow(InvalidRequestError);
    expect(() => template.render(refused)).toThrow(/must alternate/);
    try {
      template.render(refused);
    } catch (error) {
      expect(error).toMatchObject({ code: 'invalid_request', param: 'messages' });
    }
  });

  it('keeps state between renderings out: the same call gives the same text', () => {
    const template = createChatTemplate(
      '{% set ns = namespace(n=0) %}{% for m in messages %}{% set ns.n = ns.n + 1 %}{% endfor %}{{ ns.n }}',
      tokens,
    );
    expect([template.render(hello), template.render([...hello, ...hello]), template.render(hello)]).toEqual([
      '1',
      '2',
      '1',
    ]);
  });

  it('offers variables, tojson, absent tokens and fields as undefined', () => {
    const template = createChatTemplate(
      "{{ tools | tojson }}|{{ bos_token is defined }}|{{ 'name' in messages[0] }}|{{ messages[0].name is defined }}",
      { bosToken: null, eosToken: null },
    );
    const messages = [{ role: 'user', content: 'x', name: undefined }];
    expect(template.render(messages, { variables: { tools: [{ a: 'é', n: 1 }] } })).toBe(
      '[{"a": "é", "n": 1}]|false|false|false',
    );
  });

  it('does not let variables replace what the template relies on', () => {
    const template = createChatTemplate('{{ messages | length }}{{ range(2) | length }}{{ bos_token }}', tokens);
    expect(template.render(hello, { variables: { messages: [], range: 'no', bos_token: 'x' } })).toBe('12<s>');
  });

  it('tells the time of the injected clock', () => {
    const now = () => new Date(2026, 10, 5, 15, 4, 9);
    expect(createChatTemplate('{{ strftime_now("%d %b %Y") }}', { ...tokens, now }).render(hello)).toBe('05 Nov 2026');
    expect(strftime(now(), '%A %a %B %y %-d %e %j %I%p %H:%M:%S %F %% %Q')).toBe(
      'Thursday Thu November 26 5  5 309 03PM 15:04:09 2026-11-05 % %Q',
    );
  });

  it('refuses a template that cannot be parsed', () => {
    expect(() => createChatTemplate('{% for %}', tokens)).toThrow(ModelFileError);
    expect(() => createChatTemplate('{{ "'.repeat(3), tokens)).toThrow(ModelFileError);
    expect(() => createChatTemplate(`{{ ${'('.repeat(100_000)} }}`, tokens)).toThrow(ModelFileError);
  });

  it('renders a thousand long messages', () => {
    const template = createChatTemplate(LLAMA2, tokens);
    const content = 'word '.repeat(400);
    const messages = Array.from({ length: 1001 }, (_, index) => ({ role: index % 2 ? 'assistant' : 'user', content }));
    expect(template.render(messages).length).toBeGreaterThan(2_000_000);
  });
});

describe('a hostile template is stopped', () => {
  const cases: Record<string, string> = {
    'a huge range': '{% for i in range(1000000000) %}x{% endfor %}',
    'a range that never ends': '{% for i in range(0, 1, 0.0000000001) %}x{% endfor %}',
    'nested loops':
      '{% for i in range(9999) %}{% for j in range(9999) %}{% for k in range(9999) %}{% endfor %}{% endfor %}{% endfor %}',
    'nested loops that print':
      '{% for i in range(9999) %}{% for j in range(9999) %}{% for k in range(9999) %}x{% endfor %}{% endfor %}{% endfor %}',
    recursion: '{% macro f(x) %}{{ f(x) }}{% endmacro %}{{ f(1) }}',
    'branching recursion':
      '{% macro f(n) %}{% if n > 0 %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(60) }}',
    'doubling text': `{% set ns = namespace(x='xxxxxxxx') %}{% for i in range(60) %}{% set ns.x = ns.x + ns.x %}{% endfor %}{{ ns.x }}`,
    'doubling lists': `{% set ns = namespace(x=[1]) %}{% for i in range(60) %}{% set ns.x = ns.x + ns.x %}{% endfor %}`,
    'nested lists as JSON': `{% set ns = namespace(x=[1]) %}{% for i in range(60) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x | tojson }}`,
    'nested lists printed': `{% set ns = namespace(x=[1]) %}{% for i in range(60) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x }}`,
    'replacing by long text': `{% set ns = namespace(x='xxxxxxxx') %}{% for i in range(16) %}{% set ns.x = ns.x + ns.x %}{% endfor %}{{ ns.x.replace('x', ns.x).replace('x', ns.x) }}`,
    'a wide indent': `{{ 'a\\nb\\nc' | indent(500000000, true) }}`,
  };
  for (const [name, source] of Object.entries(cases)) {
    it(name, { timeout: 10_000 }, () => {
      const template = createChatTemplate(source, { ...tokens, deadlineMs: 250 });
      const start = performance.now();
      expect(() => template.render(hello)).toThrow(InvalidRequestError);
      expect(performance.now() - start).toBeLessThan(5000);
    });
  }

  // What the budget stops does not wait for the deadline, and is stopped at the same point on every machine.
  it.each([
    ['a huge range', 'range() of 1000000000 elements'],
    ['nested loops that print', 'too many steps'],
    ['branching recursion', 'too many steps'],
    ['doubling text', 'too much text'],
    ['doubling lists', 'too much text'],
  ])('%s, by the budget', (name, reason) => {
    const template = createChatTemplate(cases[name], { ...tokens, deadlineMs: 30_000 });
    expect(() => template.render(hello)).toThrow(reason);
  });

  it('nested lists as JSON, by the deadline', () => {
    const template = createChatTemplate(cases['nested lists as JSON'], { ...tokens, deadlineMs: 50 });
    expect(() => template.render(hello)).toThrow('did not end within 50 ms');
  });
});

describe('encodeChat', () => {
  const tokenizer = createTokenizerFromJson(readSmallTokenizerJson('small-sentencepiece'), {
    bos_token: '<s>',
    eos_token: '</s>',
  });
  const withSuffix = createTokenizerFromJson(
    { ...readSmallTokenizerJson('small-sentencepiece'), post_processor: null },
    { bos_token: '<s>', eos_token: '</s>', add_bos_token: true, add_eos_token: true },
  );
  const plain = createTokenizerFromJson(
    { ...readSmallTokenizerJson('small-sentencepiece'), post_processor: null },
    { bos_token: '<s>' },
  );
  const silent = createChatTemplate('{{ messages[0].content }}', tokens);
  const writing = createChatTemplate('{{ bos_token + messages[0].content }}', tokens);

  it('adds BOS once, whether or not the template writes it', () => {
    const expected = tokenizer.encode('Hello');
    expect(expected[0]).toBe(1);
    expect(encodeChat(tokenizer, silent, hello)).toEqual(expected);
    expect(encodeChat(tokenizer, writing, hello)).toEqual(expected);
  });

  it('adds none for a tokenizer that adds none, and never EOS', () => {
    expect(encodeChat(plain, silent, hello)[0]).not.toBe(1);
    expect(encodeChat(plain, writing, hello)[0]).toBe(1);
    expect(withSuffix.encode('Hello').at(-1)).toBe(2);
    expect(encodeChat(withSuffix, silent, hello)).toEqual(tokenizer.encode('Hello'));
  });

  it('gives the same ids asynchronously', async () => {
    const long = [{ role: 'user', content: 'The printer folds a sheet. '.repeat(2000) }];
    expect(await encodeChatAsync(tokenizer, silent, long)).toEqual(encodeChat(tokenizer, silent, long));
  });
});
