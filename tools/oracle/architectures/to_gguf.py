"""Turns a tiny Hugging Face model (state dict and config) into a GGUF file, as llama.cpp's readers expect it."""

import math
from pathlib import Path

import gguf
import numpy as np
import torch

import tiny_tokenizer

# Families whose GGUF readers rotate interleaved pairs (2i, 2i + 1), so that q/k rows are stored permuted.
INTERLEAVED = {"llama", "mistral", "smollm3"}
GGUF_ARCHITECTURE = {"mistral": "llama"}

TOP_NAMES = {
    "model.embed_tokens.weight": "token_embd.weight",
    "model.norm.weight": "output_norm.weight",
    "lm_head.weight": "output.weight",
}
LAYER_NAMES = {
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}


def gguf_name(name: str) -> str:
    """`model.layers.3.self_attn.q_proj.weight` -> `blk.3.attn_q.weight`."""
    if name in TOP_NAMES:
        return TOP_NAMES[name]
    _, _, layer, rest = name.split(".", 3)
    module, suffix = rest.rsplit(".", 1)
    return f"blk.{layer}.{LAYER_NAMES[module]}.{suffix}"


def permute_heads(rows: np.ndarray, head_count: int) -> np.ndarray:
    """Reorders each head's rows so that halves (i, i + d/2) become neighbours (2i, 2i + 1)."""
    head_size = rows.shape[0] // head_count
    order = np.empty(head_size, dtype=np.int64)
    order[0::2] = np.arange(head_size // 2)
    order[1::2] = np.arange(head_size // 2) + head_size // 2
    per_head = rows.reshape(head_count, head_size, -1)
    return np.ascontiguousarray(per_head[:, order].reshape(rows.shape))


def llama3_factors(rope: dict, head_size: int) -> np.ndarray:
    """Per-frequency divisors of the Llama 3.x rope scaling, as `rope_freqs.weight` stores them."""
    factors = []
    for i in range(0, head_size, 2):
        wavelength = 2 * math.pi * rope["rope_theta"] ** (i / head_size)
        turns = rope["original_max_position_embeddings"] / wavelength
        low, high, factor = rope["low_freq_factor"], rope["high_freq_factor"], rope["factor"]
        smooth = min(1.0, max(0.0, (turns - low) / (high - low)))
        factors.append(1 / ((1 - smooth) / factor + smooth))
    return np.array(factors, dtype=np.float32)


def add_tokenizer(writer: gguf.GGUFWriter, pre: str, chat_template: str | None) -> None:
    tokens = tiny_tokenizer.vocabulary()
    special_from = len(tokens) - len(tiny_tokenizer.SPECIALS)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list(tokens)
    writer.add_token_types(
        [gguf.TokenType.CONTROL if i >= special_from else gguf.TokenType.NORMAL for i in range(len(tokens))]
    )
    writer.add_token_merges([f"{left} {right}" for left, right in tiny_tokenizer.MERGES])
    writer.add_bos_token_id(special_from)
    writer.add_eos_token_id(special_from + 1)
    writer.add_add_bos_token(False)
    if chat_template is not None:
        writer.add_chat_template(chat_template)


def write_gguf(
    path: Path, model_type: str, config, state: dict[str, torch.Tensor], pre: str, chat_template: str | None
) -> None:
    """Writes `state` (HF names; matrices keep their dtype, vectors become F32) and `config` to `path`."""
    writer = gguf.GGUFWriter(str(path), GGUF_ARCHITECTURE.get(model_type, model_type))
    head_size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    rope = config.rope_parameters
    writer.add_name(f"tiny-{model_type}")
    writer.add_vocab_size(config.vocab_size)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(rope["rope_theta"])
    writer.add_rope_dimension_count(head_size)
    if head_size * config.num_attention_heads != config.hidden_size:
        writer.add_key_length(head_size)
        writer.add_value_length(head_size)
    if getattr(config, "sliding_window", None):
        writer.add_sliding_window(config.sliding_window)
    if rope["rope_type"] == "linear":
        writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(rope["factor"])
    add_tokenizer(writer, pre, chat_template)
    if rope["rope_type"] == "llama3":
        writer.add_tensor("rope_freqs.weight", llama3_factors(rope, head_size))

    heads = {"q_proj": config.num_attention_heads, "k_proj": config.num_key_value_heads}
    for name, tensor in state.items():
        bf16 = tensor.dtype == torch.bfloat16
        values = (tensor.float() if bf16 or tensor.ndim == 1 else tensor).numpy()
        if model_type in INTERLEAVED:
            for projection, count in heads.items():
                if f".{projection}." in name:
                    values = permute_heads(values, count)
        if bf16 and tensor.ndim > 1:
            quantised = gguf.quants.quantize(values, gguf.GGMLQuantizationType.BF16)
            writer.add_tensor(gguf_name(name), quantised, raw_dtype=gguf.GGMLQuantizationType.BF16)
        else:
            writer.add_tensor(gguf_name(name), values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
