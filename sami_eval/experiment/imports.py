"""Verdicts that were judged elsewhere become a document like any other.

| file                  | holds                                                                  |
|-----------------------|------------------------------------------------------------------------|
| the paper's, .json    | A-vs-B.json: a list of [verdict, length of b, length of a];             |
|                       | 1 is a win of A, 0 of B, 0.5 a tie; lengths in tokens                   |
| FastChat's, .jsonl    | model_judgment/*_pair.jsonl, or *_single.jsonl (singles.py)            |
| ours, .jsonl          | verdicts.jsonl of a run folder, or `show RUN --verdicts FILE`          |
"""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, Literal, TypedDict

from sami_eval.core.comparison import Comparison
from sami_eval.core.errors import UsageError, shown
from sami_eval.core.records import read_lines, read_list, record
from sami_eval.core.shape import Id, Name
from sami_eval.core.types import Order, Prompt, Response, Turn, Verdict, Winner
from sami_eval.core.versions import __version__
from sami_eval.data.paper import FIRST_MTBENCH_ID, mtbench_categories
from sami_eval.experiment.comparison_rows import comparison_row, rank_rows
from sami_eval.experiment.document import KIND, ContenderRow, Document
from sami_eval.experiment.ensemble import with_judges
from sami_eval.experiment.envelope import Envelope, assembled
from sami_eval.experiment.runs import to_verdict
from sami_eval.experiment.singles import is_rating, rated
from sami_eval.experiment.tallies import compare, correct_pairs, round_robin

ONE_ORDER = "not asked: judged in one order"
ERROR = "error"  # as FastChat records both
PAPER_HINT = "the paper's verdicts are A-vs-B.json: [[1, 361, 334], [0.5, 95, 62], ...]"
PAIR_HINT = (
    'a line of FastChat\'s pair judgments has "question_id", "model_1", "model_2", "g1_winner", '
    '"g2_winner" (model_1, model_2, tie or error) and "turn"'
)
_PAPER: dict[float, Winner] = {1: "a", 0.5: "tie", 0: "b"}
Responses = dict[str, list[Response]]


def read_verdict_file(path: Path) -> Document:
    """The comparison that a file of verdicts holds.

    Raises UsageError with file and line for a bad field, a turn judged twice, or no verdict.
    """
    verdicts, responses = _verdicts(path)
    judge = ", ".join(dict.fromkeys(verdict.judge for verdict in verdicts))
    return _document(path, verdicts, responses, (judge, path.name))


def verdicts_in(path: Path) -> list[Verdict]:
    """The verdicts of a file; raises as `read_verdict_file` does."""
    return _verdicts(path)[0]


def _verdicts(path: Path) -> tuple[list[Verdict], Responses]:
    verdicts, responses = _paper(path) if path.suffix == ".json" else (list(_lines(path)), {})
    if not verdicts:
        raise UsageError("no verdicts in the file", PAIR_HINT, str(path))
    return verdicts, responses


def _paper(path: Path) -> tuple[list[Verdict], Responses]:
    """The verdicts and, for their lengths, empty responses."""
    rows = read_list(path, PAPER_HINT, "verdicts")
    if not rows:
        raise UsageError("not a list of verdicts", PAPER_HINT, str(path))
    a, b = _paper_names(path)
    verdicts: list[Verdict] = []
    responses: Responses = {a: [], b: []}
    for number, (where, row) in enumerate(rows):
        said = _spoilt(row)
        if said is not None:
            raise UsageError(f"verdict {number} {said}", PAPER_HINT, where)
        score, of_b, of_a = row
        question = str(FIRST_MTBENCH_ID + number)
        # One order drawn at random, which the file does not tell.
        verdicts.append(Verdict(question, 0, "recorded", a, b, None, 0, _PAPER[score]))
        for name, n_tokens in ((a, of_a), (b, of_b)):
            responses[name].append(Response(question, name, ("",), n_tokens=(n_tokens,)))
    return verdicts, responses


