"""A finished comparison at a glance: who is better, or how many questions would tell."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from sami_eval.report import stopping
from sami_eval.report.figures import interval_text, p_text, percent
from sami_eval.report.glance import Glance, State, listed, overall, state_of
from sami_eval.report.table import Bar

if TYPE_CHECKING:
    from sami_eval.experiment.comparison_rows import ComparisonRow
    from sami_eval.experiment.document import Document

EVEN = 0.5
NARROW = 0.05  # a win rate of 45 to 55% is close to even: nine in ten turns might as well be ties


def glance(document: Document) -> Glance:
    """The whole comparison: one pair, several beside one contender, or a round robin."""
    rows = document["comparisons"]
    if len(rows) == 1:
        return of_pair(document, rows[0])
    return _beside(document) if document["against"] else _ranked(document)


def of_pair(document: Document, row: ComparisonRow) -> Glance:
    """One pair, its first-named contender before the other in every sentence."""
    state, sides = state_of_pair(row), f"{row['a']} and {row['b']}"
    measured = _measured(document)
    if state == "unknown":
        said = f"unknown between {sides}: {_without([row])}"
        return Glance(state, said, "win rate: not known, n 0")
    if state == "better":
        verdict = f"{row['a']} is {direction(row)} than {row['b']}{measured}{_whose(row)}"
    elif state == "no difference found":
        verdict = f"no difference found between {sides}{measured}"
    else:
        verdict = f"undecided between {sides}{measured}: {_needs(row)}"
    return Glance(state, verdict, figure(document, row), tuple(because(document, row)), (bar(row),))


def _without(rows: Sequence[ComparisonRow]) -> str:
    """Why there is no verdict of a turn."""
    n = sum(row["n_verdicts"] for row in rows)
    return f"none of {n:,} judgments has a verdict" if n else "nothing was judged"


def state_of_pair(row: ComparisonRow) -> State:
    """Unknown where no turn has a verdict; turns left out may be anything."""
    if row["win_rate"] is None:
        return "unknown"
    found = state_of(row["significant"], row["interval"], EVEN, NARROW)
    left = row.get("win_rate_range")
    if found == "no difference found" and left and state_of(False, left, EVEN, NARROW) != found:
        return "undecided"
    return found


def direction(row: ComparisonRow) -> str:
    """Whether a is "better" or "worse" than b, "-" where that may be noise."""
    if not row["significant"] or row["win_rate"] is None:
        return "-"
    return "better" if row["win_rate"] > EVEN else "worse"


def word(row: ComparisonRow) -> str:
    """The verdict in a cell of a table: which way, or how many questions it needs."""
    state = state_of_pair(row)
    if state == "better":
        return direction(row)
    if state == "undecided" and (row["questions_needed"] or 0) > row["n_questions"]:
        return f"needs {row['questions_needed']:,}"
    return {"no difference found": "none found"}.get(state, state)


def apart(document: Document) -> list[frozenset[str]]:
    """The pairs that can be told apart."""
    rows = document["comparisons"]
    return [frozenset((row["a"], row["b"])) for row in rows if row["significant"]]


def _measured(document: Document) -> str:
    """In what: adherence to principles is not quality, nor is what a program or a reward counts."""
    if document["measures"]:
        return f" in {document['measures']}"
    for kind, called in (("program", "program"), ("reward", "reward model")):
        if document["judges"] and all(one.get("kind") == kind for one in document["judges"]):
            return f" by the {called} {document['judge']}"
    return ""


def _whose(row: ComparisonRow) -> str:
    return ", by the judge" if row["corrected"] is not None else ""


def figure(document: Document, row: ComparisonRow) -> str:
    """The win rate of the first-named contender, its interval and n, and what it is made of."""
    shown = ""
    if document["measures"] == "principle adherence":
        shown = "; principles " + ("shown" if document["principles_shown"] else "not shown")
    return (
        f"win rate of {row['a']} {_rate(row)}, {row['n_questions']:,} questions, "
        f"{row['ties']:,} of {row['n_turns']:,} turns tied{_weighed(row)}{shown}"
    )


def _rate(row: ComparisonRow) -> str:
    return f"{percent(row['win_rate'])} [{interval_text(row['interval'])}]"


def _weighed(row: ComparisonRow) -> str:
    """That the rate is the mean of what turns scored, where wins and ties alone give another."""
    counted = (row["wins"] + row["ties"] / 2) / row["n_turns"]
    apart = row["win_rate"] is not None and abs(row["win_rate"] - counted) > 5e-4
    return "; the mean of their scores, not of wins alone" if apart else ""


def bar(row: ComparisonRow) -> Bar:
    """Turns won, even and lost."""
    wins, ties, losses = row["wins"], row["ties"], row["losses"]
    told = f"{wins:,} turns won, {ties:,} tied, {losses:,} lost"
    ends = f"{row['a']} {wins:,}", f"{losses:,} {row['b']}"
    return Bar(ends[0], (wins, ties, losses), ends[1], f"{row['a']} against {row['b']}: {told}")


def because(document: Document, row: ComparisonRow) -> Iterator[str]:
    """What the verdict rests on, and what could change it."""
    state = state_of_pair(row)
    if state == "no difference found":
        yield f"win rates outside {interval_text(row['interval'])}% are excluded at 95%"
    yield from _test(document, row)
    left = row.get("win_rate_range")
    if left and state == "better" and left[0] <= EVEN <= left[1]:
        yield f"of what was judged: the {row['left_out']:,} turns left out could turn it round"
    yield from _judges(row)
    yield from _corrected(row)
    yield from _controlled(row)


def _test(document: Document, row: ComparisonRow) -> Iterator[str]:
    """The test in force, and what a rate like this one would need; of several, the table says."""
    stopped = row["stopping"] if row["stopping"] and row["stopping"]["main"] else None
    if stopped is not None:
        yield stopping.why(stopped)
    elif len(document["comparisons"]) > 1 or row["p_value"] is None:
        return
    elif row["significant"]:
        yield f"significant at 5%, {p_text(row['p_value'])}"
    else:
        yield f"not significant at 5%, {p_text(row['p_value'])}; {_power(row)}"


def _power(row: ComparisonRow) -> str:
    if row["questions_needed"] is None:
        return "no difference to look for at a rate of 50%"
    return (
        f"if {percent(row['win_rate'])} were the true rate, "
        f"80% power would need about {row['questions_needed']:,} questions"
        + (" with as many ties" if row["ties"] else "")
        + (" and these very seeds" if row["seeds"] else "")
        + _range(row["needed_range"])
    )


def _range(needed: Sequence[int | None] | None) -> str:
    """What the win rate's own uncertainty makes of the questions needed."""
    if not needed or needed[0] is None:
        return ""
    fewest, most = needed
    span = f"more than {fewest:,}" if most is None else f"{fewest:,} to {most:,}"
    return f" (its own interval allows {span})"


