"""Makes tiny random models of every architecture with reference logits of Hugging Face transformers.

    python make_fixtures.py OUT_FOLDER [CASE ...]

Each case becomes a folder: a safetensors checkpoint (config.json, tokenizer.json, weights), the same model as
model.gguf, `expected.json` (token ids, rows) and `logits.f32` (little-endian float32, one row of vocabSize
per position in `positions`), computed in float32 with eager attention. The output depends only on this folder's
scripts and the library versions, which `expected.json` records.
"""

import hashlib
import json
import shutil
import sys
import zlib
from pathlib import Path

import numpy as np
import torch
import transformers
from safetensors.torch import save_file
from transformers import LlamaConfig, MistralConfig, Qwen2Config, Qwen3Config, SmolLM3Config

import tiny_tokenizer
from to_gguf import write_gguf

TOKEN_COUNT = 56
VOCAB_SIZE = len(tiny_tokenizer.vocabulary())
SPECIAL_FROM = VOCAB_SIZE - len(tiny_tokenizer.SPECIALS)

COMMON = {
    "vocab_size": VOCAB_SIZE,
    "max_position_embeddings": 256,
    "bos_token_id": SPECIAL_FROM,
    "eos_token_id": SPECIAL_FROM + 1,
    "pad_token_id": None,
    "attn_implementation": "eager",
}


def plain_rope(theta: float) -> dict:
    return {"rope_type": "default", "rope_theta": theta}


# name -> (config, GGUF pre-tokenizer, options). `classic`: config.json in the form before transformers 5; `gguf` False: GGUF
# cannot say it.
CASES = {
    "llama3": (
        LlamaConfig(
            **COMMON, hidden_size=48, intermediate_size=80, num_hidden_layers=2, num_attention_heads=6,
            num_key_value_heads=2, head_dim=8, tie_word_embeddings=True, rms_norm_eps=1e-5,
            rope_parameters={
                "rope_type": "llama3", "rope_theta": 5000.0, "factor": 8.0, "low_freq_factor": 1.0,
                "high_freq_factor": 4.0, "original_max_position_embeddings": 128,
            },
        ),
        "llama-bpe",
        {"template": True},
    ),
    "llama2": (
        LlamaConfig(
            **COMMON, hidden_size=32, intermediate_size=56, num_hidden_layers=2, num_attention_heads=4,
            num_key_value_heads=4, tie_word_embeddings=False, rms_norm_eps=1e-6, rope_parameters=plain_rope(10000.0),
        ),
        "llama-bpe",
        {"classic": True},
    ),
    "llama-linear-half": (
        LlamaConfig(
            **COMMON, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=2,
            num_key_value_heads=1, tie_word_embeddings=False, rms_norm_eps=1e-5,
            rope_parameters={"rope_type": "linear", "rope_theta": 10000.0, "factor": 4.0},
        ),
        "llama-bpe",
        {"classic": True, "half": True},
    ),
    "mistral": (
        MistralConfig(
            **COMMON, hidden_size=48, intermediate_size=64, num_hidden_layers=2, num_attention_heads=3,
            num_key_value_heads=1, head_dim=16, tie_word_embeddings=False, rms_norm_eps=1e-5, sliding_window=13,
            rope_parameters=plain_rope(10000.0),
        ),
        "llama-bpe",
        {"classic": True},
    ),
    "qwen2": (
        Qwen2Config(
            **COMMON, hidden_size=48, intermediate_size=80, num_hidden_layers=2, num_attention_heads=6,
            num_key_value_heads=2, tie_word_embeddings=True, rms_norm_eps=1e-6, rope_parameters=plain_rope(1000000.0),
        ),
        "qwen2",
        {"classic": True},
    ),
    "qwen3": (
        Qwen3Config(
            **COMMON, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
            num_key_value_heads=2, head_dim=16, tie_word_embeddings=True, rms_norm_eps=1e-6,
            rope_parameters=plain_rope(1000000.0),
        ),
        "qwen2",
        {},
    ),
    "qwen2-hybrid": (
        Qwen2Config(
            **COMMON, hidden_size=32, intermediate_size=48, num_hidden_layers=3, num_attention_heads=4,
            num_key_value_heads=2, tie_word_embeddings=True, rms_norm_eps=1e-6, rope_parameters=plain_rope(1000000.0),
            use_sliding_window=True, sliding_window=11, max_window_layers=1,
        ),
        "qwen2",
        {"classic": True, "gguf": False},
    ),
    "qwen3-hybrid": (
        Qwen3Config(
            **COMMON, hidden_size=32, intermediate_size=48, num_hidden_layers=4, num_attention_heads=2,
            num_key_value_heads=1, head_dim=16, tie_word_embeddings=True, rms_norm_eps=1e-6,
            rope_parameters=plain_rope(1000000.0), use_sliding_window=True, sliding_window=14,
            layer_types=["sliding_attention", "full_attention"] * 2,
        ),
        "qwen2",
        {"gguf": False},
    ),
    "smollm3": (
        SmolLM3Config(
            **COMMON, hidden_size=32, intermediate_size=48, num_hidden_layers=5, num_attention_heads=4,
            num_key_value_heads=2, tie_word_embeddings=True, rms_norm_eps=1e-6, rope_parameters=plain_rope(5000.0),
        ),
        "llama-bpe",
        {},
    ),
}


