"""Encoded documents: random training rows, the same for the same seed and step, and held-out documents one by one."""

from pathlib import Path

import numpy as np
import torch

END_OF_TEXT = 0


class Documents:
    def __init__(self, path: Path):
        self.ids = np.fromfile(path, dtype=np.uint16)
        ends = np.flatnonzero(self.ids == END_OF_TEXT) + 1
        self.starts = np.concatenate([[0], ends[:-1]])
        self.ends = ends

    def rows(self, seed: int, step: int, count: int, length: int, fresh: float = 0.75):
        """`count` rows of length + 1 tokens; a share `fresh` begins where a document begins, without a BOS token."""
        rng = np.random.default_rng((seed, step))
        last = len(self.ids) - length - 1
        usable = np.searchsorted(self.starts, last, side="right")
        starts = np.where(rng.random(count) < fresh, self.starts[rng.integers(0, usable, count)], rng.integers(0, last, count))
        return torch.from_numpy(np.stack([self.ids[s:s + length + 1] for s in starts]).astype(np.int64))

    def each(self, limit: int | None = None, context: int = 2048):
        """Each document alone with its <|endoftext|>, cut to the context."""
        for start, end in list(zip(self.starts, self.ends))[:limit]:
            yield torch.from_numpy(self.ids[start:min(end, start + context + 1)].astype(np.int64))


@torch.no_grad()
def heldout_loss(model, documents: Documents, limit: int | None = None, batch: int = 16, bf16: bool = False):
    """Mean negative log-likelihood (nats) over all tokens but the first of every document, each from position 0."""
    docs = sorted((d for d in documents.each(limit) if len(d) > 1), key=len)
    total, count = 0.0, 0
    for i in range(0, len(docs), batch):
        group = docs[i:i + batch]
        ids = torch.nn.utils.rnn.pad_sequence(group, batch_first=True, padding_value=-1)
        target = ids[:, 1:]
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            logits = model(ids[:, :-1].clamp(min=0))
        loss = torch.nn.functional.cross_entropy(logits.float().flatten(0, 1), target.flatten(), ignore_index=-1, reduction="sum")
        total, count = total + loss.item(), count + int((target >= 0).sum())
    return total / count, count
