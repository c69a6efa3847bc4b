"""A task of the embedded world: user turns, and four model answers a turn to learn from."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

# One truth value for each of the category's two principles: met, or written as its antithesis.
Style = tuple[bool, bool]
STYLES: tuple[Style, ...] = ((True, True), (True, False), (False, True), (False, False))


@dataclass(frozen=True, slots=True)
class Task:
    """One task as the generator draws it.

    subject: what the task is about; the base's habits depend on it.
    key: what the split is decided by; two wordings of one task share it.
    answers: per turn, one text for each style.
    reference: per turn, the right answer, or "" where there is none.
    """

    category: str
    subject: str
    key: tuple[str, ...]
    turns: tuple[str, ...]
    answers: tuple[Mapping[Style, str], ...]
    reference: tuple[str, ...] | None = None


def in_styles(write: Callable[[bool, bool], str]) -> dict[Style, str]:
    """The four answers that `write(first principle met, second principle met)` gives."""
    return {style: write(*style) for style in STYLES}


def fraction(*parts: str) -> float:
    """A number in [0, 1) that depends on nothing but the parts."""
    digest = hashlib.sha256("\x1f".join(parts).encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def split_of(key: tuple[str, ...]) -> str:
    """pretraining | alignment | development | evaluation, by hash of the task's key."""
    position = fraction("split", *key)
    if position < 0.08:
        return "evaluation"
    if position < 0.12:
        return "development"
    return "alignment" if position < 0.26 else "pretraining"
