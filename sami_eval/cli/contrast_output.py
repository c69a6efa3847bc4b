"""What `sami-eval contrast` prints: the summary of what was written, or what would be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sami_eval.align.contrast import Draft
    from sami_eval.align.summary import ResponseLengths, Summary
    from sami_eval.core.calls import Completion, Request
    from sami_eval.core.types import Contrast, Model
    from sami_eval.experiment.contrasting import Written
    from sami_eval.server.client import ClientSettings

SHOWN = 160  # characters of an example's text


def print_summary(written: Written, as_json: bool) -> None:
    """Acceptance by category and principle, reasons, lengths and examples."""
    from sami_eval.align.summary import to_row
    from sami_eval.cli.output import print_json

    summary, contrasts, path = written.summary, written.contrasts, written.path
    if as_json:
        print_json(to_row(summary, contrasts, None if path is None else str(path)))
        return
    _print_shares("category", summary.by_category)
    _print_principles(summary)
    print(f"\n{summary.accepted} of {summary.n} contrasts accepted")
    for reason, count in summary.rejected.items():
        print(f"  {count} rejected: {reason}")
    if summary.lengths is not None:
        print(f"length of {_length(summary.lengths)}")
    by_id = {contrast.prompt.id: contrast for contrast in contrasts}
    for prompt_id in summary.examples:
        _print_example(by_id[prompt_id])
    print(f"\nsaved {path}" if path else "\nnothing saved: a dry run")


def _print_shares(name: str, shares: Mapping[str, tuple[int, int]]) -> None:
    from sami_eval.cli.output import print_table

    rows = [
        (one, str(written), str(accepted), f"{accepted / written:.0%}")
        for one, (accepted, written) in shares.items()
    ]
    print_table("", rows, (name, "written", "accepted", "share"))


def _print_principles(summary: Summary) -> None:
    from sami_eval.cli.output import print_table

    rows = []
    for sign, (accepted, written) in summary.by_principle.items():
        lengths = summary.by_sign.get(sign)
        shown = f"{lengths.median:.0f} {lengths.unit}" if lengths else "-"
        rows.append((sign, str(written), str(accepted), f"{accepted / written:.0%}", shown))
    if rows:
        print()
        print_table("", rows, ("principle", "written", "accepted", "share", "median length"))


def _length(lengths: ResponseLengths) -> str:
    return (
        f"{lengths.n} accepted responses in {lengths.unit}: mean {lengths.mean:.0f}, "
        f"median {lengths.median:.0f}, {lengths.shortest} to {lengths.longest}"
    )


def _print_example(contrast: Contrast) -> None:
    asked = contrast.prompt.turns[len(contrast.responses[0].turns) - 1]
    print(f"\n{contrast.prompt.id}  {_one_line(asked)}")
    for i, response in enumerate(contrast.responses):
        signs = " ".join(contrast.principles[i]) if contrast.principles else str(i + 1)
        print(f"  {signs}: {_one_line(response.turns[-1])}")


def _one_line(text: str) -> str:
    words = " ".join(text.split())
    return words if len(words) <= SHOWN else words[: SHOWN - 3] + "..."


def print_dry_run(
    writer: Model,
    world: tuple[str, str],
    client: ClientSettings,
    drafts: Sequence[Draft],
    stored: Sequence[Completion],
    missing: Sequence[Request],
    as_json: bool,
) -> None:
    """What writing these contrasts would take at most. world: of which prompts and principles."""
    from sami_eval.cli.output import print_json
    from sami_eval.experiment.forecast import EXPECTED, Forecast, bound_of, describe
    from sami_eval.experiment.likely import of_completions, of_texts

    too_long = sum(not one.requests for one in drafts)
    length = of_texts("response", of_completions(stored))
    bound = bound_of(writer, missing, len(stored), client, length)
    facts = {
        "schema": "sami-eval/contrasts-forecast/1",
        "model": writer.name,
        "base": bound.base,
        "address": bound.address,
        "source": world[0],
        "constitutions": world[1],
        "prompts": len(drafts),
        "too_long": too_long,
        "responses": bound.calls,
        "stored": len(stored),
        "most_tokens": bound.completion_tokens,
        "cost_usd": bound.cost_usd,
        **{name: getattr(bound, name) for name in EXPECTED},
    }
    said = (
        ("prompts", f"{len(drafts):,} of {world[0]}, {too_long:,} of them too long to be asked"),
        ("principles", f"of {world[1]}"),
        ("tokens", f"at most {bound.completion_tokens:,} written"),
    )
    if as_json:
        print_json(facts)
        return
    print(describe(Forecast(said, {"writers": (bound,)}, asks={"writers": "responses"})))
