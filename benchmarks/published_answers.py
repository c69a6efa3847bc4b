"""Figures that others published of answers, and ours of the same files: readers of parity.py."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from statistics import fmean
from typing import Any, TypedDict

from benchmarks.published import CLOSE, Row
from sami_eval.core.errors import UsageError
from sami_eval.core.files import read_json
from sami_eval.core.records import read_lines, record
from sami_eval.data.problem_sets import read_problems
from sami_eval.stats.extract import extract_answer
from sami_eval.stats.passk import pass_at_k

GSM8K_AT = "git clone https://github.com/openai/grade-school-math"
EVALPERF_AT = "git clone https://github.com/evalplus/evalplus.github.io"

# What of it is read, inside the folder of downloads.
TEST = "grade-school-math/**/test.jsonl"
SOLVED = "grade-school-math/**/example_model_solutions.jsonl"
EVALPERF = "evalplus.github.io/results/evalperf/*_evalperf_results.brief.json"


# --- GSM8K: gold answers, and solutions of four models that OpenAI labelled ---


class _Solution(TypedDict):
    solution: str
    is_correct: bool


def gold_answers(folder: Path) -> Iterator[Row]:
    path = next(folder.glob(TEST))
    given = [_number(row["answer"], "####", where) for where, row in _problems(path, "answer")]
    ours = [Fraction(problem.gold) for problem in read_problems(path)]
    read = [extract_answer(row["answer"]) for _, row in _problems(path, "answer")]
    same = sum(x == y == z for x, y, z in zip(given, ours, read, strict=True))
    yield _share("gold answers, test split", same, len(given))


def labels(folder: Path) -> Iterator[Row]:
    path = next(folder.glob(SOLVED))
    same: Counter[bool] = Counter()
    for where, row in _problems(path, "ground_truth"):
        gold = _number(row["ground_truth"], "A:", where)
        solved = [value for value in row.values() if isinstance(value, dict)]
        for one in (record(value, _Solution, where, GSM8K_AT) for value in solved):
            same[(extract_answer(one["solution"]) == gold) is one["is_correct"]] += 1
    yield _share("labels of four models", same[True], same.total())


def _share(figure: str, same: int, n: int) -> Row:
    return Row("GSM8K", figure, f"{n:,}", f"{same:,} the same", same == n > 0)


def _problems(path: Path, field: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for where, row in read_lines(path, GSM8K_AT):
        if not isinstance(row.get(field), str):
            raise UsageError(f"`{field}` is `{row.get(field)!r}`", GSM8K_AT, where)
        yield where, row


def _number(text: str, marker: str, where: str) -> Fraction:
    """What stands behind the last marker, read without our extractor."""
    said = text.rpartition(marker)[2].strip().replace(",", "")
    try:
        return Fraction(said)
    except ValueError:
        raise UsageError(f"no number behind `{marker}`", GSM8K_AT, where) from None


# --- EvalPerf: pass@1 of samples a task (arXiv 2408.06450) ---


def evalperf(folder: Path) -> Iterator[Row]:
    """Each model's pass@1 in per cent: the mean over tasks of what its samples estimate."""
    files, apart = sorted(folder.glob(EVALPERF)), list[float]()
    for path in files:
        data = read_json(path, EVALPERF_AT)
        try:
            n, theirs = data["config"]["n_samples"], data["summary"]["pass@1"]
            right = [task["pass@1"] * n / 100 for task in data["eval"].values()]
            ours = 100 * fmean(pass_at_k(n, round(c), 1) for c in right)
            # What is no whole number of samples is no estimate from n of them.
            apart.append(max(abs(ours - theirs), *(abs(c - round(c)) for c in right)))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise UsageError(f"no results of EvalPerf: {error!r}", EVALPERF_AT, str(path)) from None
        if apart[-1] > CLOSE:
            name = path.name.partition("_")[0]
            yield Row("EvalPerf", f"{name}, pass@1", f"{theirs:.6f}", f"{ours:.6f}", same=False)
    same = sum(gap <= CLOSE for gap in apart)
    yield Row("EvalPerf", "pass@1", f"{len(files)} models", f"{same} the same", same == len(files))
