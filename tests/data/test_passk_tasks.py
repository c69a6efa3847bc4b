"""The pass@k tasks that come with sami-eval, on rows of our own in their data sets' columns."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sami_eval import cli
from sami_eval.core.errors import UsageError
from sami_eval.data.marker import read_marker
from sami_eval.data.task_rows import problems_of
from sami_eval.data.tasks import read_task
from sami_eval.harness.passk import Passk
from tests.loopback_judge import Behaviour, LoopbackJudge, completion
from tests.records import write_rows

LANGUAGES = ("bn", "de", "en", "es", "fr", "ja", "ru", "sw", "te", "th", "zh")
KINDS = ("numerical substitution", "digit expansion", "critical thinking")


def gsm_plus(**where: Any) -> Iterator[dict[str, Any]]:
    for seed in range(3):
        for kind in KINDS:
            gold = "None" if kind == KINDS[-1] else str(seed + 1)
            yield {
                "question": f"{kind}: what is {seed} + 1?",
                "solution": f"One more.\n#### {gold}",
                "answer": gold,
                "perturbation_type": kind,
                "seed_question": f"What  is {seed} + 1?\nSay it.",
                "seed_solution": f"#### {seed + 1}",
                "seed_answer": str(seed + 1),
            }


def math_500(**where: Any) -> Iterator[dict[str, Any]]:
    for i, gold in enumerate((r"\frac{1}{2}", r"(4,\pi)", r"\text{odd}")):
        yield {
            "problem": f"Problem {i}?",
            "solution": rf"It is $\boxed{{{gold}}}$.",
            "answer": gold,
            "subject": "Counting & Probability",
            "level": 5,
            "unique_id": f"test/counting_and_probability/{i}.json",
        }


def aime24(**where: Any) -> Iterator[dict[str, Any]]:
    for i, gold in enumerate(("033", "204")):
        row = {"id": 60 + i, "problem": f"Problem {i}?", "solution": "So it is.", "answer": gold}
        yield {**row, "url": "https://example.org", "year": "2024"}


def aime25(**where: Any) -> Iterator[dict[str, Any]]:
    yield from ({"problem": f"Problem {i}?", "answer": "70", "id": str(i)} for i in range(2))


def mgsm(name: str, **where: Any) -> Iterator[dict[str, Any]]:
    for i in range(2):
        row = {"question": f"{name}: {i} + 1?", "answer": None, "answer_number": i + 1}
        yield {**row, "equation_solution": None}


SETS = {
    "qintongli/GSM-Plus": gsm_plus,
    "HuggingFaceH4/MATH-500": math_500,
    "HuggingFaceH4/aime_2024": aime24,
    "math-ai/aime25": aime25,
    "juletxara/mgsm": mgsm,
}


@pytest.fixture(autouse=True)
def hub(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What would be fetched: the arguments of each call."""
    asked: list[dict[str, Any]] = []

    def load(path: str, **where: Any) -> list[dict[str, Any]]:
        asked.append({"path": path, **where})
        return list(SETS[path](**where))

    monkeypatch.setattr("datasets.load_dataset", load)
    return asked


@pytest.mark.parametrize(
    ("name", "ids", "categories", "golds", "clusters"),
    [
        (
            "gsm_plus",
            ["1", "2", "3", "4", "5", "6"],  # what has no answer is left out
            set(KINDS[:2]),
            ["1", "1", "2", "2", "3", "3"],
            [f"What is {seed} + 1? Say it." for seed in (0, 0, 1, 1, 2, 2)],
        ),
        (
            "math_500",
            [f"test/counting_and_probability/{i}.json" for i in range(3)],
            {"Counting & Probability"},
            ["1/2", "(4, pi)", "odd"],
            [None] * 3,
        ),
        ("aime24", ["60", "61"], {"math"}, ["33", "204"], [None] * 2),
        ("aime25", ["0", "1"], {"math"}, ["70", "70"], [None] * 2),
        (
            "mgsm",
            [
                f"{one}/{i}"
                for one in ["bn", "de", "en", "es", "fr", "ja", "ru", "sw", "te", "th", "zh"]
                for i in (1, 2)
            ],
            set(LANGUAGES),
            ["1", "2"] * 11,
            ["1", "2"] * 11,  # the same problem in every language
        ),
    ],
)
def test_a_task_reads_its_data_set(
    hub: list[dict[str, Any]],
    name: str,
    ids: list[str],
    categories: set[str],
    golds: list[str],
    clusters: list[str | None],
) -> None:
    task = read_task(name, "passk")
    problems = problems_of(task, read_marker(task.marker))
    assert [one.prompt.id for one in problems] == ids
    assert {one.prompt.category for one in problems} == categories
    assert [one.gold for one in problems] == golds
    assert [one.cluster for one in problems] == clusters
    assert all(len(call["revision"]) == 40 for call in hub)