def _needs(row: ComparisonRow) -> str:
    """How many questions would tell, where that is known.

    A number that was asked already is none: Holm or the seeds want more than it reckons with.
    """
    needed = row["questions_needed"]
    if needed is None or needed <= row["n_questions"]:
        return "how many questions it needs is not known"
    return f"needs about {needed:,} questions"


def _judges(row: ComparisonRow) -> Iterator[str]:
    """Whether the judges of an ensemble are of one mind."""
    rates = [one["win_rate"] for one in row["judges"] if one["win_rate"] is not None]
    for_a, for_b = sum(rate > EVEN for rate in rates), sum(rate < EVEN for rate in rates)
    if for_a and for_b:
        yield (
            f"the judges are not of one mind: alone, {for_a} of {len(rates)} favour {row['a']}, "
            f"{for_b} {row['b']}"
        )


def _corrected(row: ComparisonRow) -> Iterator[str]:
    """What becomes of the verdict once the judge's errors are taken out by people's votes."""
    found = row["corrected"]
    if found is None:
        return
    low, high = found["interval"]
    rate = f"{percent(found['win_rate'])} [{interval_text(found['interval'])}]"
    if low <= EVEN <= high:
        yield f"corrected by people's votes: {rate}, which may be chance"
    else:
        ahead = row["a"] if low > EVEN else row["b"]
        yield f"corrected by people's votes: {rate}, {ahead} ahead"


def _controlled(row: ComparisonRow) -> Iterator[str]:
    """That a difference is gone at equal length or style; the raw rate stays the figure."""
    style = row["style"]
    for what, found in (("length", row["length"]), ("length and style", style)):
        if found is None or found["interval"] is None or not row["significant"]:
            continue
        low, high = found["interval"]
        if low <= EVEN <= high:
            rate = f"{percent(found['win_rate'])} [{interval_text(found['interval'])}]"
            yield f"at equal {what} it may be chance: {rate}"


