"""pass@k as the hub's `.eval_results/*.yaml`, which a model's page and a benchmark's board show.

A file goes into the repository of the model that it is of. Of win rates the hub has no board.
Source: huggingface.co/docs/hub/eval-results; huggingface_hub writes and reads the entries.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sami_eval.core.errors import UsageError
from sami_eval.experiment import passk_document
from sami_eval.report.finished import Finished

if TYPE_CHECKING:
    from sami_eval.experiment.passk_document import PasskContender, PasskDocument


@dataclass(frozen=True, slots=True)
class Board:
    """A benchmark of the hub. task: its id there. n: problems of the split that it ranks by."""

    task: str
    split: str
    n: int


# The task's id as Every Eval Ever sends it to this board (tools/hf_community_evals.py).
BOARDS = {"openai/gsm8k": Board("gsm8k", "test", 1319)}


def hub_results(found: Finished) -> dict[str, str]:
    """A file a contender, by its place. Raises UsageError for what no board takes."""
    import yaml
    from huggingface_hub import eval_result_entries_to_yaml

    if found["schema"] != passk_document.SCHEMA:
        raise UsageError(
            "the hub has no board for win rates: `--hub-results` needs a run of passk",
            "sami-eval passk MODEL, then sami-eval show --hub-results FOLDER",
        )
    source, board = _board(found)
    files = {}
    for row in found["contenders"]:
        entry = _entry(found, row, source, board)
        text = yaml.safe_dump(eval_result_entries_to_yaml([entry]), sort_keys=False)
        files[f"{row['name'].replace('/', '-')}/.eval_results/{board.task}.yaml"] = text
    return files


def _board(found: PasskDocument) -> tuple[str, Board]:
    """The board of the problems. Raises UsageError where there is none, or for a part of them."""
    source, split = found["settings"]["source"], found["settings"]["split"]
    board = BOARDS.get(source)
    if board is None or found["embedded"]:
        raise UsageError(
            f"no board of the hub is known for the problems of `{source}`",
            f"known: {', '.join(BOARDS)}",
        )
    if split != board.split or found["n_problems"] != board.n:
        raise UsageError(
            f"{found['n_problems']:,} problems of the split `{split}` were asked: the board of "
            f"`{source}` ranks by all {board.n:,} of `{board.split}`",
            "sami-eval passk MODEL --split test, without --limit",
        )
    return source, board


def _entry(found: PasskDocument, row: PasskContender, source: str, board: Board) -> Any:
    """pass@1 in percent, as that board has it, and how it was measured."""
    from huggingface_hub import EvalResultEntry

    one, settings = row["pass_at_k"].get("1"), found["settings"]
    if one is None or one["value"] is None or one["interval"] is None:
        raise UsageError(f"`{row['name']}` has no pass@1", "sami-eval passk MODEL --k 1")
    low, high = (100 * end for end in one["interval"])
    said = (
        f"pass@1, 95% interval {low:.1f} to {high:.1f}; {found['samples']} samples a problem, "
        f"{settings['shots']}-shot, temperature {settings['temperature']:g}, top_p "
        f"{settings['top_p']:g}, marker {settings['marker']}; by sami-eval"
    )
    return EvalResultEntry(
        dataset_id=source,
        task_id=board.task,
        value=round(100 * one["value"], 2),
        date=found["date"],
        notes=said,
    )
