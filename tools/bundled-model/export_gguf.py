"""Writes the checkpoint, its tokenizer and its chat template as one GGUF file with Q8_0 matrices."""

import argparse
import json
from pathlib import Path

import gguf
import numpy as np
import torch
from gguf import GGMLQuantizationType as Type

from model import Config
from train_tokenizer import END_OF_TEXT, IM_END, SPECIALS

NAMES = {
    "input_layernorm": "attn_norm", "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output", "post_attention_layernorm": "ffn_norm", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}


def permute(rows: np.ndarray, heads: int) -> np.ndarray:
    """GGUF's llama rotates neighbouring pairs, the checkpoint rotates halves: interleave the rows of every head."""
    return rows.reshape(heads, 2, rows.shape[0] // heads // 2, rows.shape[1]).swapaxes(1, 2).reshape(rows.shape)


def unpermute(rows: np.ndarray, heads: int) -> np.ndarray:
    return rows.reshape(heads, rows.shape[0] // heads // 2, 2, rows.shape[1]).swapaxes(1, 2).reshape(rows.shape)


def heads_of(name: str, c: Config) -> int:
    """How many heads a tensor's rows are grouped in, or 0 where nothing is rotated."""
    return c.heads if "attn_q." in name else c.kv_heads if "attn_k." in name else 0


def gguf_name(name: str) -> str:
    if name == "embed_tokens.weight":
        return "token_embd.weight"
    if name == "norm.weight":
        return "output_norm.weight"
    _, number, rest = name.split(".", 2)
    return f"blk.{number}.{NAMES[rest.removesuffix('.weight')]}.weight"


def add_tokenizer(writer: gguf.GGUFWriter, path: Path):
    tokenizer = json.loads(path.read_text(encoding="utf-8"))["model"]
    vocab = sorted(tokenizer["vocab"], key=tokenizer["vocab"].get)
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in tokenizer["merges"]]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(vocab)
    writer.add_token_types([gguf.TokenType.CONTROL if token in SPECIALS else gguf.TokenType.NORMAL for token in vocab])
    writer.add_token_merges(merges)
    writer.add_bos_token_id(END_OF_TEXT)
    writer.add_eos_token_id(END_OF_TEXT)
    writer.add_eot_token_id(IM_END)
    writer.add_pad_token_id(END_OF_TEXT)
    writer.add_add_bos_token(False)
    writer.add_add_eos_token(False)
    writer.add_chat_template((Path(__file__).parent / "chat_template.jinja").read_text(encoding="utf-8").rstrip("\n"))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--tokenizer", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True, help="the GGUF file to write")
    args = parser.parse_args()
    state = torch.load(args.checkpoint, map_location="cpu")
    c = Config(**state["config"])

    writer = gguf.GGUFWriter(args.out, "llama")
    writer.add_name("Octavo Stories 3M")
    writer.add_description("A very small model for demonstrating and testing: short stories and simple conversations in English")
    writer.add_license("apache-2.0")
    writer.add_size_label("3M")
    writer.add_languages(["en"])
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0)
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    writer.add_context_length(c.context)
    writer.add_embedding_length(c.hidden)
    writer.add_block_count(c.layers)
    writer.add_feed_forward_length(c.ffn)
    writer.add_head_count(c.heads)
    writer.add_head_count_kv(c.kv_heads)
    writer.add_key_length(c.head_dim)
    writer.add_value_length(c.head_dim)
    writer.add_layer_norm_rms_eps(c.norm_eps)
    writer.add_rope_dimension_count(c.head_dim)
    writer.add_rope_freq_base(c.rope_theta)
    writer.add_vocab_size(c.vocab_size)
    add_tokenizer(writer, args.tokenizer)

    for name, tensor in state["model"].items():
        values, target = tensor.float().numpy(), gguf_name(name)
        if heads_of(target, c):
            values = permute(values, heads_of(target, c))
        if values.ndim == 1:
            writer.add_tensor(target, np.ascontiguousarray(values, dtype=np.float32))
        else:
            writer.add_tensor(target, gguf.quants.quantize(np.ascontiguousarray(values), Type.Q8_0), raw_dtype=Type.Q8_0)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    print(f"{args.out.name}: {args.out.stat().st_size} bytes")


if __name__ == "__main__":
    main()
