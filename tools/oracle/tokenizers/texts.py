"""The texts that tokenizers are compared on: languages, emoji, code, white space, numbers, controls, long words."""

import random

WRITTEN = [
    "", " ", "  ", "   ", "\n", "\n\n", "\n\n\n", "\t", "\t\t", "\r\n", "\r\n\r\n", " \n", "\n ", " \n \n ", "   \n", "\n   ",
    "a", " a", "a ", " a ", "  a", "a  ", "a  b", "a   b", "a\tb", "a\n\nb", "a \n b", "a\u00a0b", "\u00a0", "\u2003x", "\u3000全角",
    "Hello", " Hello", "Hello world", "Hello, world!", "hello WORLD Hello", "HELLO", "Hello\nworld", "The quick brown fox jumps over the lazy dog.",
    "I'm you're he's we'll they've I'd can't don't", "I'M YOU'RE HE'S WE'LL THEY'VE I'D CAN'T", "'s 't 're 've 'm 'll 'd", "'S 'T 'RE", "it's'nt", "''s", "o'clock rock'n'roll", "don’t it’s",
    "0", "1", "12", "123", "1234", "12345", "1234567890", "3.14159", "1,000,000", "-42", "1e-10", "0x1F", "v1.2.3", "2026-11-21T09:27:09Z", "50%", "$9.99", "№5", "½ ⅓ ²³", "١٢٣", "一二三", "Ⅷ", " 1 22 333 4444",
    "fi ﬁ ﬂ Å Å é e\u0301", "ǆ ß ẞ İ ı ſ 'ſ", "Straße", "naïve café résumé", "Zażółć gęślą jaźń", "Příliš žluťoučký kůň", "Füße größer", "¿Qué pasó, señor?", "L'été est là", "Ça va où?",
    "Привет, как дела?", "Съешь же ещё этих мягких французских булок", "Ελληνικά γράμματα", "עברית שלום", "مرحبا بالعالم", "नमस्ते दुनिया", "বাংলা ভাষা", "தமிழ்", "ไทยภาษา", "ພາສາລາວ", "ქართული", "Հայերեն", "አማርኛ", "Tiếng Việt đẹp", "ᚠᛇᚻ",
    "日本語のテキスト", "こんにちは、世界。", "カタカナ ｶﾀｶﾅ", "中文分词测试", "你好，世界！", "繁體中文", "한국어 텍스트", "안녕하세요 세계", "𠮷野家", "𝔘𝔫𝔦𝔠𝔬𝔡𝔢", "𓀀𓂀",
    "😀", "😀😃😄", "👨‍👩‍👧‍👦", "👩🏽‍💻", "🏳️‍🌈", "🇩🇪🇫🇷", "❤️", "☺", "1️⃣", "👍🏻 ok", "a😀b", " 😀 ", "😀\n😀", "🧑‍🚀 in space", "™®©", "→ ⇒ ∀x∈ℝ", "█▓▒░", "─│┌┐", "…—–‘’“”", "«guillemets»",
    "\u0000", "\u0001\u0002\u0003", "a\u0000b", "\u007f", "\u0085", "x\u0085y", "\ufeff", "\ufeffBOM", "a\ufeffb", "\u200b", "zero\u200bwidth", "\u200d", "\u2028\u2029", "\ufffd", "\ue000", "\U0010ffff", "\uffff", "\u00ad", "\u180e", "\v\f",
    "def f(x):\n    return x + 1\n", "if (a && b || !c) { return [1, 2, 3]; }", "for (let i = 0; i < n; i++) {\n\tconsole.log(`${i}`);\n}\n", "#include <stdio.h>\nint main(void) { printf(\"%d\\n\", 42); }", "SELECT * FROM t WHERE a = 'b' AND c <> 1;", "<div class=\"x\">&nbsp;</div>", "{\"key\": [null, true, 1.5e3], \"k2\": {}}", "x = y ** 2 // 3 % 4", "a->b::c.d", "\\alpha + \\beta = \\frac{1}{2}", "http://example.com/path?q=1&r=2#frag", "user@example.com", "C:\\Windows\\System32", "snake_case camelCase PascalCase kebab-case SCREAMING_SNAKE", "__init__", "!!!???...", "(((())))", "[[]]{{}}", "====----____", "/* comment */ // more", "    indented\n        more\n\tand tab", "trailing spaces   \nnext", "=" * 80, "-" * 33, "#" * 7, "." * 5, "~~~", "`code` ```block```", "a/b/c", "and/or", "test://///",
    "ab" * 40, "x" * 100, " " * 100, "\n" * 60, "\t" * 30, "1" * 50, "日" * 40, "😀" * 20, " a" * 30, "pneumonoultramicroscopicsilicovolcanoconiosis", "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft", "supercalifragilisticexpialidocious" * 5,
    "▁", "▁▁", "a▁b", " ▁ ", "Ġ", "ĠHello", "Ċ", "<0x0A>", "<0x41>", "<s", "</", "<unk", "<|", "|>", "<|endoftext", "endoftext|>", "<|im_start|", "[INST] hi [/INST]", "<<SYS>>",
    "MiXeD cAsE wOrDs", "HTTPServer XMLHttpRequest iPhone eBay", "ABCdef GHIjkl", "Ünïcödé ÀÉÎÕÜ àéîõü", "ΑΒΓ αβγ АБВ абв", "aА bВ", "camelCaseWith123Numbers", "A.B.C. U.S.A.", "e.g. i.e. etc.", "Mr. & Mrs. O'Neil-Smith", "3rd 21st 42nd", "10:30am", "5'11\"", "rock & roll", "C++ C# F#", "100km/h", "H₂O CO₂ x² y³", "§12 ¶3", "١٢٣ अंक १२३",
]

SPECIAL = {
    "gpt-neox-20b": ["<|endoftext|>", "a<|endoftext|>b", "<|endoftext|><|padding|>", "x <|padding|> y", "a" + " " * 24 + "b", "  two", " " * 60 + "end"],
    "minimind_6400": ["<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n", "<|endoftext|>", "a<|im_end|>b", "<tool_call>x</tool_call>", "<think>\nhm\n</think>\n\nyes", "<|im_start|><|im_start|>", "<|im_<|im_end|>"],
    "gpt-2": ["<|endoftext|>", "a<|endoftext|>b", "x <|endoftext|> y"],
    "small": ["<|endoftext|>a", "an octavo page", "octavos octavo_ octavo", "x  [page]  y", "[page][page] z", "<think>\n[page]", "é[page]octavo"],
}

ALPHABETS = [
    "abcdefghijklmnopqrstuvwxyz", "ABCxyz   ", " \n\t", "0123456789", "éèüñçøåß", "абвгд ЖЗИ", "日本語中文的是 ", "😀👍🏽\u200d❤️", "!?.,;:'\"()[]{}<>|\\/`~@#$%^&*-_=+", "\u00a0\u2003\u3000\u0085 a", "שלום مرحبا", "한글 조합", "\u0300\u0301\u0308ao",
]


def random_texts(count):
    """Mixtures of the alphabets, the same ones every time."""
    generator = random.Random(20261121)
    texts = []
    for _ in range(count):
        parts = []
        for _ in range(generator.randint(1, 8)):
            alphabet = generator.choice(ALPHABETS)
            parts.append("".join(generator.choice(alphabet) for _ in range(generator.randint(1, 9))))
        texts.append(generator.choice(["", " "]).join(parts))
    return texts


def all_texts():
    return WRITTEN + [text for texts in SPECIAL.values() for text in texts] + random_texts(60)
