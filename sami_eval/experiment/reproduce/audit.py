"""What the artifacts that the paper's authors published support, beside what the paper reports.

folder, or the authors' repository as it lies --audit--> one finding a file, and remarks

Files are told by what they hold: verdicts are a list of [verdict, length, length], responses an
object of columns. Names say whose: A-vs-B.json or A_vs_B_verdicts.json, NAME-temperature-0.0.json
or NAME_responses.json; DPO_step_11520 is DPO.
"""

from __future__ import annotations

import json
import re
import statistics
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sami_eval.core.errors import UsageError
from sami_eval.data.answers import read_answers
from sami_eval.experiment.comparison_rows import ComparisonRow, caveat
from sami_eval.experiment.imports import read_verdict_file

FACTS = Path(__file__).parent / "published.toml"
SOURCE = "arXiv 2410.01704"
DIGITS = 4  # of a share: 58.15%
VERDICTS, RESPONSES = "_verdicts.json", "_responses.json"
MOST_BYTES = 50_000_000  # of a file that is looked into


@dataclass(frozen=True, slots=True)
class Finding:
    """One file of verdicts against the figure it should explain.

    row: the comparison as computed here. published: the reported win rate of a, None where the
        paper reports none.
    possible: the rates next to the published one, below and above, that this many verdicts with
        ties as halves can give; equal where the published figure is one of them to its digits.
    digits: of a share, that the published figure is printed with.
    """

    file: str
    row: ComparisonRow
    published: float | None
    possible: tuple[float, float] | None
    digits: int = DIGITS

    @property
    def explains(self) -> bool | None:
        """Whether the verdicts give the published figure, to the digits it was printed with."""
        if self.published is None or self.row["win_rate"] is None:
            return None
        return abs(self.row["win_rate"] - self.published) < 0.5 / 10.0**self.digits

    @property
    def attainable(self) -> bool | None:
        """Whether any run of so many verdicts could give the published figure."""
        return None if self.possible is None else self.possible[0] == self.possible[1]


@dataclass(frozen=True, slots=True)
class Lengths:
    """Responses of one file: how many, how many empty, and their median length in characters."""

    file: str
    n: int
    n_empty: int
    median: float


@dataclass(frozen=True, slots=True)
class Audit:
    """All findings on a folder. remarks: (what about, text)."""

    folder: str
    findings: tuple[Finding, ...]
    lengths: tuple[Lengths, ...]
    remarks: tuple[tuple[str, str], ...]


def published() -> Mapping[str, Any]:
    """What the paper reports, and remarks on how it came by it (published.toml)."""
    return tomllib.loads(FACTS.read_text(encoding="utf-8"))


def rate_text(rate: float | None, digits: int) -> str:
    """A published rate to the digits of a share it is printed with: 58.15%, and 57%."""
    return "-" if rate is None else f"{rate:.{digits - 2}%}"


def audit(folder: Path) -> Audit:
    """Read a folder of published artifacts. Raises UsageError where it holds none of them."""
    hint = "clone the authors' repository and name its folder: sami-eval reproduce audit DIR"
    if not folder.is_dir():
        raise UsageError(f"`{folder}` is not a folder", hint)
    facts = published()
    kinds = {path: _kind(path) for path in _files(folder)}
    findings = tuple(
        _finding(path, folder, facts) for path, kind in kinds.items() if kind == VERDICTS
    )
    lengths = tuple(_lengths(path, folder) for path, kind in kinds.items() if kind == RESPONSES)
    if not findings and not lengths:
        raise UsageError(f"`{folder}` holds no published artifact", hint)
    remarks = tuple((row["about"], row["text"]) for row in facts["remark"])
    return Audit(str(folder), findings, lengths, remarks)


def _files(folder: Path) -> list[Path]:
    """The JSON files of a folder and those inside it, hidden folders aside."""
    found = (path for path in folder.rglob("*.json") if path.is_file())
    return sorted(
        path
        for path in found
        if not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and path.stat().st_size <= MOST_BYTES
    )


def _kind(path: Path) -> str | None:
    """VERDICTS or RESPONSES, by name or else by what the file holds; None for any other."""
    for kind in (VERDICTS, RESPONSES):
        if path.name.endswith(kind):
            return kind
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    if isinstance(data, dict):
        columns = all(isinstance(data.get(name), dict) for name in ("question", "response"))
        return RESPONSES if columns else None
    rows = (
        isinstance(data, list)
        and data
        and all(isinstance(row, list) and len(row) == 3 and row[0] in (0, 0.5, 1) for row in data)
    )
    return VERDICTS if rows else None