def randomise(model: torch.nn.Module, seed: int) -> None:
    """Weights large enough that logits are far from uniform, biases and norms far from neutral."""
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in model.named_parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        if "norm" in name:
            value = 1 + 0.3 * noise
        elif parameter.ndim == 1:
            value = 0.5 * noise
        else:
            value = 0.3 * noise
        parameter.data.copy_(value)


def halve(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Matrices of even layers (and the embedding) in BF16, the others in F16; vectors stay F32."""
    halved = {}
    for name, tensor in state.items():
        odd_layer = ".layers.1." in name or name == "lm_head.weight"
        halved[name] = tensor if tensor.ndim == 1 else tensor.to(torch.float16 if odd_layer else torch.bfloat16)
    return halved


def save_weights(folder: Path, state: dict[str, torch.Tensor], sharded: bool) -> None:
    metadata = {"format": "pt"}
    if not sharded:
        save_file(state, folder / "model.safetensors", metadata)
        return
    shards = [{}, {}]
    for name, tensor in state.items():
        shards[1 if tensor.dtype == torch.float16 or name == "model.norm.weight" else 0][name] = tensor
    weight_map = {}
    for i, shard in enumerate(shards):
        file = f"model-0000{i + 1}-of-00002.safetensors"
        save_file(shard, folder / file, metadata)
        weight_map.update({name: file for name in shard})
    total = sum(tensor.numel() * tensor.element_size() for tensor in state.values())
    index = {"metadata": {"total_size": total}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=1) + "\n")


def classic_form(config: dict) -> dict:
    """Rewrites transformers 5's `rope_parameters` to `rope_theta` and `rope_scaling`; leaves `layer_types` to the class."""
    rope = dict(config.pop("rope_parameters"))
    config["rope_theta"] = rope.pop("rope_theta")
    config["rope_scaling"] = None if rope["rope_type"] == "default" else rope
    config["torch_dtype"] = config.pop("dtype", "float32")
    config.pop("layer_types", None)
    return config


def reference_logits(model: torch.nn.Module, token_ids: list[int]) -> np.ndarray:
    with torch.no_grad():
        return model(input_ids=torch.tensor([token_ids])).logits[0].float().numpy()


def make_case(root: Path, name: str) -> None:
    config, pre, options = CASES[name]
    folder = root / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    seed = zlib.crc32(name.encode())

    model = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()
    randomise(model, seed)
    config_json = json.loads(config.to_json_string(use_diff=False)) | {
        "architectures": [type(model).__name__],
        "dtype": "float32",
    }
    for key in ("_name_or_path", "attn_implementation", "transformers_version"):
        config_json.pop(key, None)
    if options.get("classic"):
        config_json = classic_form(config_json)
    (folder / "config.json").write_text(json.dumps(config_json, indent=1, sort_keys=True) + "\n")

    state = {key: tensor.detach().contiguous() for key, tensor in model.state_dict().items()}
    if config.tie_word_embeddings:
        state.pop("lm_head.weight", None)
    if options.get("half"):
        state = halve(state)
        model.load_state_dict({key: tensor.float() for key, tensor in state.items()})
    save_weights(folder, state, sharded=bool(options.get("half")))
    template = tiny_tokenizer.CHAT_TEMPLATE if options.get("template") else None
    if options.get("gguf", True):
        write_gguf(folder / "model.gguf", config.model_type, config, state, pre, template)

    tiny_tokenizer.build(pre).save(str(folder / "tokenizer.json"), pretty=False)
    tokenizer_config = {"bos_token": "<|begin|>", "eos_token": "<|end|>", "add_bos_token": False}
    if template is not None:
        tokenizer_config["chat_template"] = template
    (folder / "tokenizer_config.json").write_text(json.dumps(tokenizer_config, indent=1) + "\n")

    token_ids = [int(i) for i in np.random.default_rng(seed).integers(0, VOCAB_SIZE, TOKEN_COUNT)]
    logits = reference_logits(model, token_ids)
    # The folder as written must mean the same to transformers itself.
    reloaded = transformers.AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager"
    ).eval()
    assert np.abs(reference_logits(reloaded, token_ids) - logits).max() == 0, name
    positions = [*range(0, TOKEN_COUNT - 1, 5), TOKEN_COUNT - 1]
    logits[positions].astype("<f4").tofile(folder / "logits.f32")
    scripts = hashlib.sha256()
    for script in sorted(Path(__file__).parent.glob("*.py")):
        scripts.update(script.read_bytes())
    expected = {
        "architecture": config.model_type,
        "vocabSize": VOCAB_SIZE,
        "tokenIds": token_ids,
        "positions": positions,
        "maxAbsLogit": float(np.abs(logits).max()),
        "madeWith": {"transformers": transformers.__version__, "torch": torch.__version__, "scripts": scripts.hexdigest()},
    }
    (folder / "expected.json").write_text(json.dumps(expected) + "\n")
    print(f"{name}: max |logit| {np.abs(logits).max():.2f}, std {logits.std():.2f}")


def main() -> None:
    root = Path(sys.argv[1])
    for name in sys.argv[2:] or CASES:
        make_case(root, name)


if __name__ == "__main__":
    main()
