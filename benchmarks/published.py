"""Figures that others published of judgments, and ours of the same files: readers of parity.py.

Each takes the folder of downloads and yields a row a figure. Raises UsageError for a bad file.
"""

from __future__ import annotations

import csv
import math
import re
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple, TypedDict

from sami_eval.core.errors import UsageError
from sami_eval.core.records import read_list, read_records, record
from sami_eval.core.types import Verdict, Winner
from sami_eval.data.votes import read_votes
from sami_eval.experiment import runs
from sami_eval.experiment.agreement import agreement
from sami_eval.experiment.document import Document, read_document
from sami_eval.experiment.fold import by_question, fold
from sami_eval.experiment.imports import read_verdict_file
from sami_eval.experiment.judged import read_judged
from sami_eval.experiment.reproduce.audit import audit, rate_text
from sami_eval.report import fastchat
from sami_eval.report.comparison_exports import json_lines
from sami_eval.stats.intervals import cluster_variance, totals, win_rate

CLOSE = 1e-6  # points: files carry ten digits of a preference, the leaderboard all of them
VOTES_AT = "git clone https://huggingface.co/datasets/lmsys/mt_bench_human_judgments"
ALPACA_AT = "git clone https://github.com/tatsu-lab/alpaca_eval"
RUNS_AT = "sami-eval compare A B --out FOLDER/runs/NAME"
JUDGMENTS_AT = "https://huggingface.co/spaces/lmsys/mt-bench, data/mt_bench/model_judgment"
FASTCHAT_AT = "git clone https://github.com/lm-sys/FastChat"
PAPER_AT = "git clone --depth 1 https://github.com/SohamGovande/sami-extension"

# What of it is read, inside the folder of downloads.
VOTES = ("mt_bench_human_judgments/**/human[-.]*", "mt_bench_human_judgments/**/gpt4_pair[-.]*")
JUDGE = "weighted_alpaca_eval_gpt4_turbo"
BOARD = f"alpaca_eval/src/alpaca_eval/leaderboards/data_AlpacaEval_2/{JUDGE}_leaderboard.csv"
ANNOTATED = f"alpaca_eval/results/*/{JUDGE}/annotations.json"
RUNS = f"runs/*/{runs.DOCUMENT}"
JUDGMENTS = "model_judgment/*_pair.jsonl"
PROGRAM = "FastChat/fastchat/llm_judge/show_result.py"
PAPER = "sami-extension/**/*vs*.json"


@dataclass(frozen=True, slots=True)
class Row:
    """One figure of theirs and ours. same: None where they need not be; note says why."""

    source: str
    figure: str
    theirs: str
    ours: str
    same: bool | None
    note: str = ""


# --- MT-Bench's Table 5: GPT-4 and experts, experts and experts (arXiv 2306.05685) ---

# Turn, raters, setup (S1 with ties, S2 without): per cent, and of how many pairs.
TABLE_5 = {
    ("1", "GPT-4 and people", "S1"): (66, 1343),
    ("1", "GPT-4 and people", "S2"): (85, 859),
    ("1", "people", "S1"): (63, 721),
    ("1", "people", "S2"): (81, 479),
    ("2", "GPT-4 and people", "S1"): (66, 1325),
    ("2", "GPT-4 and people", "S2"): (85, 864),
    ("2", "people", "S1"): (67, 707),
    ("2", "people", "S2"): (82, 474),
}


def table_5(folder: Path) -> Iterator[Row]:
    # Below data/, as parquet, where the data set is cloned; or as JSON lines.
    people, judge = (str(min(folder.glob(pattern))) for pattern in VOTES)
    kinds = agreement(read_judged(judge, {}, folder), read_votes(people)).by_kind
    if "expert" not in kinds:
        raise UsageError("no votes of experts (`expert_1`, ...)", "Table 5 is of theirs", people)
    for (turn, raters, setup), (percent, n) in TABLE_5.items():
        if turn not in kinds["expert"]:
            raise UsageError(f"no votes of experts on turn {turn}", "take the whole file", people)
        sides = kinds["expert"][turn]
        both = sides.people if raters == "people" else sides.judge
        found = both.with_ties if setup == "S1" else both.without_ties
        value = found.estimate.value
        yield Row(
            "MT-Bench, Table 5",
            f"turn {turn}, {setup}, {raters}",
            f"{percent}% of {n:,}",
            "-" if value is None else f"{value:.1%} of {found.n:,}",
            value is not None and (round(100 * value), found.n) == (percent, n),
        )


# --- AlpacaEval 2: win rates and standard errors of its leaderboard ---