def test_variants_of_a_seed_question_are_one_unit_of_every_interval(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with LoopbackJudge(Behaviour(script=lambda body: (200, {}, completion("It is 1.")))) as server:
        job = ["passk", "openai:x", "--task", "gsm_plus", "--base-url", server.url, "--json"]
        assert cli.run([*job, "--k", "1", "--samples", "1", "--no-greedy", "-q"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["n_problems"], document["settings"]["n_clusters"]) == (6, 3)
    assert document["settings"]["cluster"] == "seed_question"
    assert document["contenders"][0]["pass_at_k"]["1"]["value"] == pytest.approx(2 / 6)
    by_category = document["contenders"][0]["by_category"]
    assert {name: one["n_problems"] for name, one in by_category.items()} == dict.fromkeys(
        KINDS[:2], 3
    )
    assert by_category[KINDS[0]]["pass_at_k"]["1"]["value"] == pytest.approx(1 / 3)
    assert cli.run(["show"]) == 0
    shown = capsys.readouterr().out
    assert "3 groups of problems by `seed_question`" in " ".join(shown.split())
    assert re.search(r"digit expansion +3 +33\.3%", shown)
    assert max(map(len, shown.splitlines())) <= 80


def test_what_is_to_be_left_out_must_be_there(tmp_path: Path) -> None:
    text = Path(read_task("gsm_plus", "passk").stated.path).read_text(encoding="utf-8")
    file = tmp_path / "gsm_plus_passk.yaml"
    file.write_text(text.replace(KINDS[-1], "nonsense"), encoding="utf-8")
    with pytest.raises(UsageError, match=r"no row of .* has .* `nonsense`") as raised:
        problems_of(read_task(str(file), "passk"), read_marker())
    assert str(raised.value.where).startswith(f"{file}:")


def test_a_file_beside_a_task_is_read_in_the_task_s_columns(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_rows("gsm_plus.jsonl", *gsm_plus())
    write_rows("math_500.jsonl", *math_500())
    asked = ["passk", "base", "--k", "1", "--samples", "2", "--dry-run", "--json", "--prompts"]
    said = {}
    for name in ("gsm_plus", "math_500"):
        assert cli.run([*asked, f"{name}.jsonl", "--task", name]) == 0
        said[name] = json.loads(capsys.readouterr().out)
    assert (said["gsm_plus"]["n_problems"], said["gsm_plus"]["marker"]) == (6, "number")
    assert said["math_500"]["n_problems"] == 3
    assert said["math_500"]["marker"].startswith("math (math-verify")
    assert said["gsm_plus"]["notes"] == []
    assert cli.run([*asked, "math_500.jsonl", "--task", "gsm_plus", "--marker", "math"]) == 0
    (note,) = json.loads(capsys.readouterr().out)["notes"]
    assert note.endswith("as task `gsm_plus` has: read in our format, without clusters")
    assert cli.run([*asked, "gsm_plus.jsonl"]) == 2  # the file alone says nothing of its rows
    assert "no gold answer" in capsys.readouterr().err
    path = str(read_task("gsm_plus", "passk").stated.path)
    given = {"problems": "gsm_plus.jsonl", "config_source": path}
    in_lm_eval = Passk(config={"task": "gsm_plus_passk", "metadata": given})
    assert [doc["gold"] for doc in in_lm_eval.eval_docs] == ["1", "1", "2", "2", "3", "3"]
