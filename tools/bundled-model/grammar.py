"""A small template language: `[a|b|c]` picks one branch, `{name}` inserts a variable, and tidy() repairs articles and capitals."""

import re
from functools import lru_cache
from random import Random


@lru_cache(maxsize=None)
def parse(template: str):
    """Template text to a tree: a tuple of parts, each a string, ('var', name) or ('pick', trees)."""
    tree, end = _parse_sequence(template, 0, inside=False)
    if end != len(template):
        raise ValueError(f"stray '{template[end]}' at {end} in: {template}")
    return tree


def _parse_sequence(text: str, at: int, inside: bool):
    parts, plain = [], []

    def flush():
        if plain:
            parts.append("".join(plain))
            plain.clear()

    while at < len(text):
        ch = text[at]
        if ch == "[":
            flush()
            branches, at = [], at + 1
            while True:
                branch, at = _parse_sequence(text, at, inside=True)
                branches.append(branch)
                if at >= len(text):
                    raise ValueError(f"'[' never closed in: {text}")
                at += 1
                if text[at - 1] == "]":
                    break
            parts.append(("pick", tuple(branches)))
        elif ch == "{":
            flush()
            close = text.index("}", at)
            parts.append(("var", text[at + 1:close]))
            at = close + 1
        elif ch in "|]" and inside:
            break
        elif ch in "|]":
            raise ValueError(f"stray '{ch}' at {at} in: {text}")
        else:
            plain.append(ch)
            at += 1
    flush()
    return tuple(parts), at


def expand(template: str, variables: dict, rng: Random) -> str:
    """One random reading of a template; variables may hold templates themselves."""
    out: list[str] = []
    _expand(parse(template), variables, rng, out)
    return "".join(out)


def _expand(tree, variables, rng, out):
    for part in tree:
        if isinstance(part, str):
            out.append(part)
        elif part[0] == "pick":
            _expand(part[1][rng.randrange(len(part[1]))], variables, rng, out)
        else:
            _expand(parse(variables[part[1]]), variables, rng, out)


_ARTICLE = re.compile(r"\b([Aa]) (?=[aeiouAEIOU])(?!(?:one|use|uni))")
_SENTENCE = re.compile(r'(^"?|\n"?|[.!?] "?|[.!?]" "|[.]" )([a-z])')


def sentence(text: str) -> str:
    """The same text with its first letter capitalised, a leading quotation mark aside."""
    at = 1 if text.startswith('"') else 0
    return text[:at] + text[at:at + 1].upper() + text[at + 1:]


def tidy(text: str) -> str:
    """Fix 'a' before vowels, squeeze spaces and capitalise the first letter of sentences."""
    text = re.sub(r" +", " ", text)
    text = re.sub(r" ([,.!?])", r"\1", text)
    text = re.sub(r" ?\n ?", "\n", text).strip()
    text = _ARTICLE.sub(r"\1n ", text)
    return _SENTENCE.sub(lambda m: m.group(1) + m.group(2).upper(), text)
