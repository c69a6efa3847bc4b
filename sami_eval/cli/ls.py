"""`sami-eval ls`: what there is, each with the file it comes from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from sami_eval.cli.flags import Json
from sami_eval.core import address
from sami_eval.core.errors import UsageError
from sami_eval.core.flags import Flag, Group

Row = tuple[str, ...]


def ls(
    what: Annotated[
        str,
        Flag(
            "models | judges | constitutions | prompts | tasks | markers | methods | scales | "
            "runs | batches",
            Group.ASKED,
            positional=True,
        ),
    ],
    as_json: Json = False,
) -> None:
    """List models, judges, tasks, methods, scales, runs ..., each with where it comes from."""
    from sami_eval.cli.output import print_json, print_table

    listings = {
        "models": _models,
        "judges": _judges,
        "constitutions": _constitutions,
        "prompts": _prompts,
        "tasks": _tasks,
        "markers": _markers,
        "methods": _methods,
        "scales": _scales,
        "runs": _runs,
        "batches": _batches,
    }
    if what not in listings:
        raise UsageError(f"nothing to list under `{what}`", f"known: {', '.join(listings)}")
    columns, rows = listings[what]()
    if as_json:
        items = [dict(zip(columns, row, strict=True)) for row in rows]
        print_json({"schema": f"sami-eval/ls-{what}/1", what: items})
        return
    print_table("", [(*row[:-1], _short(row[-1])) for row in rows], columns)


def _short(path: str) -> str:
    """A path as seen from here."""
    try:
        return str(Path(path).relative_to(Path.cwd()))
    except ValueError:
        return path


def _models() -> tuple[Row, Sequence[Row]]:
    from sami_eval.core.config import find_config
    from sami_eval.generate import models

    config = find_config(Path.cwd())
    return ("name", "what", "where"), [
        (listed.name, listed.what, listed.source) for listed in models.list_models(config)
    ]


def _judges() -> tuple[Row, Sequence[Row]]:
    from sami_eval import judge

    return ("name", "kind", "what", "file"), judge.listing()


def _constitutions() -> tuple[Row, Sequence[Row]]:
    from sami_eval.data.constitutions import constitution_files, read_constitution

    rows: list[Row] = []
    for name, path in constitution_files().items():
        principles = read_constitution(path)
        n_checks = sum(one.check is not None for one in principles)
        rows.append((name, f"{len(principles)} principles, {n_checks} with a check", str(path)))
    return ("name", "what", "file"), rows


def _prompts() -> tuple[Row, Sequence[Row]]:
    from sami_eval.core.files import bundled
    from sami_eval.data.prompts import read_prompts

    rows: list[Row] = []
    for path in sorted(bundled("prompts").glob("*.jsonl")):
        asked = read_prompts(path)
        n = len({prompt.category for prompt in asked})
        rows.append((path.stem, f"{len(asked)} prompts in {n} categories", str(path)))
    return ("name", "what", "file"), rows


def _tasks() -> tuple[Row, Sequence[Row]]:
    from sami_eval.core.files import bundled
    from sami_eval.core.task_files import COMMAND, kind_of, task_files
    from sami_eval.data.tasks import read_task_file

    rows: list[Row] = []
    for path in task_files().values():
        try:
            task = read_task_file(path)
            what = task.about or task.questions.named
            rows.append((task.name, COMMAND[task.kind], what, str(path)))
        except UsageError as error:
            rows.append((path.stem, "?", error.message, error.where or str(path)))
    for path in sorted(bundled("tasks").glob("*.yaml")):
        if kind_of(path.stem) is None:
            comment = path.read_text(encoding="utf-8").partition("\n")[0]
            rows.append((path.stem, "lm_eval alone", comment.lstrip("# "), str(path)))
    return ("name", "command", "what", "file"), rows


def _markers() -> tuple[Row, Sequence[Row]]:
    from sami_eval.data.marker import listing

    return ("name", "what", "file"), list(listing())


def _methods() -> tuple[Row, Sequence[Row]]:
    from sami_eval.align import listing

    return ("name", "what", "file"), listing()


def _scales() -> tuple[Row, Sequence[Row]]:
    from sami_eval.experiment.reproduce import scale

    rows = [
        (name, scale.read_scale(name).about, str(path)) for name, path in scale.listing().items()
    ]
    return ("name", "what", "file"), rows


def _runs() -> tuple[Row, Sequence[Row]]:
    from sami_eval.core.config import find_config
    from sami_eval.experiment import runs
    from sami_eval.report.comparison_glance import beside
    from sami_eval.report.figures import interval_text, percent

    root = find_config(Path.cwd()).root
    dated: list[tuple[str, Row]] = []
    for folder, document in runs.list_runs(root):
        first = document["comparisons"][0]
        result = f"{first['a']} {percent(first['win_rate'])} [{interval_text(first['interval'])}]"
        if len(document["comparisons"]) > 1:
            result = (
                beside(document)
                if document["against"]
                else f"1. {document['ranking'][0]['model']} of {len(document['contenders'])}"
            )
        dated.append((document["date"], (result, document["date"][11:16], _name(folder, root))))
    for folder, passk in runs.list_passk(root):
        k, best = str(passk["ks"][0]), passk["contenders"][0]
        figure = best["pass_at_k"][k]
        result = f"{best['name']} pass@{k} {percent(figure['value'])}"
        result += f" [{interval_text(figure['interval'])}]"
        dated.append((passk["date"], (result, passk["date"][11:16], _name(folder, root))))
    rows = [row for _, row in sorted(dated, key=lambda one: (one[0], one[1][-1]))]
    return ("result", "at", "run"), rows


def _batches() -> tuple[Row, Sequence[Row]]:
    from sami_eval.cli.cancel import jobs

    rows = [
        (job.name, job.state, f"{job.n:,}", job.model, address.shown(job.url) or str(job.file))
        for job in jobs()
    ]
    return ("batch", "state", "requests", "model", "where"), rows


def _name(folder: Path, root: Path) -> str:
    """As `show` takes it: a name under runs/, else the path."""
    return folder.name if folder.parent == root / "runs" else str(folder.relative_to(root))
