"""What makes a finished run's figures doubtful: a line each, on stderr and in its document."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from sami_eval.core.families import family_of
from sami_eval.core.types import Model, Prompt, Verdict
from sami_eval.experiment.comparison_rows import ComparisonRow
from sami_eval.judge.seats import Seat

CONSISTENT: Final = 0.6  # share of turns with one winner in both orders, below which it is said
FEWEST: Final = 5  # questions of a category


def of_comparison(
    seats: Sequence[Seat],
    contenders: Sequence[Model],
    prompts: Sequence[Prompt],
    rows: Iterable[ComparisonRow],
    verdicts: Iterable[Verdict],
    reported: Mapping[Model, Iterable[str]],
) -> list[str]:
    """Everything to be warned of in a comparison.

    reported: the names that servers gave their models in this run, by model.
    """
    judged: dict[str, list[str]] = {seat.judge.name: [] for seat in seats}
    for verdict in verdicts:
        if verdict.model_reported is not None:
            judged.setdefault(verdict.judge, []).append(verdict.model_reported)
    return [
        *_self_preference(seats, contenders),
        *(line for name, said in judged.items() for line in _changed(f"judge `{name}`", said)),
        *of_answers(contenders, reported),
        *_inconsistent(rows),
        *_few(prompts),
    ]


def of_answers(contenders: Sequence[Model], reported: Mapping[Model, Iterable[str]]) -> list[str]:
    """The contenders whose server has answered with several models in this run."""
    several = ((model.name, reported.get(model, ())) for model in contenders)
    return [line for name, said in several for line in _changed(f"`{name}`", said)]


def _self_preference(seats: Sequence[Seat], contenders: Sequence[Model]) -> Iterator[str]:
    for seat in seats:
        family = None if seat.at is None else family_of(seat.at)
        mates = [f"`{model.name}`" for model in contenders if family_of(model) == family]
        if seat.at is not None and family is not None and mates:
            yield (
                f"judge `{seat.at.named}` is of the same family ({family}) as {', '.join(mates)}: "
                "judges tend to favour their own (arXiv 2404.13076)"
            )


def _changed(who: str, reported: Iterable[str]) -> Iterator[str]:
    names = list(dict.fromkeys(reported))
    if len(names) > 1:
        yield f"{who}: its server answered as {len(names)} models in this run: {', '.join(names)}"


def _inconsistent(rows: Iterable[ComparisonRow]) -> Iterator[str]:
    for row in rows:
        share = row["consistency"]
        if share is not None and share < CONSISTENT:
            yield (
                f"`{row['a']}` : `{row['b']}`: {100 * share:.0f}% of turns got the same winner in "
                f"both orders, fewer than {100 * CONSISTENT:.0f}%: position decides the others"
            )


def _few(prompts: Sequence[Prompt]) -> Iterator[str]:
    counts = Counter(prompt.category for prompt in prompts)
    few = [f"{name} {n}" for name, n in counts.items() if n < FEWEST]
    if few and len(counts) > 1:
        yield f"fewer than {FEWEST} questions in a category: {', '.join(few)}"