def _paper_names(path: Path) -> tuple[str, str]:
    a, *rest = re.split(r"[-_ ]vs[-_ ]", path.stem.removesuffix("_verdicts"), maxsplit=1)
    return (a, rest[0]) if rest and a and rest[0] and a != rest[0] else ("a", "b")


def _spoilt(row: object) -> str | None:
    """What is wrong with one of the paper's verdicts."""
    if not isinstance(row, list) or len(row) != 3:
        return f"is {shown(row)}"
    score, *lengths = row
    if type(score) not in (int, float) or score not in _PAPER:
        return f"is {shown(score)}, not 0, 0.5 or 1"
    bad = [length for length in lengths if type(length) is not int or length < 0]
    return f"has length {shown(bad[0])}" if bad else None


def _lines(path: Path) -> Iterator[Verdict]:
    rows = list(read_lines(path, PAIR_HINT))
    if rows and all(is_rating(row) for _, row in rows):
        yield from rated(rows)
        return
    seen: dict[tuple[object, ...], str] = {}
    sides: set[tuple[str, str]] = set()
    for where, row in rows:
        ours = "prompt_id" in row
        for verdict in [to_verdict(row, where)] if ours else _fastchat(row, where, sides):
            judgment = (verdict.judge, verdict.first, verdict.repeat)
            key = (*_pair(verdict), verdict.prompt_id, verdict.turn, *judgment)
            if key in seen:
                raise UsageError(
                    f"question `{verdict.prompt_id}`, turn {verdict.turn + 1} is judged twice, "
                    f"before at {seen[key]}",
                    "FastChat appends to the file when it is run again; remove one of the lines",
                    where,
                )
            seen[key] = where
            yield verdict


def _pair(verdict: Verdict) -> tuple[str, str]:
    return verdict.a, verdict.b


class _PairRow(TypedDict):
    question_id: Id
    model_1: Name
    model_2: Name
    turn: Turn


def _fastchat(row: dict[str, Any], where: str, sides: set[tuple[str, str]]) -> list[Verdict]:
    """Both orders' verdicts of a line; the first line of two models says which is a."""
    pair = record(row, _PairRow, where, PAIR_HINT)
    question, turn = pair["question_id"], pair["turn"] - 1
    one, other = pair["model_1"], pair["model_2"]
    if one == other:
        raise UsageError(f"`{one}` is compared with itself", PAIR_HINT, where)
    turned = (other, one) in sides
    a, b = (other, one) if turned else (one, other)
    sides.add((a, b))
    judge = row.get("judge")
    name = str(judge[0]) if isinstance(judge, list) and judge else "judge"
    winner_of = {"model_1": "b" if turned else "a", "model_2": "a" if turned else "b"}
    verdicts = []
    for game, shown_first in (("g1", one), ("g2", other)):
        text = str(row.get(f"{game}_judgment", ""))
        if text == ONE_ORDER:
            continue
        said = row.get(f"{game}_winner")
        if not isinstance(said, str) or said not in (*winner_of, "tie", ERROR):
            raise UsageError(f"`{game}_winner` is `{said!r}`", PAIR_HINT, where)
        winner: Any = winner_of.get(said, None if said == ERROR else "tie")
        first: Order = "a" if shown_first == a else "b"
        reason = "recorded as an error" if winner is None else None
        judged = Verdict(question, turn, name, a, b, first, 0, winner, _score(row), reason, text)
        verdicts.append(judged)
    return verdicts


def _score(row: dict[str, Any]) -> float | None:
    """A line's score, if it has one: it is told of, and counts for nothing."""
    value = row.get("score")
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def _prompts(verdicts: Sequence[Verdict]) -> list[Prompt]:
    """The questions judged, in order; MT-Bench's 80 have its categories, others none."""
    n_turns: dict[str, int] = {}
    for verdict in verdicts:
        n_turns[verdict.prompt_id] = max(n_turns.get(verdict.prompt_id, 0), verdict.turn + 1)
    known = mtbench_categories()
    known = known if n_turns.keys() == known.keys() else {}
    return [Prompt(name, known.get(name, "all"), ("",) * n) for name, n in n_turns.items()]


