"""Makes src/models/tokenizers/fixtures/*.json: texts and the ids that other implementations give them.

    python3 tools/oracle/tokenizers/make_fixtures.py DATA_DIR

DATA_DIR holds gpt-neox-20b_tokenizer.json, minimind_6400_tokenizer.json, ggml-vocab-gpt-2.gguf and
ggml-vocab-llama-spm.gguf (they are not part of this repository). Needs tokenizers, gguf, sentencepiece, protobuf.

Oracles: for tokenizer.json files and the project's own small ones, Hugging Face's native `tokenizers`; for the GPT-2
vocabulary in GGUF, the same library fed by gguf-py; for the Llama vocabulary in GGUF, Google's sentencepiece, fed a
model protocol buffer made of the file's pieces and scores.
"""

import hashlib
import json
import os
import sys

from gguf import GGUFReader
from sentencepiece import SentencePieceProcessor
from sentencepiece import sentencepiece_model_pb2 as sentencepiece_model
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers

from texts import all_texts

HERE = os.path.dirname(os.path.abspath(__file__))
FIXTURES = os.path.join(HERE, "..", "..", "..", "src", "models", "tokenizers", "fixtures")
TEXTS = all_texts()

# The patterns as the models' own tokenizer.json files have them, to check the forms that gguf-pre-tokenizers.ts gives them.
GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
LLAMA3 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
QWEN2 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
TEKKEN = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"


def sha256(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def write(name, source, encode, decode=None):
    """Ids by text, and the decoded text where it is not the text itself."""
    ids = [encode(text) for text in TEXTS]
    decoded = {}
    if decode is not None:
        for index, text in enumerate(TEXTS):
            if ids[index] and decode(ids[index]) != text:
                decoded[index] = decode(ids[index])
    fixture = {"source": os.path.basename(source), "sha256": sha256(source), "ids": ids, "decoded": decoded}
    dump(f"{name}.ids.json", fixture)
    print(name, len(ids), "texts,", sum(map(len, ids)), "ids,", len(decoded), "decoded otherwise")


def dump(name, value):
    with open(os.path.join(FIXTURES, name), "w") as file:
        json.dump(value, file, ensure_ascii=True, separators=(",", ":"))
        file.write("\n")


def from_json(name, path):
    tokenizer = Tokenizer.from_file(path)
    write(
        name,
        path,
        lambda text: tokenizer.encode(text, add_special_tokens=False).ids,
        lambda ids: tokenizer.decode(ids, skip_special_tokens=False),
    )


def gguf_value(reader, key):
    field = reader.fields[key]
    return field.contents()


def from_gpt2_gguf(name, path):
    reader = GGUFReader(path)
    tokens = gguf_value(reader, "tokenizer.ggml.tokens")
    types = gguf_value(reader, "tokenizer.ggml.token_type")
    merges = [tuple(merge.split(" ")) for merge in gguf_value(reader, "tokenizer.ggml.merges")]
    tokenizer = Tokenizer(models.BPE(vocab={token: id for id, token in enumerate(tokens)}, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(token, normalized=False) for token, kind in zip(tokens, types) if kind == 3])
    write(name, path, lambda text: tokenizer.encode(text).ids, lambda ids: tokenizer.decode(ids, skip_special_tokens=False))

    # The same vocabulary behind other pre-tokenizers: GGUF files name them, so the test sets `tokenizer.ggml.pre`.
    for pre, pattern in (("llama-bpe", LLAMA3), ("qwen2", QWEN2), ("tekken", TEKKEN)):
        split = pre_tokenizers.Split(Regex(pattern), "isolated")
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
        write(f"gpt-2.{pre}", path, lambda text: tokenizer.encode(text).ids)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)])
    write("gpt-2.smollm", path, lambda text: tokenizer.encode(text).ids)
    # llama.cpp's own, for files that name none.
    patterns = (r"[\p{P}\$\+<=>\^~\|]+", GPT2, r"\p{N}+", "[0-9][0-9][0-9]")
    splits = [pre_tokenizers.Split(Regex(pattern), "isolated") for pattern in patterns]
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([*splits, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    write("gpt-2.default", path, lambda text: tokenizer.encode(text).ids)


def from_llama_gguf(name, path):
    reader = GGUFReader(path)
    model = sentencepiece_model.ModelProto()
    model.trainer_spec.model_type = sentencepiece_model.TrainerSpec.BPE
    model.trainer_spec.byte_fallback = True
    model.trainer_spec.unk_id, model.trainer_spec.bos_id, model.trainer_spec.eos_id, model.trainer_spec.pad_id = 0, 1, 2, -1
    model.normalizer_spec.name = "identity"
    model.normalizer_spec.add_dummy_prefix = True
    model.normalizer_spec.remove_extra_whitespaces = False
    model.normalizer_spec.escape_whitespaces = True
    rows = zip(*(gguf_value(reader, f"tokenizer.ggml.{key}") for key in ("tokens", "scores", "token_type")))
    for token, score, kind in rows:
        model.pieces.add(piece=token, score=score, type=kind)
    processor = SentencePieceProcessor(model_proto=model.SerializeToString())
    write(name, path, lambda text: processor.encode(text), lambda ids: processor.decode(ids))


def main():
    os.makedirs(FIXTURES, exist_ok=True)
    data = sys.argv[1]
    dump("texts.json", TEXTS)
    from_json("gpt-neox-20b", os.path.join(data, "gpt-neox-20b_tokenizer.json"))
    from_json("minimind_6400", os.path.join(data, "minimind_6400_tokenizer.json"))
    from_gpt2_gguf("gpt-2", os.path.join(data, "ggml-vocab-gpt-2.gguf"))
    from_llama_gguf("llama-spm", os.path.join(data, "ggml-vocab-llama-spm.gguf"))
    for own in ("small-byte-level", "small-sentencepiece"):
        path = os.path.join(FIXTURES, f"{own}.tokenizer.json")
        if os.path.exists(path):
            from_json(own, path)


main()
