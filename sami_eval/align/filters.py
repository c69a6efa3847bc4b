"""Which contrasts no method should learn from, and why.

A rejected contrast stays in the file with its reason; the first reason that holds is the one kept.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from sami_eval.core.errors import UsageError
from sami_eval.core.types import Contrast, Response

UNFINISHED = "a response did not end by itself"
EMPTY = "a response is empty"
IDENTICAL = "two responses are identical"
TOO_LONG = "the prompt leaves no room for a response"
NEAR_RESPONSES = "two responses are nearly the same"
NEAR_PROMPT = "the prompt is nearly an earlier one's"
HELP = "sami-eval contrast --help"


@dataclass(frozen=True, slots=True)
class Filters:
    """What a contrast must be like; None leaves a filter out.

    finished: every response ended by itself.
    banned: fragments no response may hold, in capitals or not.
    min_characters: the shortest response has at least so many.
    min_ratio, max_ratio: characters of the longest response over those of the shortest.
    opening: of any two responses, the edit distance between the shorter and as many characters
        from the beginning of the longer must exceed this share of the shorter's length.
    near: prompts, and responses of one contrast, alike to this share or more are near-duplicates.
        Alike is 1 - insertions and deletions / characters of both.
    min_heeded: of the principles with a check (`data/checks.py`) that its constitution holds,
        every response heeds this share: it meets a strong one's check, and misses an antithesis's.
    """

    finished: bool = True
    banned: tuple[str, ...] = ()
    min_characters: int | None = None
    min_ratio: float | None = None
    max_ratio: float | None = None
    opening: float | None = None
    near: float | None = None
    min_heeded: float | None = None


# The paper's own filter of its math contrasts, one constitution asking for steps, one for none.
PRESETS = {"paper-math": Filters(min_characters=50, min_ratio=3.0, opening=0.5)}


def preset(name: str | None) -> Filters:
    """A preset's filters; None is the default. Raises UsageError for an unknown one."""
    if name is None:
        return Filters()
    if name not in PRESETS:
        known = ", ".join(f"`{known}`" for known in sorted(PRESETS))
        raise UsageError(f"no filters `{name}`", f"known: {known}")
    return PRESETS[name]


def check(filters: Filters) -> Filters:
    """The filters themselves. Raises UsageError for a value that could never be meant."""
    for flag, value, least, most in (
        ("--min-characters", filters.min_characters, 1, math.inf),
        ("--min-ratio", filters.min_ratio, 1, math.inf),
        ("--max-ratio", filters.max_ratio, 1, math.inf),
        ("--opening-distance", filters.opening, 0, 1),
        ("--near-duplicates", filters.near, 0, 1),
        ("--min-heeded", filters.min_heeded, 0, 1),
    ):
        # The comparison is false for NaN.
        if value is not None and not (least <= value <= most and 0 < value < math.inf):
            bound = f"above 0 and at most {most}" if most < math.inf else f"of at least {least}"
            raise UsageError(f"`{flag}` is `{value:g}`; it must be a number {bound}", HELP)
    if not all(fragment.strip() for fragment in filters.banned):
        raise UsageError("`--ban` is given an empty text", HELP)
    if (filters.min_ratio or 0) > (filters.max_ratio or math.inf):
        raise UsageError(
            f"`--min-ratio {filters.min_ratio:g}` is above `--max-ratio {filters.max_ratio:g}`",
            HELP,
        )
    return filters


def reasons(filters: Filters) -> list[str]:
    """Every reason these filters can give, in the order they are looked at."""
    found = [TOO_LONG, *([UNFINISHED] if filters.finished else []), EMPTY, IDENTICAL]
    found += [_banned(fragment) for fragment in filters.banned]
    if filters.min_characters is not None:
        found.append(_short(filters.min_characters))
    if filters.min_ratio is not None:
        found.append(_even(filters.min_ratio))
    if filters.max_ratio is not None:
        found.append(_uneven(filters.max_ratio))
    if filters.opening is not None:
        found.append(_alike_openings(filters.opening))
    if filters.near is not None:
        found += [NEAR_RESPONSES, NEAR_PROMPT]
    return [*found, *([_unheeded(filters.min_heeded)] if filters.min_heeded is not None else [])]