def _by_pair(verdicts: Sequence[Verdict]) -> dict[tuple[str, str], list[Verdict]]:
    ordered = sorted(verdicts, key=_pair)
    return {pair: list(rows) for pair, rows in groupby(ordered, key=_pair)}


def orders_of(verdicts_by_pair: Iterable[Sequence[Verdict]]) -> Literal["both", "one", "mixed"]:
    """Whether turns were judged in both orders: in every pair, in none, or in some of the pairs."""
    found = {_has_both(verdicts) for verdicts in verdicts_by_pair}
    return "mixed" if len(found) > 1 else "both" if found == {True} else "one"


def _has_both(verdicts: Sequence[Verdict]) -> bool:
    orders = {(v.prompt_id, v.turn, v.judge, v.first) for v in verdicts}
    return len(orders) > len({order[:-1] for order in orders})


def scores_unused(verdicts: Sequence[Verdict]) -> int:
    """Verdicts with a score that is no rating's: it does not count, their winners do."""
    return sum(verdict.score is not None and verdict.ratings is None for verdict in verdicts)


def _comparisons(
    prompts: Sequence[Prompt], verdicts: Sequence[Verdict], responses: Responses
) -> tuple[Comparison, ...]:
    """One comparison a pair, in the order in which the verdicts name them."""
    groups, found = _by_pair(verdicts), []
    for a, b in dict.fromkeys(map(_pair, verdicts)):
        of = groups[a, b]
        row = compare(prompts, responses.get(a, []), responses.get(b, []), of, names=(a, b))
        found.append(with_judges(row, of))
    return correct_pairs(found)


def _document(
    path: Path, verdicts: Sequence[Verdict], responses: Responses, judge: tuple[str, str]
) -> Document:
    prompts = _prompts(verdicts)
    comparisons = _comparisons(prompts, verdicts, responses)
    names = dict.fromkeys(name for verdict in verdicts for name in _pair(verdict))
    own = {
        "task": "mtbench" if prompts[0].category != "all" else "imported",
        "judge": judge[0],
        "judge_model": judge[1],
        "judges": [],
        "measures": None,
        "orders": orders_of(_by_pair(verdicts).values()),
        "rule": "conservative",
        "principles_shown": False,
        "embedded": False,
        "settings": {"scores_unused": scores_unused(verdicts)},
        "contenders": [_contender(name, path) for name in names],
        "against": None,
        "comparisons": [comparison_row(comparison) for comparison in comparisons],
        "ranking": rank_rows(round_robin(comparisons)),
        "curve": [],
        "tokens": {"prompt": 0, "completion": 0},
    }
    return assembled(KIND, own, _envelope(path))


def _contender(name: str, path: Path) -> ContenderRow:
    return {
        "name": name,
        "contender": name,
        "base": str(path),
        "adapter": None,
        "engine": "recorded",
        "fingerprint": "",
        "n_cut": 0,
        "trained_on": None,
        "checks_met": None,
        "step": None,
    }


def _envelope(path: Path) -> Envelope:
    """Of a file that nobody had to ask for."""
    changed = datetime.datetime.fromtimestamp(path.stat().st_mtime)
    return {
        "settings_key": "",
        "run": str(path),
        "date": changed.isoformat(timespec="seconds"),
        "calls": {"made": 0, "from_ledger": 0},
        "cost_usd": 0.0,
        "cost_unseen_usd": 0.0,
        "warnings": [],
        "seconds": {},
        "memory_mb": {},
        "versions": {"sami-eval": __version__},
        "command": "",
    }
