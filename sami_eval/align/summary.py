"""What a person wants to know about contrasts before training on them."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Final

from sami_eval.align.filters import Filters, reasons
from sami_eval.core.errors import SamiEvalError
from sami_eval.core.types import Contrast
from sami_eval.ledger.store import key

SCHEMA: Final = "sami-eval/contrasts/1"
N_EXAMPLES = 3


@dataclass(frozen=True, slots=True)
class ResponseLengths:
    """Of n responses: tokens where all counts are known, else characters."""

    n: int
    unit: str
    shortest: int
    median: float
    mean: float
    longest: int


@dataclass(frozen=True, slots=True)
class Summary:
    """How many contrasts were kept, and why not all.

    rejected: reason -> count, 0 for a filter that was on and found nothing.
    by_category, by_principle: name -> (accepted, written); a principle's name has its sign.
    lengths: of accepted responses; None where there are none. by_sign: the same under each signed
        principle. examples: ids of accepted prompts, drawn by a hash.
    """

    n: int
    accepted: int
    rejected: Mapping[str, int]
    by_category: Mapping[str, tuple[int, int]]
    by_principle: Mapping[str, tuple[int, int]]
    lengths: ResponseLengths | None
    by_sign: Mapping[str, ResponseLengths]
    examples: tuple[str, ...]


def summarize(contrasts: Sequence[Contrast], filters: Filters | None = None) -> Summary:
    """Counts and lengths of contrasts. filters: those they went through, where known."""
    accepted = [contrast for contrast in contrasts if contrast.rejected is None]
    found = Counter(contrast.rejected for contrast in contrasts if contrast.rejected)
    looked_at = dict.fromkeys(reasons(filters), 0) if filters else {}
    signs = sorted({sign for contrast in accepted for sign in _signs(contrast)}, key=_unsigned)
    drawn = sorted(accepted, key=lambda contrast: key("example", contrast.prompt.id))
    return Summary(
        n=len(contrasts),
        accepted=len(accepted),
        rejected={**looked_at, **dict(found.most_common())},
        by_category=_shares(contrasts, lambda contrast: {contrast.prompt.category}),
        by_principle=_shares(contrasts, _signs),
        lengths=_lengths(_responses(accepted)),
        by_sign={
            sign: lengths
            for sign in signs
            if (lengths := _lengths(_responses(accepted, sign))) is not None
        },
        examples=tuple(contrast.prompt.id for contrast in drawn[:N_EXAMPLES]),
    )


def check_accepted(summary: Summary, hint: str) -> None:
    """Raise SamiEvalError where nothing can be trained on: why, and how many for each reason."""
    if summary.accepted:
        return
    reasons = "; ".join(f"{n} of them: {reason}" for reason, n in summary.rejected.items() if n)
    raise SamiEvalError(f"none of {summary.n} contrasts passed the filters ({reasons})", hint)


def _unsigned(sign: str) -> tuple[str, str]:
    return sign.lstrip("+-"), sign


def _signs(contrast: Contrast) -> set[str]:
    return {sign for signs in contrast.principles for sign in signs}


def _shares(
    contrasts: Iterable[Contrast], names: Callable[[Contrast], set[str]]
) -> dict[str, tuple[int, int]]:
    written: Counter[str] = Counter()
    kept: Counter[str] = Counter()
    for contrast in contrasts:
        written.update(names(contrast))
        if contrast.rejected is None:
            kept.update(names(contrast))
    return {name: (kept[name], written[name]) for name in sorted(written, key=_unsigned)}


def _responses(
    contrasts: Iterable[Contrast], sign: str | None = None
) -> Iterator[tuple[int | None, int]]:
    """(tokens, characters) of responses, of those under a signed principle alone."""
    for contrast in contrasts:
        for i, response in enumerate(contrast.responses):
            if sign is None or sign in contrast.principles[i]:
                n_tokens = response.n_tokens[-1] if response.n_tokens else None
                yield n_tokens, len(response.turns[-1])


def _lengths(sizes: Iterable[tuple[int | None, int]]) -> ResponseLengths | None:
    both = list(sizes)
    if not both:
        return None
    tokens = [n for n, _ in both if n is not None]
    known = len(tokens) == len(both)
    counts = tokens if known else [n for _, n in both]
    return ResponseLengths(
        len(counts),
        "tokens" if known else "characters",
        min(counts),
        statistics.median(counts),
        statistics.fmean(counts),
        max(counts),
    )


def to_row(summary: Summary, contrasts: Sequence[Contrast], path: str | None) -> dict[str, object]:
    """The summary as JSON; counts have names."""
    by_id = {contrast.prompt.id: contrast for contrast in contrasts}

    def named(shares: Mapping[str, tuple[int, int]]) -> dict[str, dict[str, int]]:
        return {name: {"accepted": k, "written": n} for name, (k, n) in shares.items()}

    return {
        "schema": SCHEMA,
        "file": path,
        "written": summary.n,
        "accepted": summary.accepted,
        "rejected": dict(summary.rejected),
        "by_category": named(summary.by_category),
        "by_principle": named(summary.by_principle),
        "lengths": summary.lengths and asdict(summary.lengths),
        "lengths_by_principle": {sign: asdict(one) for sign, one in summary.by_sign.items()},
        "examples": [asdict(by_id[prompt_id]) for prompt_id in summary.examples],
    }
