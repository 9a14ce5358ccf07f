"""Trains the two small tokenizers that tests always have: src/models/tokenizers/fixtures/small-*.tokenizer.json.

    python3 tools/oracle/tokenizers/make_small.py

Needs tokenizers. Run make_fixtures.py afterwards, for the ids. The trainer breaks ties differently every time, so
the SentencePiece one comes out a little different; any will do.
"""

import os

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

HERE = os.path.dirname(os.path.abspath(__file__))
FIXTURES = os.path.join(HERE, "..", "..", "..", "src", "models", "tokenizers", "fixtures")

TEXT = """
A printer folds a sheet three times and has sixteen pages. Each page knows its place in the book, but on the sheet the
pages stand in another order, and some of them upside down. The binder does not mind: she reads the numbers, folds where
the marks are, and the story comes out right. When a page is spoilt, only its sheet is printed again; the other sheets
wait on the shelf. If two books begin with the same chapter, the printer sets the type of that chapter once, and both
books are printed from it, until one of the authors changes a word. Then that page is set anew, and only that page.
The shelf is full at 12 sheets, so old ones go to the cellar: the ones that nobody asked for in the last 30 days go
first. It's slow to fetch them (it takes 5 minutes), and they've been asked for before; that's why a list hangs by the
door. Don't burn it! Der Drucker faltet den Bogen dreimal; das Buch hat sechzehn Seiten für jeden Leser. L'imprimeur
plie la feuille trois fois. Печатник складывает лист трижды. 印刷工は紙を三回折る。 😀 😃 ok
for page in pages:
    if page.is_free and not page.is_shared:
        return page.number + 1
"""

QWEN = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"


def byte_level():
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(QWEN), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=420,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
        show_progress=False,
    )
    tokenizer.train_from_iterator(TEXT.split("\n"), trainer)
    tokenizer.add_tokens([AddedToken("octavo", single_word=True), AddedToken("<think>", normalized=False), AddedToken("[page]", lstrip=True, rstrip=True)])
    tokenizer.post_processor = processors.TemplateProcessing(single="<|endoftext|> $A", special_tokens=[("<|endoftext|>", 0)])
    tokenizer.save(os.path.join(FIXTURES, "small-byte-level.tokenizer.json"), pretty=False)


def sentencepiece():
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    special = ["<unk>", "<s>", "</s>"] + [f"<0x{byte:02X}>" for byte in range(256)]
    trainer = trainers.BpeTrainer(vocab_size=520, special_tokens=special, limit_alphabet=60, show_progress=False)
    tokenizer.train_from_iterator(TEXT.split("\n"), trainer)
    # As the converter of Llama's tokenizer writes it: no pre-tokenizer, a normaliser that marks spaces.
    trained = tokenizer.to_str()
    import json

    data = json.loads(trained)
    data["added_tokens"] = data["added_tokens"][:3]
    tokenizer = Tokenizer.from_str(json.dumps(data))
    tokenizer.pre_tokenizer = None
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    tokenizer.save(os.path.join(FIXTURES, "small-sentencepiece.tokenizer.json"), pretty=False)


byte_level()
sentencepiece()
