"""Trains the byte-level BPE tokenizer on the corpus and encodes the corpus with it."""

import argparse
import json
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

SPECIALS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
END_OF_TEXT, IM_START, IM_END = range(3)


def documents(path: Path):
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)["text"]


def train(texts, vocab_size: int) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=vocab_size, special_tokens=SPECIALS, show_progress=False,
                                  initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()))
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def encode(tokenizer: Tokenizer, path: Path, out: Path):
    """Writes all token ids as uint16, each document ended by <|endoftext|>, and returns (documents, tokens)."""
    total, count = 0, 0
    with out.open("wb") as file:
        batch = []

        def flush():
            nonlocal total, count
            for encoding in tokenizer.encode_batch(batch):
                ids = np.array(encoding.ids + [END_OF_TEXT], dtype=np.uint16)
                file.write(ids.tobytes())
                total, count = total + len(ids), count + 1
            batch.clear()

        for text in documents(path):
            batch.append(text)
            if len(batch) == 1000:
                flush()
        flush()
    return count, total


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder with train.jsonl and heldout.jsonl; the results go there too")
    parser.add_argument("--vocab", type=int, default=1536)
    parser.add_argument("--documents", type=int, default=20_000, help="documents to train the tokenizer on")
    args = parser.parse_args()
    texts = (text for _, text in zip(range(args.documents), documents(args.out / "train.jsonl")))
    # The markers of conversations are special tokens; their characters must not become merges.
    parts = (part for text in texts for part in text.replace("<|im_end|>", "<|im_start|>").split("<|im_start|>"))
    tokenizer = train(parts, args.vocab)
    assert tokenizer.get_vocab_size() == args.vocab, tokenizer.get_vocab_size()
    for sample in (bytes(range(1, 128)).decode(), "naïve café — 你好 🙂\n\n  two  spaces", "<|im_start|>user\nHi<|im_end|>\n"):
        assert tokenizer.decode(tokenizer.encode(sample).ids, skip_special_tokens=False) == sample
    tokenizer.save(str(args.out / "tokenizer.json"))
    for name in ("train", "heldout"):
        count, total = encode(tokenizer, args.out / f"{name}.jsonl", args.out / f"{name}.bin")
        print(f"{name}: {count} documents, {total} tokens, {total / count:.1f} per document")


if __name__ == "__main__":
    main()
