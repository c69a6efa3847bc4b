"""How long both sides' responses are, and the win rate at equal length, in words."""

from __future__ import annotations

from collections.abc import Iterator

from sami_eval.experiment.document import ComparisonRow, caveat
from sami_eval.report.figures import interval_text, percent


def length_facts(row: ComparisonRow) -> Iterator[tuple[str, str]]:
    """Mean lengths, how far they overlap, and the win rate at equal length with its caveat."""
    length = row["length"]
    if length["a"] is None or length["b"] is None:
        return
    text = f"{row['a']} {length['a']:.0f} {length['unit']}, {row['b']} {length['b']:.0f}"
    yield "length", text + _overlap(row)
    if length["win_rate"] is not None:
        rate = f"{percent(length['win_rate'])} [{interval_text(length['interval'])}]"
        yield "at equal length", f"length-controlled win rate {rate}{caveat(length)}"


def _overlap(row: ComparisonRow) -> str:
    """How often each side is the longer one, where it is known."""
    length = row["length"]
    if not length["n_turns"]:
        return ""
    return (
        f"; {row['a']} longer in {length['a_longer']} of {length['n_turns']} turns, "
        f"{row['b']} in {length['b_longer']}"
    )