def _banned(fragment: str) -> str:
    return f"a response holds `{fragment}`"


def _short(least: int) -> str:
    return f"a response has fewer than {least} characters"


def _even(ratio: float) -> str:
    return f"the longest response is less than {ratio:g} times the shortest"


def _uneven(ratio: float) -> str:
    return f"the longest response is more than {ratio:g} times the shortest"


def _alike_openings(share: float) -> str:
    return f"two responses open alike (edit distance at most {share:g} of the shorter)"


def _unheeded(share: float) -> str:
    return f"a response heeds less than {share:.0%} of its principles, by their checks"


def reason_to_reject(responses: Sequence[Response], filters: Filters | None = None) -> str | None:
    """Why no method should learn from these responses, or None."""
    filters = filters or Filters()
    if filters.finished and any(False in response.finished for response in responses):
        return UNFINISHED
    texts = [response.turns[-1].strip() for response in responses]
    if not all(texts):
        return EMPTY
    if len(set(texts)) < len(texts):
        return IDENTICAL
    lowered = [text.casefold() for text in texts]
    for fragment in filters.banned:
        if any(fragment.casefold() in text for text in lowered):
            return _banned(fragment)
    return _lengths(texts, filters) or _likeness(texts, filters)


def _lengths(texts: Sequence[str], filters: Filters) -> str | None:
    shortest, longest = min(map(len, texts)), max(map(len, texts))
    if filters.min_characters is not None and shortest < filters.min_characters:
        return _short(filters.min_characters)
    if filters.min_ratio is not None and longest < filters.min_ratio * shortest:
        return _even(filters.min_ratio)
    if filters.max_ratio is not None and longest > filters.max_ratio * shortest:
        return _uneven(filters.max_ratio)
    return None


def _likeness(texts: Sequence[str], filters: Filters) -> str | None:
    if filters.opening is None and filters.near is None:
        return None
    from rapidfuzz.distance import Indel, Levenshtein

    ordered = sorted(texts, key=len)
    couples = [(a, b) for i, a in enumerate(ordered) for b in ordered[i + 1 :]]
    if filters.opening is not None:
        for short, long in couples:
            if Levenshtein.distance(short, long[: len(short)]) <= filters.opening * len(short):
                return _alike_openings(filters.opening)
    if filters.near is not None:
        for a, b in couples:
            if Indel.normalized_similarity(a, b) >= filters.near:
                return NEAR_RESPONSES
    return None


def reason_by_checks(heeded: Iterable[float | None], filters: Filters) -> str | None:
    """Why not, by the share of its checks that each response heeds; None has no check to heed."""
    least = filters.min_heeded
    if least is None or all(share is None or share >= least for share in heeded):
        return None
    return _unheeded(least)


def filtered(contrasts: Iterable[Contrast], filters: Filters) -> list[Contrast]:
    """Contrasts written elsewhere, each with the reason for which it is rejected, if any."""
    looked_at = (
        replace(one, rejected=reason_to_reject(one.responses, filters)) for one in contrasts
    )
    return without_near_prompts(looked_at, filters)


def without_near_prompts(contrasts: Iterable[Contrast], filters: Filters) -> list[Contrast]:
    """The contrasts, with an accepted one rejected where its prompt is nearly an earlier one's.

    Its metadata names that prompt: `near`.
    """
    if filters.near is None:
        return list(contrasts)
    return list(_apart(contrasts, filters.near))


def _apart(contrasts: Iterable[Contrast], near: float) -> Iterator[Contrast]:
    from rapidfuzz import process
    from rapidfuzz.distance import Indel

    kept: dict[str, str] = {}
    for contrast in contrasts:
        if contrast.rejected is not None:
            yield contrast
            continue
        text = "\n".join(contrast.prompt.turns)
        found = process.extractOne(
            text, kept, scorer=Indel.normalized_similarity, score_cutoff=near
        )
        if found is None:
            kept[contrast.prompt.id] = text
            yield contrast
        else:
            metadata = {**contrast.metadata, "near": str(found[2])}
            yield replace(contrast, rejected=NEAR_PROMPT, metadata=metadata)
