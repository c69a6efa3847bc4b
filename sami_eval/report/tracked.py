"""A finished result as a tracker of experiments keeps it: a run with figures, parameters and files.

A figure has its interval beside it, as NAME_low and NAME_high, and its n; what is not known is left
out. Names hold no sign that any tracker refuses.
"""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sami_eval.experiment import (
    agreement_document,
    document,
    passk_document,
    runs,
    scored_document,
)
from sami_eval.experiment.envelope import dump
from sami_eval.report import kept
from sami_eval.report.finished import Finished, report_of
from sami_eval.report.formats.csv import csv
from sami_eval.report.formats.markdown import markdown
from sami_eval.server import endpoint

Parameter = str | int | float
Row = Mapping[str, Any]
Figures = Iterator[tuple[str, Any]]

PAIR = ("p_value", "p_adjusted", "significant", "n_questions", "n_turns", "wins", "ties", "losses")
PAIR_MORE = ("unparsed", "questions_needed", "detectable")
CATEGORY = ("p_adjusted", "n_questions")
AT_K = ("pass_at_k", "maj_at_k", "pass_hat_k", "g_pass_at_k", "mg_pass_at_k", "best_of_k")
GAIN = ("p_value", "p_adjusted", "significant", "problems_needed")
SCORED = ("p_value", "p_adjusted", "significant", "n_samples", "samples_needed")
# Variables of keys that no server of ours is asked with, but that a text could hold all the same.
KEYS = ("HF_TOKEN", "WANDB_API_KEY", "MLFLOW_TRACKING_TOKEN", "MLFLOW_TRACKING_PASSWORD")


@dataclass(frozen=True, slots=True)
class Tracked:
    """What a tracker gets. key: the same for a rerun. files: texts by their names; no keys in it.

    name: of the run's folder.
    """

    key: str
    name: str
    parameters: Mapping[str, Parameter]
    figures: Mapping[str, float]
    files: Mapping[str, str]


def tracked(found: Finished, place: Path) -> Tracked:
    """A finished result of any kind. place: its folder.

    Raises UsageError for a file of verdicts, which is no run.
    """
    page = kept.page(found, place)
    report = report_of(found)
    files = {"report.html": page, "table.md": markdown(report), "table.csv": csv(report)}
    files["result.json"] = dump(found)
    if (settings := place / runs.SETTINGS).is_file():
        files[runs.SETTINGS] = settings.read_text(encoding="utf-8")
    name, key = name_and_key(found)
    return Tracked(
        key,
        name,
        {name: _masked(value) for name, value in parameters_of(found) if value is not None},
        {name: float(value) for name, value in figures_of(found) if value is not None},
        {name: without_keys(text) for name, text in files.items()},
    )


def _masked(value: Parameter) -> Parameter:
    return without_keys(value) if isinstance(value, str) else value


def without_keys(text: str) -> str:
    """A text without the keys that are in the environment."""
    for variable in KEYS:
        endpoint.secret(variable)
    return endpoint.masked(text)


def name_and_key(found: Row) -> tuple[str, str]:
    """The run's folder by its name, and what a rerun has alike."""
    if found["schema"] in (document.SCHEMA, passk_document.SCHEMA):
        return Path(found["run"]).name, found["settings_key"]
    if found["schema"] == agreement_document.SCHEMA:
        parts = (found["schema"], found["judge"], found["source"], found["votes"])
        return f"agreement-{runs.slug(found['judge'])}", _hashed(parts)
    if found["schema"] == scored_document.SCHEMA:
        logs = [f"{row['file']} {row['date']}" for row in found["logs"]]
        return f"logs-{runs.slug(found['logs'][0]['name'])}", _hashed([found["schema"], *logs])
    folder = Path(found["folder"]).name
    return folder, _hashed([folder, *(stage["key"] for stage in found["stages"])])


