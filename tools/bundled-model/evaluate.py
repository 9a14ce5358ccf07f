"""Prints the held-out loss of a checkpoint and of an exported GGUF, over the same documents."""

import argparse
import math
from pathlib import Path

import torch

from data import Documents, heldout_loss
from load_gguf import load
from model import Config, Llama


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with heldout.bin")
    parser.add_argument("--checkpoint", type=Path)
    parser.add_argument("--model", type=Path, help="a GGUF file")
    parser.add_argument("--documents", type=int, help="how many held-out documents; default: all")
    args = parser.parse_args()
    torch.set_num_threads(1)
    documents = Documents(args.data / "heldout.bin")
    if args.checkpoint:
        state = torch.load(args.checkpoint, map_location="cpu")
        model = Llama(Config(**state["config"]))
        model.load_state_dict(state["model"])
        loss, count = heldout_loss(model, documents, args.documents)
        print(f"checkpoint: held-out loss {loss:.4f} nats per token, perplexity {math.exp(loss):.3f}, {count} tokens")
    if args.model:
        loss, count = heldout_loss(load(args.model)[0], documents, args.documents)
        print(f"{args.model.name}: held-out loss {loss:.4f} nats per token, perplexity {math.exp(loss):.3f}, {count} tokens")


if __name__ == "__main__":
    main()
