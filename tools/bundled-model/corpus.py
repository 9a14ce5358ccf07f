"""Writes the training and held-out corpora: one JSON line per document, the same bytes for the same seed."""

import argparse
import hashlib
import json
from pathlib import Path
from random import Random

from dialogues import dialogue
from stories import story


def render_chat(messages) -> str:
    """Messages in exactly the form that the chat template produces, with every answer ended."""
    return "".join(f"<|im_start|>{role}\n{text}<|im_end|>\n" for role, text in messages)


def document(seed: int, number: int):
    """Document `number` of a corpus; it depends on nothing but its seed and number."""
    rng = Random(f"{seed}/{number}")
    if rng.random() < 0.6:
        return "story", story(rng)[0]
    return "chat", render_chat(dialogue(rng))


def write(path: Path, seed: int, count: int, exclude: set[str]):
    """Writes `count` documents, none of them in `exclude`, and returns their texts, tallies and sha256."""
    digest, texts, tally, chars = hashlib.sha256(), set(), {"story": 0, "chat": 0}, 0
    with path.open("wb") as out:
        for number in range(count):
            kind, text = document(seed, number)
            if text in exclude:
                continue
            line = (json.dumps({"kind": kind, "text": text}, ensure_ascii=False) + "\n").encode()
            out.write(line)
            digest.update(line)
            texts.add(text)
            tally[kind] += 1
            chars += len(text)
    print(f"{path.name}: {tally['story']} stories, {tally['chat']} conversations, {len(texts)} different, {chars} characters, sha256 {digest.hexdigest()}")
    return texts


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--train", type=int, default=120_000, help="training documents")
    parser.add_argument("--heldout", type=int, default=2_000, help="held-out documents")
    parser.add_argument("--seed", type=int, default=8, help="training seed; held-out documents use the next one")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    train = write(args.out / "train.jsonl", args.seed, args.train, set())
    write(args.out / "heldout.jsonl", args.seed + 1, args.heldout, train)


if __name__ == "__main__":
    main()
