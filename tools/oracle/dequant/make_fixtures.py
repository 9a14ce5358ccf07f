"""Makes src/tensor/fixtures/: stored blocks of every dtype and what gguf-py's quants.py makes of them.

Run with the Python packages gguf and numpy:  python3 tools/oracle/dequant/make_fixtures.py
Per dtype NAME: NAME.bin holds the stored bytes, and quants.json their count, the sha256 of all dequantised f32 bits and
the first 64 of those bits in hexadecimal (to see where a mistake begins). NAME.quantized.bin holds gguf-py's
quantisation of values.f32.bin. Scales are drawn from finite f16 values of every exponent, both zeros and
subnormals among them; NaN and infinity occur in the float types only.
"""

import hashlib
import json
from pathlib import Path

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Q
from gguf.constants import GGML_QUANT_SIZES

OUT = Path(__file__).resolve().parents[3] / "src" / "tensor" / "fixtures"
BLOCKS = 16
# Byte offsets of the f16 fields in a block.
HALVES = {
    Q.Q8_0: [0], Q.Q4_0: [0], Q.Q4_1: [0, 2], Q.Q5_0: [0], Q.Q5_1: [0, 2],
    Q.Q2_K: [80, 82], Q.Q3_K: [108], Q.Q4_K: [0, 2], Q.Q5_K: [0, 2], Q.Q6_K: [208],
}
SPECIAL = [0x0000, 0x8000, 0x0001, 0x8001, 0x03FF, 0x83FF, 0x0400, 0x7BFF, 0xFBFF, 0x3C00, 0xBC00]


def halves(rng, count):
    """Finite f16 bit patterns: the special ones first, then any."""
    drawn = rng.integers(0, 0x10000, count, dtype=np.uint16)
    drawn = np.where((drawn & 0x7C00) == 0x7C00, drawn & 0x83FF, drawn)
    special = np.array(SPECIAL, dtype=np.uint16)
    take = min(count, len(special))
    drawn[:take] = rng.permutation(special)[:take]
    return drawn.astype("<u2")


def blocks_of(rng, qtype):
    _, type_size = GGML_QUANT_SIZES[qtype]
    if qtype == Q.F16:
        # Every 61st pattern and the edges: subnormals, infinities and NaNs with payloads included.
        edges = [0x7C00, 0xFC00, 0x7C01, 0x7E00, 0xFFFF, *SPECIAL]
        return np.concatenate([np.arange(0, 0x10000, 61), edges]).astype("<u2").view(np.uint8)
    if qtype == Q.BF16:
        return np.concatenate([np.arange(0, 0x10000, 61), [0x7F80, 0xFF80, 0x7F81, 0xFFFF]]).astype("<u2").view(np.uint8)
    if qtype == Q.F32:
        drawn = rng.integers(0, 2**32, 256, dtype=np.uint32)
        return np.concatenate([drawn, np.array([0x7F800001, 0x80000000, 1], np.uint32)]).astype("<u4").view(np.uint8)
    blocks = rng.integers(0, 256, (BLOCKS, type_size), dtype=np.uint8)
    for offset in HALVES[qtype]:
        blocks[:, offset : offset + 2] = halves(rng, BLOCKS).reshape(BLOCKS, 1).view(np.uint8)
    return blocks.reshape(-1)


def values_to_quantize(rng):
    """64 blocks of 32: ordinary weights, huge and tiny magnitudes, zeros, ties, runs of equal magnitude."""
    values = rng.standard_normal((64, 32)).astype(np.float32)
    values *= (2.0 ** rng.integers(-20, 14, (64, 1))).astype(np.float32)
    values[0] = 0
    values[1] = -0.0
    values[2] = np.where(np.arange(32) % 2 == 0, 3.0, -3.0)
    values[3] = np.arange(32) - 16
    values[4] = (np.arange(32) - 15.5) / 127
    values[5] = np.float32(1e-7) * (np.arange(32) - 3)
    values[6] = 65504 * np.linspace(-1, 1, 32)
    values[7, 1:] = 0
    return values.reshape(-1)


def rounding_values(rng):
    """f32 values at and beside the midpoints of f16 and bf16, and out of their range."""
    half = np.arange(0, 0x7C00, 97, dtype=np.uint16)
    low = half.view(np.float16).astype(np.float32)
    high = (half + 1).astype(np.uint16).view(np.float16).astype(np.float32)
    middle = (low + high) / 2
    brain = (np.arange(0, 0x7F80, 97, dtype=np.uint32) << 16) + 0x8000
    parts = [low, middle, np.nextafter(middle, np.float32(0)), np.nextafter(middle, np.float32(np.inf)), brain.view(np.float32),
             (brain + 1).view(np.float32), (brain - 1).view(np.float32),
             np.array([65504, 65519.996, 65520, 1e30, 2.0**-25, 2.0**-25 * 1.0000001, 2.0**-26, 3.4028235e38, np.inf, 1e-45], np.float32)]
    positive = np.concatenate(parts).astype(np.float32)
    positive = positive[~np.isnan(positive)]
    return np.concatenate([positive, -positive])


def main():
    rng = np.random.default_rng(20261121)
    OUT.mkdir(parents=True, exist_ok=True)
    report = {"ggufVersion": gguf.__version__ if hasattr(gguf, "__version__") else "0.19.0", "dequantize": {}}
    types = [Q.F32, Q.F16, Q.BF16, Q.Q8_0, Q.Q4_0, Q.Q4_1, Q.Q5_0, Q.Q5_1, Q.Q2_K, Q.Q3_K, Q.Q4_K, Q.Q5_K, Q.Q6_K]
    for qtype in types:
        stored = blocks_of(rng, qtype)
        out = gguf.quants.dequantize(stored.reshape(1, -1), qtype)
        bits = np.ascontiguousarray(out).view("<u4").reshape(-1)
        name = qtype.name.lower()
        (OUT / f"{name}.bin").write_bytes(stored.tobytes())
        report["dequantize"][name] = {
            "elements": int(bits.size),
            "sha256": hashlib.sha256(bits.tobytes()).hexdigest(),
            "firstBits": bits[:64].astype("<u4").tobytes().hex(),
        }
    values = values_to_quantize(rng)
    (OUT / "values.f32.bin").write_bytes(values.astype("<f4").tobytes())
    for qtype in [Q.Q8_0, Q.Q4_0]:
        with np.errstate(over="ignore"):
            stored = gguf.quants.quantize(values.reshape(1, -1), qtype)
        (OUT / f"{qtype.name.lower()}.quantized.bin").write_bytes(np.ascontiguousarray(stored).tobytes())
    rounding = rounding_values(rng)
    (OUT / "rounding.f32.bin").write_bytes(rounding.astype("<f4").tobytes())
    for qtype in [Q.F16, Q.BF16]:
        with np.errstate(over="ignore"):
            stored = gguf.quants.quantize(rounding.reshape(1, -1), qtype)
        (OUT / f"{qtype.name.lower()}.rounded.bin").write_bytes(np.ascontiguousarray(stored).tobytes())
    (OUT / "quants.json").write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
