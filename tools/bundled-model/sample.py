"""Prints samples from an exported GGUF, for plain prompts or (with --chat) for user messages."""

import argparse
from pathlib import Path

import torch
from jinja2 import Template

from load_gguf import load


@torch.no_grad()
def generate(model, ids, stops, count: int, temperature: float, top_p: float, generator):
    """The sampled token ids and whether a stop token ended them."""
    caches, out, start, feed = [[] for _ in model.layers], [], 0, ids
    for _ in range(count):
        logits = model(torch.tensor([feed]), caches, start)[0, -1]
        start += len(feed)
        if temperature == 0:
            token = int(logits.argmax())
        else:
            probabilities, order = torch.softmax(logits / temperature, -1).sort(descending=True)
            probabilities[probabilities.cumsum(0) - probabilities >= top_p] = 0
            token = int(order[torch.multinomial(probabilities, 1, generator=generator)])
        if token in stops:
            return out, True
        out.append(token)
        feed = [token]
    return out, False


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--prompt", action="append", help="may be given several times; default: Once upon a time")
    parser.add_argument("--chat", action="store_true", help="prompts are user messages")
    parser.add_argument("--system", help="a system message for --chat")
    parser.add_argument("--count", type=int, default=1, help="samples for each prompt, with seeds from --seed on")
    parser.add_argument("--tokens", type=int, default=200)
    parser.add_argument("--temperature", type=float, default=0.8)
    parser.add_argument("--top-p", type=float, default=0.95)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(1)
    model, tokenizer, template, eos, eot = load(args.model)
    for prompt in args.prompt or ["Once upon a time"]:
        for seed in range(args.seed, args.seed + args.count):
            text = prompt
            if args.chat:
                messages = ([{"role": "system", "content": args.system}] if args.system else []) + [{"role": "user", "content": prompt}]
                text = Template(template).render(messages=messages, add_generation_prompt=True)
            ids, ended = generate(model, tokenizer.encode(text).ids, {eos, eot}, args.tokens, args.temperature, args.top_p,
                                  torch.Generator().manual_seed(seed))
            body = tokenizer.decode(ids, skip_special_tokens=False)
            print(f"--- seed {seed}, {len(ids)} tokens{', ended' if ended else ''}\n{prompt + ' ->' if args.chat else prompt}{' ' if args.chat else ''}{body}\n", flush=True)


if __name__ == "__main__":
    main()