def _model(name: str) -> str:
    """What the paper calls a model by its file's name: DPO of DPO_step_11520."""
    found = re.match(r"(SFT\+SAMI|SAMI|DPO|SFT|base)(?=[-_. ]|$)", name)
    return found[1] if found else name


def _finding(path: Path, folder: Path, facts: Mapping[str, Any]) -> Finding:
    row = read_verdict_file(path)["comparisons"][0]
    a, b = _model(row["a"]), _model(row["b"])
    if a != b:
        row = {**row, "a": a, "b": b}
    known = {(one["a"], one["b"]): one for one in facts["win_rate"]}
    direct, turned = known.get((row["a"], row["b"])), known.get((row["b"], row["a"]))
    found = direct or turned
    if found is None:
        return Finding(str(path.relative_to(folder)), row, None, None)
    digits = found.get("digits", DIGITS)
    rate = found["value"] if direct else 1 - found["value"]
    possible = around(rate, row["n_turns"], digits)
    return Finding(str(path.relative_to(folder)), row, rate, possible, digits)


def around(rate: float, n: int, digits: int = DIGITS) -> tuple[float, float]:
    """The rates that n verdicts, ties as halves, can give next to this one: below and above.

    Both are the same where the rate is one of them, to so many digits of a share.
    """
    nearest = round(rate * 2 * n)
    if round(nearest / (2 * n), digits) == round(rate, digits):
        return nearest / (2 * n), nearest / (2 * n)
    below = int(rate * 2 * n)
    return below / (2 * n), (below + 1) / (2 * n)


def _lengths(path: Path, folder: Path) -> Lengths:
    texts = [text for response in read_answers(path) for text in response.turns]
    empty = sum(not text.strip() for text in texts)
    return Lengths(
        str(path.relative_to(folder)), len(texts), empty, statistics.median(map(len, texts))
    )


def words(found: Audit) -> Iterator[str]:
    """What the findings mean, a line each."""
    for finding in found.findings:
        yield from _finding_words(finding)
    yield from _length_words(found.lengths)


def _finding_words(finding: Finding) -> Iterator[str]:
    row, pair = finding.row, f"{finding.row['a']} : {finding.row['b']}"
    if row["win_rate"] is None:
        yield f"{pair}  no verdicts: nothing can be said"
        return
    noise = "not significant at 5%" if not row["significant"] else "significant at 5%"
    needed = ""
    if not row["significant"] and row["questions_needed"] is not None:
        needed = (
            f"; were it the true rate, {row['questions_needed']:,} questions would find it with "
            f"80% power; there were {row['n_questions']}"
        )
    yield f"{pair}  the verdicts give {row['win_rate']:.3%}: {noise}{needed}"
    if finding.published is not None and not finding.explains:
        yield f"{pair}  {_gap(finding)}"
    length = row["length"]
    if length["a"] and length["b"] and length["win_rate"] is not None:
        ratio = length["a"] / length["b"]
        yield (
            f"{pair}  {row['a']}'s answers are {ratio:.2f} times as long; at equal length "
            f"{length['win_rate']:.1%}{caveat(length)}"
        )


def _gap(finding: Finding) -> str:
    said = f"the paper reports {rate_text(finding.published, finding.digits)}"
    if finding.attainable or finding.possible is None:
        return f"{said}, which these verdicts do not give"
    below, above = finding.possible
    n = finding.row["n_turns"]
    return (
        f"{said}, which no run of {n} verdicts can give: next to it lie {below:.3%} and {above:.3%}"
    )


def _length_words(lengths: tuple[Lengths, ...]) -> Iterator[str]:
    known = sorted((one for one in lengths if one.median), key=lambda one: one.median)
    if len(known) > 1:
        short, long = known[0], known[-1]
        yield (
            f"{long.file} has a median of {long.median:,.0f} characters, {short.file} "
            f"{short.median:,.0f}: {long.median / short.median:.1f} times as long, and judges "
            "tend to like length"
        )
    for one in lengths:
        if one.n_empty:
            yield f"{one.file}: {one.n_empty} of {one.n} answers are empty"