class _Annotation(TypedDict):
    preference: float | None


def alpaca_eval(folder: Path) -> Iterator[Row]:
    board, name = _leaderboard(folder / BOARD), "AlpacaEval 2"
    files = {path.parents[1].name: path for path in sorted(folder.glob(ANNOTATED))}
    apart: list[float] = []
    for model in (model for model in files if model in board):
        ours, theirs = _standing(files[model]), board[model]
        apart.append(max(abs(x - y) for x, y in zip(ours, theirs, strict=True)))
        if apart[-1] > CLOSE:
            one, other = (f"{rate:.6f} ± {error:.6f}" for rate, error in (theirs, ours))
            yield Row(name, f"{model}, points", one, other, same=False)
    same, n = sum(gap <= CLOSE for gap in apart), len(apart)
    absent = len(files) - n
    yield Row(
        name,
        "win rates and their standard errors",
        f"{n} models",
        f"{same} the same",
        same == n and n > 0,
        f"{name}: at most {max(apart, default=math.nan):.1e} points apart; {absent} annotated "
        "models are not on the leaderboard. Theirs is the error with n - 1.",
    )


def _leaderboard(path: Path) -> dict[str, tuple[float, float]]:
    """Win rate and standard error in points, by model."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = {row[""]: row for row in csv.DictReader(file)}
        return {m: (float(r["win_rate"]), float(r["standard_error"])) for m, r in rows.items()}
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(f"not a leaderboard: {error!r}", ALPACA_AT, str(path)) from None


def _standing(path: Path) -> tuple[float, float]:
    """The same two figures of the verdicts in a file, through ours."""
    verdicts = [_annotated(row, str(i), where) for i, (where, row) in enumerate(_list(path))]
    scores = by_question(fold(verdicts, "average"))
    rate, n = win_rate(scores).value, len(scores)
    if rate is None or n < 2:
        raise UsageError("no preferences in the file", ALPACA_AT, str(path))
    error = math.sqrt(float(cluster_variance(*totals(scores))) * n / (n - 1))
    return 100 * rate, 100 * error


def _list(path: Path) -> list[tuple[str, Any]]:
    return read_list(path, ALPACA_AT, "annotations")


def _annotated(row: object, question: str, where: str) -> Verdict:
    """A preference, 1 the baseline's and 2 the model's, as a probability that the model is better.

    0 was how early files wrote a draw; what lies elsewhere is no verdict, as it is for AlpacaEval.
    """
    given = record(row, _Annotation, where, ALPACA_AT)["preference"]
    known = given is not None and (1 <= given <= 2 or given == 0)
    score = (given or 1.5) - 1 if known and given is not None else None
    winner: Winner | None = None
    if score is not None:
        winner = "tie" if score == 0.5 else "a" if score > 0.5 else "b"
    return Verdict(question, 0, JUDGE, "model", "baseline", None, 0, winner, score)


# --- FastChat's summary of a run of ours, or of judgments that it made itself ---

# A data frame is printed whole, whatever the terminal.
_AT_LENGTH = (
    "import pandas, runpy, sys; pandas.set_option('display.width', 10**6, 'display.max_rows', None,"
    " 'display.max_colwidth', None); del sys.argv[0]; runpy.run_path(sys.argv[0], None, '__main__')"
)


class Standing(NamedTuple):
    """A model over all its pairs; rate: (wins + ties/2) of all, FastChat's win_rate_adjusted."""

    wins: int
    losses: int
    ties: int
    rate: float

    def __str__(self) -> str:
        return f"{self.wins}/{self.losses}/{self.ties} {self.rate:.2%}"

    def is_like(self, other: Standing) -> bool:
        """Whether both are the same to the six digits that FastChat prints."""
        return self[:3] == other[:3] and abs(self.rate - other.rate) < 1e-6


def exported_runs(folder: Path) -> Iterator[Row]:
    """What `sami-eval show RUN --fastchat DIR` writes of each run, summed up by FastChat."""
    for run in (path.parent for path in sorted(folder.glob(RUNS))):
        document = read_document(run / runs.DOCUMENT)
        files = fastchat.files(document, runs.read_verdicts(run))
        pairs = [rows for name, rows in files.items() if name.endswith("_pair.jsonl")]
        if len(pairs) != 1:
            hint = "a run with one judge writes one"
            raise UsageError(f"the run writes {len(pairs)} files of pairs", hint, str(run))
        with tempfile.TemporaryDirectory() as scratch:
            path = Path(scratch) / "export_pair.jsonl"
            path.write_text(json_lines(pairs[0]), encoding="utf-8")
            yield from _summaries(folder, run.name, document, path)