def _hashed(parts: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def labels(names: Iterable[str]) -> dict[str, str]:
    """Each name in letters that every tracker takes; two names never become one."""
    found: dict[str, str] = {}
    for name in dict.fromkeys(names):
        plain = re.sub(r"[^A-Za-z0-9._+-]+", "-", name).replace("+", "_").strip(".-") or "model"
        numbered = (f"{plain}-{n}" for n in itertools.count(2))
        free = (one for one in itertools.chain([plain], numbered) if one not in found.values())
        found[name] = next(free)
    return found


def parameters_of(found: Row) -> Iterator[tuple[str, Parameter | None]]:
    """What it was asked to do, of whom, and by which versions."""
    for name, value in found.items():
        if isinstance(value, str | int | float | bool) and not name.startswith("cost"):
            yield name, value
    yield "warnings", "; ".join(found.get("warnings", ())) or None
    for group in ("settings", "versions"):
        for name, value in found.get(group, {}).items():
            yield f"{group}/{name}", _one(value)
    several = found.get("contenders", ())
    label = labels(row["name"] for row in several)
    for row in several:
        for name in ("base", "adapter", "engine", "fingerprint"):
            yield f"{label[row['name']]}/{name}", row[name]


def _one(value: object) -> Parameter | None:
    """A setting as one parameter; None where nothing was set."""
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or None
    return value if isinstance(value, str | int | float) or value is None else str(value)


def figures_of(found: Row) -> Figures:
    """Every figure by its name, None where it is not known."""
    if found["schema"] == document.SCHEMA:
        yield from _of_comparison(found)
    elif found["schema"] == passk_document.SCHEMA:
        yield from _of_passk(found)
    elif found["schema"] == agreement_document.SCHEMA:
        for name in ("n_votes", "n_questions", "n_voters", "n_pairs"):
            yield name, found[name]
        for name in ("judge_with_people", "people"):
            yield from _under(name, _of_raters(found[name]))
    elif found["schema"] == scored_document.SCHEMA:
        yield from _of_logs(found)
    else:
        label = labels(result["name"] for result in found["results"])
        for result in found["results"]:
            yield from _under(label[result["name"]], _of_result(result))
    if "cost_usd" in found:
        yield "cost_usd", found["cost_usd"]


def _under(prefix: str, figures: Figures) -> Figures:
    return ((f"{prefix}/{name}", value) for name, value in figures)


def _with_interval(name: str, value: object, interval: Sequence[float] | None) -> Figures:
    yield name, value
    if interval is not None:
        yield from ((f"{name}_low", interval[0]), (f"{name}_high", interval[1]))


def _of_comparison(found: Row) -> Figures:
    yield from _of_pairs(found["comparisons"])
    label = labels(row["model"] for row in found["ranking"])
    for row in found["ranking"]:
        yield f"{label[row['model']]}/rank", row["rank"]
        strength = _with_interval("strength", row["strength"], row["interval"])
        yield from _under(label[row["model"]], strength)


def _of_pairs(rows: Iterable[Row]) -> Figures:
    """Each pair, with its categories below it."""
    label = labels(name for row in rows for name in (row["a"], row["b"]))
    for row in rows:
        pair = f"{label[row['a']]}_vs_{label[row['b']]}"
        yield from _under(pair, _of_tally(row, (*PAIR, *PAIR_MORE)))
        category = labels(row["by_category"])
        for name, tally in row["by_category"].items():
            yield from _under(f"{pair}/{category[name]}", _of_tally(tally, CATEGORY))


def _of_tally(row: Row, names: Iterable[str]) -> Figures:
    yield from _with_interval("win_rate", row["win_rate"], row["interval"])
    for name in ("consistency", "first_position_rate"):
        if name in row and "p_value" in names:
            of = row[f"{name.removesuffix('_rate')}_interval"]
            yield from _with_interval(name, row[name], of)
    yield from ((name, row.get(name)) for name in names)


def _of_passk(found: Row) -> Figures:
    yield from (("n_problems", found["n_problems"]), ("samples", found["samples"]))
    label = labels(row["name"] for row in found["contenders"])
    for row in found["contenders"]:
        yield from _under(label[row["name"]], _of_contender(row))
    for row in found["differences"]:
        pair = f"{label[row['a']]}_vs_{label[row['b']]}"
        name = f"pass_at_{row['k']}_gain"
        yield from _under(pair, _with_interval(name, row["value"], row["interval"]))
        yield from ((f"{pair}/{name}_{one}", row[one]) for one in GAIN)


def _of_contender(row: Row) -> Figures:
    for name in AT_K:
        yield from _at_each(name, row[name])
    for name in ("greedy", "no_answer", "mean_tokens"):
        yield from _with_interval(name, row[name]["value"], row[name]["interval"])


def _at_each(name: str, by_k: Row) -> Figures:
    for k, one in by_k.items():
        yield from _with_interval(f"{name[:-1]}{k}", one["value"], one["interval"])


def _of_logs(found: Row) -> Figures:
    """Each log's scores, and what every two differ by."""
    label = labels(row["name"] for row in found["logs"])
    scorer = labels(row["scorer"] for log in found["logs"] for row in log["scores"])
    for log in found["logs"]:
        for row in log["scores"]:
            name = f"{scorer[row['scorer']]}_{_kind(row)}"
            scored = _with_interval(name, row["value"], row["interval"])
            yield from _under(label[log["name"]], scored)
            yield f"{label[log['name']]}/{name}_n", row["n_samples"]
    for row in found["differences"]:
        name = f"{scorer[row['scorer']]}_{_kind(row)}_gain"
        pair = f"{label[row['a']]}_vs_{label[row['b']]}"
        yield from _under(pair, _with_interval(name, row["value"], row["interval"]))
        yield from ((f"{pair}/{name}_{one}", row[one]) for one in SCORED)


def _kind(row: Row) -> str:
    return "mean" if row["k"] is None else f"pass_at_{row['k']}"


def _of_raters(row: Row) -> Figures:
    for name, figure in (
        ("with_ties", "agreement"),
        ("without_ties", "agreement"),
        ("kappa", "kappa"),
    ):
        one = row[name]
        called = figure if name == "kappa" else f"{figure}_{name}"
        yield from _with_interval(called, one[figure], one["interval"])
        yield from ((f"{called}_n", one["n"]), (f"{called}_n_questions", one["n_questions"]))


def _of_result(result: Row) -> Figures:
    """A comparison or a sampling of a reproduction."""
    if "pairs" in result:
        yield from _of_pairs(result["pairs"])
        return
    yield from (("n_problems", result["n_problems"]), ("samples", result["samples"]))
    sides = (name for row in result["gains"] for name in (row["a"], row["b"]))
    label = labels([*result["pass_at_k"], *sides])
    for name, by_k in result["pass_at_k"].items():
        yield from _under(label[name], _at_each("pass_at_k", by_k))
    for row in result["gains"]:
        pair = f"{label[row['a']]}_vs_{label[row['b']]}"
        name = f"pass_at_{row['k']}_gain"
        yield from _under(pair, _with_interval(name, row["gain"], row["interval"]))
        yield from ((f"{pair}/{name}_{one}", row.get(one)) for one in GAIN)
