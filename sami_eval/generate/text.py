"""From generated token ids to a completion: where it ends, what its text is."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from sami_eval.core.calls import Completion, TokenLogps
from sami_eval.core.thoughts import TAG

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


def completion_from_ids(
    tokenizer: PreTrainedTokenizerBase,
    token_ids: Sequence[int],
    ends: Collection[int],
    stop: Sequence[str],
    likeliest: Sequence[Sequence[tuple[int, float]]] = (),
) -> Completion:
    """The completion of generated ids; text and ids are cut before the first stop string.

    ends: end-of-sequence ids; the one generated last stays in token_ids, not in the text.
    n_tokens does not count it.
    likeliest: (token id, log-probability) at the place of each id, where they are known.
    """
    ended = bool(token_ids) and token_ids[-1] in ends
    spoken = tuple(token_ids[:-1] if ended else token_ids)
    text = _decode(tokenizer, spoken)
    cut = first_stop(text, stop)
    if cut is None:
        logps = _token_logps(tokenizer, spoken, likeliest)
        return Completion(text.strip(), tuple(token_ids), ended, len(spoken), logps)
    text = text[:cut]
    kept = _ids_of(tokenizer, spoken, text)
    logps = _token_logps(tokenizer, kept, likeliest)
    return Completion(text.strip(), kept, True, len(kept), logps)


def _token_logps(
    tokenizer: PreTrainedTokenizerBase,
    ids: Sequence[int],
    likeliest: Sequence[Sequence[tuple[int, float]]],
) -> tuple[TokenLogps, ...]:
    # The ids of what was cut away, and of an end-of-sequence token, come last and are left out.
    return tuple(
        TokenLogps(
            str(tokenizer.decode([token])),
            tuple((str(tokenizer.decode([one])), logp) for one, logp in at_its_place),
        )
        for token, at_its_place in zip(ids, likeliest, strict=False)
    )


def first_stop(text: str, stop: Sequence[str]) -> int | None:
    """Where the earliest stop string begins, or None."""
    found = [at for at in (text.find(word) for word in stop) if at >= 0]
    return min(found, default=None)


def _decode(tokenizer: PreTrainedTokenizerBase, ids: Sequence[int]) -> str:
    """The text without special tokens, save those around a thought."""
    parts, at, marks = [], 0, thought_marks(tokenizer)
    for place in [i for i, one in enumerate(ids) if one in marks] if marks else []:
        parts += [
            tokenizer.decode(list(ids[at:place]), skip_special_tokens=True),
            marks[ids[place]],
        ]
        at = place + 1
    return "".join([*parts, str(tokenizer.decode(list(ids[at:]), skip_special_tokens=True))])


@lru_cache(maxsize=16)
def thought_marks(tokenizer: PreTrainedTokenizerBase) -> dict[int, str]:
    """The special tokens around thoughts, as Mistral's `[THINK]`, by their ids; mostly none."""
    special = set(tokenizer.all_special_ids)
    added = tokenizer.get_added_vocab().items()
    return {one: text for text, one in added if one in special and TAG.fullmatch(text)}


def _ids_of(tokenizer: PreTrainedTokenizerBase, ids: tuple[int, ...], text: str) -> tuple[int, ...]:
    """The most leading ids whose text lies before the cut: a token across it is left out."""
    n = len(ids)
    while n and not text.startswith(_decode(tokenizer, ids[:n])):
        n -= 1
    return ids[:n]