def judgments(folder: Path) -> Iterator[Row]:
    """Files of FastChat's, read by us and summed up by FastChat."""
    for path in sorted(folder.glob(JUDGMENTS)):
        name = path.name.removesuffix("_pair.jsonl")
        yield from _summaries(folder, name, read_verdict_file(path), path)


def _summaries(folder: Path, name: str, document: Document, path: Path) -> Iterator[Row]:
    program = folder / PROGRAM
    theirs = _by_program(program, path) if program.is_file() else by_rule(path)
    ours, of = _ours(document), "program" if program.is_file() else "rule"
    for model in sorted({*theirs, *ours}):
        one, other = theirs.get(model), ours.get(model)
        same = one is not None and other is not None and one.is_like(other)
        yield Row(f"FastChat's {of}", f"{name}: {model}", str(one), str(other), same)


def _ours(document: Document) -> dict[str, Standing]:
    """Wins, losses, ties and our win rate of each contender, over all its pairs."""
    games: dict[str, list[Standing]] = defaultdict(list)
    for row in document["comparisons"]:
        if (rate := row["win_rate"]) is not None:
            games[row["a"]].append(Standing(row["wins"], row["losses"], row["ties"], rate))
            games[row["b"]].append(Standing(row["losses"], row["wins"], row["ties"], 1 - rate))
    return {model: _sum(of) for model, of in games.items()}


def _sum(several: Sequence[Standing]) -> Standing:
    wins, losses, ties = (sum(one[i] for one in several) for i in range(3))
    weighed = sum(one.rate * sum(one[:3]) for one in several)
    return Standing(int(wins), int(losses), int(ties), weighed / (wins + losses + ties))


class _Pair(TypedDict):
    model_1: str
    model_2: str
    g1_winner: str
    g2_winner: str


def by_rule(path: Path) -> dict[str, Standing]:
    """FastChat's rule: an error drops the line, the same model twice wins, all else is a tie."""
    games: dict[str, list[Standing]] = defaultdict(list)
    for _, row in read_records(path, _Pair, "a file of FastChat's model_judgment/"):
        winners = {row["g1_winner"], row["g2_winner"]}
        if "error" in winners:
            continue
        score = 1.0 if winners == {"model_1"} else 0.0 if winners == {"model_2"} else 0.5
        for model, own in ((row["model_1"], score), (row["model_2"], 1 - score)):
            games[model].append(Standing(own == 1, own == 0, own == 0.5, own))
    return {model: _sum(of) for model, of in games.items()}


def _by_program(program: Path, path: Path) -> dict[str, Standing]:
    """What FastChat's own show_result.py prints of a file."""
    command = [sys.executable, "-c", _AT_LENGTH, str(program), "--mode", "pairwise-all"]
    run = subprocess.run(
        [*command, "--input-file", str(path)], capture_output=True, text=True, check=False
    )
    row = r"^(.+?) +([0-9]+) +([0-9]+) +([0-9]+) +[0-9.]+ +[0-9.]+ +([0-9.]+)$"
    found = re.findall(row, run.stdout, re.M)
    if run.returncode or not found:
        last = (run.stderr.strip() or run.stdout.strip()).splitlines()[-1:]
        raise UsageError(f"it printed no table: {' '.join(last)}", FASTCHAT_AT, str(program))
    return {m: Standing(int(w), int(lost), int(t), float(r)) for m, w, lost, t, r in found}


# --- The paper's own verdicts (arXiv 2410.01704) ---


def paper(folder: Path) -> Iterator[Row]:
    """The mean of each file of verdicts; and the figure reported of it, which need not be one."""
    below, name = folder / "sami-extension", "the paper's verdicts"
    for found in audit(below).findings:
        pair, ours = f"{found.row['a']} : {found.row['b']}", found.row["win_rate"]
        given = [Fraction(row[0]) for _, row in read_list(below / found.file, PAPER_AT, "verdicts")]
        theirs = f"{float(sum(given) / len(given)):.4%} of {len(given)}"
        printed = "-" if ours is None else f"{ours:.4%} of {found.row['n_turns']}"
        yield Row(name, f"{pair}, its file", theirs, printed, theirs == printed)
        if found.published is None:
            continue
        reported = rate_text(found.published, found.digits)
        why = "" if found.attainable else f", and no run of {found.row['n_turns']} can give it"
        note = "" if found.explains else f"{pair}: {reported} is not what the file gives{why}"
        yield Row(name, f"{pair}, as reported", reported, printed, found.explains or None, note)
