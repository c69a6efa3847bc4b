"""A finished result and the files beside its document: where it lies, its page, its scores."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sami_eval.core.errors import UsageError
from sami_eval.data.answers import answers_to, read_answers
from sami_eval.data.prompts import read_prompts
from sami_eval.experiment import document, passk_document, runs
from sami_eval.experiment.document import Document, read_document
from sami_eval.report.finished import Finished, finished_in, read_finished, report_of
from sami_eval.report.table import Report


def find(run: str | None, root: Path) -> tuple[Finished, Path]:
    """The document that a run, a folder or a file holds, and that folder or file.

    run: by default the latest below `root`. Raises UsageError where there is none.
    """
    from sami_eval.data.inspect_log import is_log
    from sami_eval.experiment.imports import read_verdict_file

    if run is not None and is_log(Path(run)):
        return beside([run])
    if run is not None and (file := Path(run)).is_file():
        found = read_document(file) if file.name == runs.DOCUMENT else read_finished(file)
        return found or read_verdict_file(file), file
    for folder in (Path(run), root / runs.REPRODUCTIONS / run) if run else ():
        if (found := finished_in(folder)) is not None:
            return found, folder
    folder = runs.find_run(run, root)
    return finished_in(folder) or read_document(folder / runs.DOCUMENT), folder


def beside(files: Sequence[str], against: str | None = None) -> tuple[Finished, Path]:
    """Logs of Inspect side by side, and the file that their page is named after.

    Raises UsageError for what is no such log.
    """
    from sami_eval.data.inspect_log import HINT, is_log
    from sami_eval.experiment.scored_document import read_scored

    paths = [Path(file) for file in files]
    for path in paths:
        if not is_log(path):
            raise UsageError(
                f"`{path}` is no log of Inspect: of other results one is shown at a time", HINT
            )
    stems = "-vs-".join(path.stem for path in paths)
    return read_scored(paths, against), paths[0].with_name(f"{stems[:200]}.eval")


def found(runs: Sequence[str], against: str | None, root: Path) -> tuple[Finished, Path]:
    """What was named: one result of any kind, the latest where none is, or logs side by side."""
    if len(runs) > 1 or against is not None:
        return beside(runs, against)
    return find(next(iter(runs), None), root)


def with_votes(found: Document, source: Path, votes: str, names: tuple[str, ...]) -> Document:
    """With the win rate corrected by people's votes; source: run folder or file of verdicts."""
    from sami_eval.experiment import corrected
    from sami_eval.experiment.imports import verdicts_in

    folder = source.parent if source.name == runs.DOCUMENT else source
    judged = runs.read_verdicts(folder) if folder.is_dir() else verdicts_in(folder)
    pairs = [(row["a"], row["b"]) for row in found["comparisons"]]
    people = corrected.read_people(votes, names, pairs, [one.prompt_id for one in judged])
    file = folder / "responses.jsonl"
    answers = read_answers(file) if file.is_file() else ()
    return corrected.with_votes(found, judged, people, answers)


def check_folder(place: Path) -> None:
    """Raise UsageError where verdicts lie in a file, without their questions and answers."""
    if not place.is_dir():
        raise UsageError(
            f"`{place}` is a file of verdicts, not a run: it cannot be exported again",
            "--json, --markdown, --latex and --lm-eval work for it too",
        )


def scores(found: Finished, place: Path) -> Report:
    """The finest figures there are: of each question or problem of a run, else the tables."""
    from sami_eval.report import comparison_exports, passk_rows

    if found["schema"] == document.SCHEMA:
        check_folder(place)
        category = {one.id: one.category for one in read_prompts(place / "prompts.jsonl")}
        return [[comparison_exports.scores(found, runs.read_verdicts(place), category)]]
    if found["schema"] == passk_document.SCHEMA:
        return [[passk_rows.scores(found, _samples(place))]]
    return report_of(found, verbose=True)


def curves(found: Finished, place: Path) -> Report:
    """pass@k and its kin at every k. Raises UsageError for what has none."""
    from sami_eval.report import passk_rows

    if found["schema"] != passk_document.SCHEMA:
        raise UsageError(f"`{place}` holds no pass@k figures", "a run of sami-eval passk")
    if not all(row["at_every_k"] for row in found["contenders"]):
        raise UsageError(
            f"`{place}` is of an earlier version, which kept no figures at every k",
            f"sami-eval again {place}: it draws nothing that is stored",
        )
    return [[passk_rows.at_every_k(found)]]


def _samples(place: Path) -> list[dict[str, Any]]:
    from sami_eval.core.records import read_lines

    return [row for _, row in read_lines(place / "samples.jsonl", "sami-eval ls runs")]


def page(found: Finished, place: Path) -> str:
    """The page of a result, with every answer and verdict of a run."""
    from sami_eval.report import comparison_page, passk_page, report_page

    if found["schema"] == document.SCHEMA:
        check_folder(place)
        asked, answers = read_prompts(place / "prompts.jsonl"), place / "responses.jsonl"
        ids = {one.id for one in comparison_page.to_read(found, asked)}
        judged = [one for one in runs.verdicts(place) if one.prompt_id in ids]
        run = comparison_page.Run(found, asked, answers_to(ids, answers), judged)
        return comparison_page.comparison_page(run)
    if found["schema"] == passk_document.SCHEMA:
        problems = read_prompts(place / "problems.jsonl")
        return passk_page.passk_page(passk_page.PasskRun(found, problems, _samples(place)))
    if found["schema"] == "sami-eval/agreement/1":
        return report_page.agreement_page(found)
    if found["schema"] == "sami-eval/scored/1":
        return report_page.scored_page(found)
    return report_page.reproduction_page(found)
