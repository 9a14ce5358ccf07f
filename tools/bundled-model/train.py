"""Trains the model: AdamW, warm-up and cosine decay, rows of 256, then 512, then 2048 tokens; resumes from its checkpoint."""

import argparse
import json
import math
import time
from dataclasses import asdict
from pathlib import Path

import torch
import torch.nn.functional as F

from data import Documents, heldout_loss
from model import Config, Llama

# (row length, share of all steps); every step sees the same number of tokens.
PHASES = [(256, 0.62), (512, 0.35), (2048, 0.03)]


def row_length(step: int, steps: int) -> int:
    done = 0.0
    for length, share in PHASES:
        done += share
        if step < round(done * steps):
            return length
    return PHASES[-1][0]


def learning_rate(step: int, steps: int, peak: float, warmup: int) -> float:
    if step < warmup:
        return peak * (step + 1) / warmup
    progress = (step - warmup) / max(1, steps - warmup)
    return peak * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * progress)))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with train.bin and heldout.bin")
    parser.add_argument("--out", type=Path, required=True, help="folder for the checkpoint and the log")
    parser.add_argument("--steps", type=int, default=5000)
    parser.add_argument("--tokens", type=int, default=4096, help="tokens per step")
    parser.add_argument("--lr", type=float, default=3e-3)
    parser.add_argument("--warmup", type=int, default=150)
    parser.add_argument("--decay", type=float, default=0.1, help="weight decay of the matrices")
    parser.add_argument("--seed", type=int, default=8)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--save-every", type=int, default=250)
    parser.add_argument("--f32", action="store_true", help="no bfloat16 autocast")
    parser.add_argument("--compile", action="store_true", help="compile the step (needs a C++ compiler)")
    args = parser.parse_args()

    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    args.out.mkdir(parents=True, exist_ok=True)
    train, heldout = Documents(args.data / "train.bin"), Documents(args.data / "heldout.bin")
    config = Config()
    model = Llama(config)
    matrices = [p for p in model.parameters() if p.dim() == 2]
    vectors = [p for p in model.parameters() if p.dim() == 1]
    optimizer = torch.optim.AdamW([{"params": matrices, "weight_decay": args.decay}, {"params": vectors, "weight_decay": 0.0}],
                                  lr=args.lr, betas=(0.9, 0.98), fused=True)
    checkpoint, first, seconds = args.out / "checkpoint.pt", 0, 0.0
    if checkpoint.exists():
        state = torch.load(checkpoint)
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        first, seconds = state["step"], state["seconds"]
        print(f"resumed at step {first}", flush=True)
    print(json.dumps({**asdict(config), "parameters": model.parameter_count(), "training tokens in corpus": len(train.ids)}), flush=True)

    def loss_of(rows):
        with torch.autocast("cpu", torch.bfloat16, enabled=not args.f32):
            logits = model(rows[:, :-1])
            return F.cross_entropy(logits.float().flatten(0, 1), rows[:, 1:].flatten())

    compiled = torch.compile(loss_of, dynamic=False) if args.compile else loss_of
    started, since, mean = time.time() - seconds, time.time(), 0.0
    for step in range(first, args.steps):
        length = row_length(step, args.steps)
        rows = train.rows(args.seed, step, args.tokens // length, length)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, args.steps, args.lr, args.warmup)
        # The last phase is too short to be worth another compilation.
        loss = (loss_of if length == PHASES[-1][0] else compiled)(rows)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        mean += loss.item()
        done = step + 1
        if done % 50 == 0:
            now = time.time()
            print(f"step {done} length {length} loss {mean / 50:.4f} tok/s {50 * args.tokens / (now - since):.0f} minutes {(now - started) / 60:.1f}", flush=True)
            since, mean = now, 0.0
        if done % args.save_every == 0 or done == args.steps:
            held, _ = heldout_loss(model, heldout, limit=None if done == args.steps else 100)
            print(f"step {done} held-out loss {held:.4f}", flush=True)
            state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "step": done, "seconds": time.time() - started,
                     "config": asdict(config), "tokens": done * args.tokens, "heldout": held}
            torch.save(state, args.out / "checkpoint.tmp")
            (args.out / "checkpoint.tmp").replace(checkpoint)
            since = time.time()


if __name__ == "__main__":
    main()
