"""Reads an exported GGUF back into the torch module and its tokenizer, from nothing but that file."""

from pathlib import Path

import gguf
import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

from export_gguf import NAMES, heads_of, unpermute
from model import Config, Llama


def field(reader: gguf.GGUFReader, key: str):
    return reader.fields[key].contents()


def load(path: Path):
    """(model, tokenizer, chat template, end-of-text id, end-of-turn id)"""
    reader = gguf.GGUFReader(path)
    get = lambda key: field(reader, f"llama.{key}")
    c = Config(vocab_size=get("vocab_size"), hidden=get("embedding_length"), layers=get("block_count"), heads=get("attention.head_count"),
               kv_heads=get("attention.head_count_kv"), ffn=get("feed_forward_length"), context=get("context_length"),
               rope_theta=get("rope.freq_base"), norm_eps=get("attention.layer_norm_rms_epsilon"))
    back = {short: long for long, short in NAMES.items()}
    state = {}
    for tensor in reader.tensors:
        values = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
        if heads_of(tensor.name, c):
            values = unpermute(values, heads_of(tensor.name, c))
        if tensor.name == "token_embd.weight":
            name = "embed_tokens.weight"
        elif tensor.name == "output_norm.weight":
            name = "norm.weight"
        else:
            _, number, short, _ = tensor.name.split(".")
            name = f"layers.{number}.{back[short]}.weight"
        state[name] = torch.from_numpy(values.copy())
    model = Llama(c)
    model.load_state_dict(state)
    model.eval()

    tokens, types = field(reader, "tokenizer.ggml.tokens"), field(reader, "tokenizer.ggml.token_type")
    merges = [tuple(merge.split(" ")) for merge in field(reader, "tokenizer.ggml.merges")]
    tokenizer = Tokenizer(models.BPE(vocab={token: i for i, token in enumerate(tokens)}, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token, kind in zip(tokens, types) if kind == gguf.TokenType.CONTROL])
    return (model, tokenizer, field(reader, "tokenizer.chat_template"), field(reader, "tokenizer.ggml.eos_token_id"),
            field(reader, "tokenizer.ggml.eot_token_id"))
