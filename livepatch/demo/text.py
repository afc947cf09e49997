"""A small language model: the next word by the two before it, learned from corpus.txt."""

from __future__ import annotations

import random
import re
from collections import Counter
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator

Context: TypeAlias = tuple[str, ...]
Choices: TypeAlias = "Counter[str]"
Model: TypeAlias = dict[Context, "Counter[str]"]

CORPUS = Path(__file__).parent / "corpus.txt"
LONGEST_CONTEXT = 2


def tokenize(text: str) -> list[str]:
    """Words and marks; a blank line counts as a mark."""
    return re.findall(r"\n\n|[\w'-]+|[^\w\s]", text)


def train(text: str) -> Model:
    """Count which token follows each context of none, one and two tokens."""
    tokens = tokenize(text)
    model: Model = {}
    for index, token in enumerate(tokens):
        for length in range(min(index, LONGEST_CONTEXT) + 1):
            context = tuple(word.lower() for word in tokens[index - length : index])
            model.setdefault(context, Counter())[token] += 1
    return model


@lru_cache(maxsize=1)
def load_model() -> Model:
    """The model of the text that comes along, trained at the first call."""
    return train(CORPUS.read_text(encoding="utf-8"))


def next_choices(model: Model, tokens: list[str]) -> Choices:
    """What may follow: by the longest context that the model knows."""
    for length in range(LONGEST_CONTEXT, 0, -1):
        context = tuple(word.lower() for word in tokens[-length:])
        if len(context) == length and context in model:
            return model[context]
    return model[()]


def sample_token(choices: Choices, rng: random.Random, temperature: float = 0.9) -> str:
    """Draw one token; a low temperature prefers the frequent ones."""
    tokens = sorted(choices)
    weights = [choices[token] ** (1 / max(temperature, 0.05)) for token in tokens]
    return rng.choices(tokens, weights)[0]


def spaced(token: str, before: str) -> str:
    """The token with the blank that separates it from the text before it."""
    if not before or before.endswith(("\n", "“", "(", " ")) or token in ",.;:!?)”\n\n":
        return token
    return f" {token}"


def generate(prompt: str, max_tokens: int, seed: int, temperature: float = 0.9) -> Iterator[str]:
    """Yield the continuation of a prompt, token by token.

    Args:
        prompt: the text to go on from.
        max_tokens: how many tokens to yield.
        seed: decides the draws.
        temperature: low for the frequent words, high for surprises.

    """
    model = load_model()
    rng = random.Random(seed)
    tokens = tokenize(prompt)
    written = prompt
    for _ in range(max_tokens):
        token = sample_token(next_choices(model, tokens), rng, temperature)
        tokens.append(token)
        piece = spaced(token, written)
        written += piece
        yield piece


def complete(prompt: str, max_tokens: int, seed: int) -> str:
    """The continuation as one text."""
    return "".join(generate(prompt, max_tokens, seed))
