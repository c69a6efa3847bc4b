"""A task's baseline: the recorded answers that contenders are compared with, named in its file.

baseline:
  name: old-models
  answers:
    - {hub: ID, file: PATH IN IT, revision: COMMIT, categories: [hard]}
    - {hub: ID, subset: NAME, split: train}
    - {file: old.jsonl, model: old}

The files are in any format that `read_answers` reads.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from sami_eval.core.errors import UsageError
from sami_eval.core.types import Prompt, Response
from sami_eval.data import hub
from sami_eval.data.answers import read_answers
from sami_eval.data.task_keys import Answered, Baseline

INSTEAD = "--against FILE compares with answers of yours, --against none with no baseline"


def read_baseline(
    baseline: Baseline, folder: Path, prompts: Sequence[Prompt]
) -> tuple[list[Response], str]:
    """The baseline's answer to each prompt, in their order and under its name, and whose they are.

    folder: of the task's file. Raises UsageError where they cannot be read, are of several models
    and none is named, or lack a prompt or a turn.
    """
    found: dict[str, Response] = {}
    whose: dict[str, None] = {}
    for source in baseline.answers:
        wanted = [
            one.id
            for one in prompts
            if source.categories is None or one.category in source.categories
        ]
        answers = {one.prompt_id: one for one in _answers(source, folder)}
        mine = {name: answers[name] for name in wanted if name in answers and name not in found}
        found |= mine
        of = f" ({', '.join(source.categories)})" if source.categories else ""
        whose |= {
            f"{model}{of}": None for model in dict.fromkeys(one.model for one in mine.values())
        }
    _check(baseline, found, prompts)
    kept = [replace(found[one.id], model=baseline.name) for one in prompts]
    return kept, ", ".join(whose)


def _check(baseline: Baseline, found: dict[str, Response], prompts: Sequence[Prompt]) -> None:
    lacking = [
        one.id
        for one in prompts
        if one.id not in found or len(found[one.id].turns) < len(one.turns)
    ]
    if lacking:
        more = f" and {len(lacking) - 3} more" if len(lacking) > 3 else ""
        named = ", ".join(f"`{name}`" for name in lacking[:3])
        raise UsageError(
            f"baseline `{baseline.name}` answers {len(prompts) - len(lacking)} of {len(prompts)} "
            f"questions; without an answer: {named}{more}",
            INSTEAD,
        )


def _answers(source: Answered, folder: Path) -> Iterator[Response]:
    """The first samples of one model's answers."""
    every = [one for one in _read(source, folder) if one.sample == 0]
    models = list(dict.fromkeys(one.model for one in every))
    if source.model is None and len(models) > 1:
        raise UsageError(
            f"`{source.named}` holds answers of {len(models)} models, `{models[0]}` and others",
            "model: in the task's baseline says whose",
        )
    if source.model is not None and source.model not in models:
        said = f"`{source.named}` holds no answers of `{source.model}`"
        raise UsageError(said, f"it holds those of {', '.join(models[:6])}")
    return (one for one in every if source.model in (None, one.model))


def _read(source: Answered, folder: Path) -> list[Response]:
    if source.hub is None:
        return read_answers(folder / Path(str(source.file)).expanduser())
    try:
        if source.file is not None:
            return read_answers(hub.fetch(source.hub, source.file, source.revision))
        rows = hub.read_rows(
            source.hub, source.subset, split=source.split or "train", revision=source.revision
        )
    except hub.HubError as error:
        said = f"cannot read the baseline's answers, `{source.named}`, from the hub: {error}"
        raise UsageError(said, f"fetch them once, with a network; {INSTEAD}") from None
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "answers.jsonl"
        path.write_text(
            "".join(json.dumps(dict(row), default=str) + "\n" for row in rows), encoding="utf-8"
        )
        return read_answers(path)
