"""Trains the model: Muon and AdamW, warm-up and cosine decay, rows of 256, then 512, then 2048 tokens; resumes from its checkpoint."""

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
from muon import Muon

# length:share of the run, ...; every step sees the same number of tokens.
PHASES = "256:0.72,512:0.13,2048:0.15"


def row_length(phases: list[tuple[int, float]], progress: float) -> int:
    done = 0.0
    for length, share in phases:
        done += share
        if progress < done:
            return length
    return phases[-1][0]


def rate(step: int, progress: float, warmup: int) -> float:
    """The learning rate as a share of its peak."""
    return min(1.0, (step + 1) / warmup) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * progress)))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with train.bin and heldout.bin")
    parser.add_argument("--out", type=Path, required=True, help="folder for the checkpoint and the log")
    parser.add_argument("--init", type=Path, help="checkpoint whose weights a new run starts from, at a rate that warms up again")
    parser.add_argument("--phases", default=PHASES, help="row lengths with their shares of the run; default: %(default)s")
    parser.add_argument("--steps", type=int, default=5000)
    parser.add_argument("--minutes", type=float, help="end after this time if that comes before the last step")
    parser.add_argument("--tokens", type=int, default=4096, help="tokens per step")
    parser.add_argument("--lr", type=float, default=3e-3, help="peak rate of AdamW, for the embedding and the norms")
    parser.add_argument("--muon-lr", type=float, default=0.02, help="peak rate of Muon, for all other matrices")
    parser.add_argument("--warmup", type=int, default=60)
    parser.add_argument("--decay", type=float, default=0.02, help="weight decay of the matrices")
    parser.add_argument("--seed", type=int, default=8)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--save-every", type=int, default=250)
    parser.add_argument("--f32", action="store_true", help="no bfloat16 autocast")
    parser.add_argument("--compile", action="store_true", help="compile the step (needs a C++ compiler)")
    args = parser.parse_args()

    phases = [(int(length), float(share)) for length, share in (phase.split(":") for phase in args.phases.split(","))]
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    args.out.mkdir(parents=True, exist_ok=True)
    train, heldout = Documents(args.data / "train.bin"), Documents(args.data / "heldout.bin")
    config = Config()
    model = Llama(config)
    embedding, *rest = model.parameters()
    optimizers = [
        torch.optim.AdamW([{"params": [embedding, *(p for p in rest if p.dim() == 1)]}], lr=args.lr, betas=(0.9, 0.98), weight_decay=0.0, fused=True),
        Muon([p for p in rest if p.dim() == 2], lr=args.muon_lr, weight_decay=args.decay),
    ]
    peaks = [args.lr, args.muon_lr]
    checkpoint, first, seconds, tokens_before = args.out / "checkpoint.pt", 0, 0.0, 0
    if args.init:
        state = torch.load(args.init)
        model.load_state_dict(state["model"])
        tokens_before = state["tokens"]
    if checkpoint.exists():
        state = torch.load(checkpoint)
        model.load_state_dict(state["model"])
        for optimizer, saved in zip(optimizers, state["optimizers"]):
            optimizer.load_state_dict(saved)
        first, seconds = state["step"], state["seconds"]
        print(f"resumed at step {first}", flush=True)
    print(json.dumps({**asdict(config), "parameters": model.parameter_count(), "training tokens in corpus": len(train.ids)}), flush=True)

    def loss_of(rows):
        with torch.autocast("cpu", torch.bfloat16, enabled=not args.f32):
            logits = model(rows[:, :-1])
            return F.cross_entropy(logits.float().flatten(0, 1), rows[:, 1:].flatten())

    compiled = torch.compile(loss_of, dynamic=False) if args.compile else loss_of
    started, since, mean, counted, progress = time.time() - seconds, time.time(), 0.0, 0, 0.0
    for step in range(first, args.steps):
        progress = step / args.steps
        if args.minutes:
            progress = max(progress, (time.time() - started) / 60 / args.minutes)
        last = progress >= 1 or step + 1 == args.steps
        progress = min(progress, 1.0)
        length = row_length(phases, progress)
        rows = train.rows(args.seed, step, args.tokens // length, length)
        for optimizer, peak in zip(optimizers, peaks):
            for group in optimizer.param_groups:
                group["lr"] = peak * rate(step, progress, args.warmup)
        # The later phases gain too little to be worth another compilation.
        loss = (compiled if length == phases[0][0] else loss_of)(rows)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        mean, counted = mean + loss.item(), counted + 1
        done = step + 1
        if done % 50 == 0 or last:
            now = time.time()
            print(f"step {done} length {length} loss {mean / counted:.4f} tok/s {counted * args.tokens / (now - since):.0f} minutes {(now - started) / 60:.1f}", flush=True)
            since, mean, counted = now, 0.0, 0
        if done % args.save_every == 0 or last:
            held, _ = heldout_loss(model, heldout, limit=100)
            print(f"step {done} held-out loss {held:.4f}", flush=True)
            state = {"model": model.state_dict(), "optimizers": [o.state_dict() for o in optimizers], "step": done, "seconds": time.time() - started,
                     "config": asdict(config), "tokens": tokens_before + done * args.tokens, "heldout": held}
            torch.save(state, args.out / "checkpoint.tmp")
            (args.out / "checkpoint.tmp").replace(checkpoint)
            since = time.time()
        if last:
            break


if __name__ == "__main__":
    main()