def _beside(document: Document) -> Glance:
    """Each contender against one."""
    against, rows, measured = document["against"], document["comparisons"], _measured(document)
    state = overall([state_of_pair(row) for row in rows])
    told = [
        f"{listed(names)} {'is' if len(names) == 1 else 'are'} {word} than {against}{measured}"
        for word in ("better", "worse")
        if (names := [row["a"] for row in rows if direction(row) == word])
    ]
    none = f"{state}: none of {len(rows)} can be told apart from {against}{measured}"
    if state == "unknown":
        none = f"{state}: {_without(rows)}"
    bars = [replace(bar(row), left=row["a"], right=_rate(row)) for row in rows if row["n_turns"]]
    counted = f"{beside(document)}, at 5% after Holm, over {_questions(rows)}"
    return Glance(state, "; ".join(told) or none, counted, (), tuple(bars))


def beside(document: Document) -> str:
    """How many contenders are better than the one they were all compared with, and how many not."""
    found = list(map(direction, document["comparisons"]))
    better = f"{found.count('better')} of {len(found)} better than {document['against']}"
    return f"{better}, {found.count('worse')} worse"


def _questions(rows: Sequence[ComparisonRow]) -> str:
    """Over how many questions: "80 questions", or "72 to 80 questions" where pairs differ."""
    least, most = (of(row["n_questions"] for row in rows) for of in (min, max))
    return f"{least:,} questions" if least == most else f"{least:,} to {most:,} questions"


def _ranked(document: Document) -> Glance:
    """A round robin: who is first, and from whom it cannot be told apart."""
    rows, (first, *others) = document["comparisons"], [row["model"] for row in document["ranking"]]
    decided = apart(document)
    alike = [name for name in others if frozenset((first, name)) not in decided]
    beaten = [name for name in others if (name, first) in _winners(rows)]
    state = overall([state_of_pair(row) for row in rows])
    if state == "unknown":
        return Glance(state, f"{state}: {_without(rows)}", "win rates: not known, n 0")
    if state != "better":
        verdict = f"{state}: no two of {len(others) + 1} contenders can be told apart"
    elif beaten or alike:
        limits = [f"is worse than {listed(beaten)}"] if beaten else []
        limits += [f"cannot be told apart from {listed(alike)}"] if alike else []
        verdict = f"{first} ranks first, but {' and '.join(limits)}"
    else:
        verdict = f"{first} is better than {listed(others)}"
    counted = (
        f"{len(decided)} of {len(rows)} pairs decided at 5% after Holm, over {_questions(rows)}"
    )
    bars = [_all_turns(rows, name) for name in (first, *others)]
    return Glance(
        state,
        verdict + _measured(document),
        counted,
        tuple(_nearest(rows)),
        tuple(bar for bar in bars if sum(bar.parts)),
    )


def _winners(rows: Sequence[ComparisonRow]) -> set[tuple[str, str]]:
    """Who is better than whom."""
    return {
        (row["a"], row["b"]) if direction(row) == "better" else (row["b"], row["a"])
        for row in rows
        if row["significant"]
    }


def _nearest(rows: Sequence[ComparisonRow]) -> Iterator[str]:
    """Of the undecided pairs the one that needs the fewest questions."""
    needed = [
        (row["questions_needed"], row)
        for row in rows
        if state_of_pair(row) == "undecided" and (row["questions_needed"] or 0) > row["n_questions"]
    ]
    if needed:
        n, row = min(needed, key=lambda one: one[0] or 0)
        pair = f"{row['a']} : {row['b']}"
        yield f"the next to be decided, {pair}, needs about {n:,} questions, before Holm"


def _all_turns(rows: Sequence[ComparisonRow], name: str) -> Bar:
    """What one contender won, tied and lost against all others."""
    found = [
        (row["wins"], row["ties"], row["losses"])[:: 1 if name == row["a"] else -1]
        for row in rows
        if name in (row["a"], row["b"])
    ]
    won, even, lost = (sum(counts) for counts in zip(*found, strict=True))
    told = f"{won:,} won, {even:,} tied, {lost:,} lost"
    return Bar(name, (won, even, lost), told, f"{name} against all others: {told}")
