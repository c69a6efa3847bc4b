"""A task is one file: compare, passk and lm_eval read it, and what is wrong in it is one line."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml

from sami_eval import cli
from sami_eval.core.errors import UsageError
from sami_eval.data.marker import read_marker
from sami_eval.data.task_keys import Answered, Baseline, Columns, Source, TaskKeys
from sami_eval.data.task_rows import problems_of, prompts_of
from sami_eval.data.tasks import read_task, read_task_file
from tests import ROOT
from tests.loopback_judge import Behaviour, LoopbackJudge
from tests.records import write_rows

PAIRWISE = """task: mine_pairwise
class: !function sami_eval.harness.pairwise.Pairwise
metadata:
  version: 1
  sami_eval:
    kind: pairwise
    about: Mine
    questions:
      file: mine.jsonl
      columns:
        prompt: asked.turns
        id: key
        category: topic
        reference: right
    turns: 2
    temperatures: {riddles: 0.5}
    judge: graded
"""
PASSK = """task: mine_passk
class: !function sami_eval.harness.passk.Passk
metadata:
  sami_eval:
    kind: passk
    questions:
      file: sums.jsonl
      columns: {prompt: sum, reference: result, cluster: template}
    fewshot: {file: shots.jsonl}
"""
ROWS = (
    {"key": 7, "topic": "riddles", "asked": {"turns": ["What?", "Why?", "How?"]}, "right": ["A"]},
    {"key": 8, "topic": "facts", "asked": {"turns": "Where?"}, "right": None},
)
SUMS = (
    {"sum": "One and one?", "result": 2, "template": "a"},
    {"sum": "Two and two?", "result": "So it is\n#### 4", "template": "b"},
)


@pytest.fixture(autouse=True)
def tasks(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("OPENAI_API_KEY", "test")
    Path("tasks").mkdir()
    Path("tasks/mine_pairwise.yaml").write_text(PAIRWISE)
    Path("tasks/mine_passk.yaml").write_text(PASSK)
    write_rows(Path("tasks/mine.jsonl"), *ROWS)
    write_rows(Path("tasks/sums.jsonl"), *SUMS)
    write_rows(Path("tasks/shots.jsonl"), {"sum": "One and two?", "result": 3, "template": "c"})
    return folder / "tasks"


@pytest.fixture
def server() -> Iterator[LoopbackJudge]:
    with LoopbackJudge(Behaviour(first_rate=0.5)) as server:
        yield server


def document(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    assert cli.run([*words, "--json", "-q"]) == 0
    return json.loads(capsys.readouterr().out)


def test_compare_asks_what_a_file_in_tasks_says(
    server: LoopbackJudge, capsys: pytest.CaptureFixture[str]
) -> None:
    at = ["--judge-model", "openai:j", "--base-url", server.url]
    found = document(capsys, "compare", "openai:a", "openai:b", "--task", "mine", *at)
    assert (found["task"], found["judge"]) == ("mine", "graded")
    answered = [one.body for one in server.calls if one.body["model"] == "a"]
    said = {body["messages"][-1]["content"]: body["temperature"] for body in answered}
    assert said == {"What?": 0.5, "Why?": 0.5, "Where?": 0.0}


@pytest.mark.parametrize("name", ["mine", "mine_pairwise", "tasks/mine_pairwise.yaml"])
def test_a_task_has_a_short_name_lm_evals_name_and_a_path(name: str) -> None:
    assert read_task(name, "pairwise").name == "mine"


def test_passk_asks_what_a_file_in_tasks_says(
    server: LoopbackJudge, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["openai:a", "--task", "mine", "--samples", "2", "--k", "1", "--base-url", server.url]
    found = document(capsys, "passk", *asked)
    assert (found["task"], found["n_problems"]) == ("mine", 2)
    assert (found["settings"]["source"], found["settings"]["n_clusters"]) == ("sums.jsonl", 2)
    assert any("One and one?" in str(call.body) for call in server.calls)
    Path("sami-eval.toml").write_text('task = "mine"\n')
    assert document(capsys, "passk", *asked[:1], "--dry-run")["task"] == "mine"
    # Contenders on the embedded base are asked it too: the file does not say `embedded: true`.
    own = document(capsys, "passk", "base", "--num-fewshot", "1", "--dry-run")
    assert (own["problems"], own["shots"]) == ("sums.jsonl", 1)


def test_lm_eval_asks_what_the_same_files_say() -> None:
    from sami_eval.harness.command import TaskManager
    from sami_eval.harness.passk import Passk

    write_rows(
        Path("old.jsonl"),
        *(
            {"question_id": n, "model_id": "old", "choices": [{"index": 0, "turns": ["x", "y"]}]}
            for n in (7, 8)
        ),
    )
    given = {"baseline": "old.jsonl", "judge_model": "openai:j", "n": 2, "base_url": "http://h/v1"}
    found = TaskManager(metadata=given).load(["mine_pairwise", "mine_passk"])["tasks"]
    compared, solved = found["mine_pairwise"], found["mine_passk"]
    assert [doc["turns"] for doc in compared.eval_docs] == [["What?", "Why?"], ["Where?"]]
    assert compared.against.judge.name == "graded"
    compared.build_all_requests()
    assert [one.args[1]["temperature"] for one in compared.instances] == [0.5, 0.0]
    assert isinstance(solved, Passk)
    assert [(doc["question"], doc["gold"]) for doc in solved.eval_docs] == [
        ("One and one?", "2"),
        ("Two and two?", "4"),
    ]
    assert [one.name for one in solved._filters] == ["value"]


def test_filters_of_no_task_of_lm_evals_are_said(capsys: pytest.CaptureFixture[str]) -> None:
    from sami_eval.harness.passk import Passk

    Path("tasks/mine_passk.yaml").write_text(PASSK + "    filters: gsm9k\n")
    metadata = {"config_source": "tasks/mine_passk.yaml"}
    made = Passk(config={"task": "mine_passk", "metadata": metadata})
    assert [one.name for one in made._filters] == ["value"]
    assert "`filters: gsm9k` of task `mine`" in capsys.readouterr().err


def test_the_rows_of_a_task_are_its_prompts_and_problems() -> None:
    first, second = prompts_of(read_task("mine", "pairwise"))
    assert (first.id, first.category, first.reference) == ("7", "riddles", ("A", ""))
    assert (second.turns, second.reference) == (("Where?",), None)
    one, two = problems_of(read_task("mine", "passk"), read_marker())
    assert (one.prompt.id, one.cluster, two.cluster) == ("1", "a", "b")


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ("about: Mine", "abuot: Mine", 7, "unknown key `abuot`"),
        ("key\n", "key\n        turn: x\n", 13, "unknown key `questions.columns.turn`"),
        ("turns: 2", "turns: 0", 15, "`turns` is `0`"),
        ("turns: 2", "turns: 2\n    turns: 3", 16, "`metadata.sami_eval.turns` stands twice"),
        ("turns: 2", "marker: number", 15, "`marker` is no key of a task of kind pairwise"),
        ("{riddles: 0.5}", "{riddles: hot}", 16, "`temperatures.riddles` is `'hot'`"),
        ("key\n", "keys\n", 12, "`mine.jsonl` has no column `keys`"),
        ("kind: pairwise", "kind: passk", 6, "`kind` is `passk`"),
        ("      file: mine.jsonl\n", "", 8, "`questions` names neither `hub` nor `file`"),
        ("file: mine.jsonl", "file: mine.jsonl\n      split: test", 10, "`questions.split` is of"),
        ("file: mine.jsonl", "hub: a/b", 8, "`questions.split` is missing"),
        ("Pairwise\n", "Pairwize\n", 2, "`class` is `sami_eval.harness.pairwise.Pairwize`"),
        ("sami_eval.h", "sami_evl.h", 2, "`class` is `sami_evl.harness.pairwise.Pairwise`"),
        ("file: mine.jsonl", "hub: a/b\n      file: a.json\n      split: test", 11, "is not read"),
        (
            *("file: mine.jsonl", "hub: a/b\n      split: x\n      subset: c\n      subsets: [d]"),
            *(11, "`questions.subset` is not read where `questions.subsets` is given"),
        ),
        ("    turns", "      first_id: 3\n    turns", 15, "is not read: `columns.id` says the ids"),
        ("    turns", "      category: x\n    turns", 15, "not read: `columns.category` says it"),
        (
            *("judge: graded", "baseline: {name: a, answers: [{file: a.jsonl, split: b}]}"),
            *(17, "`baseline.answers.0.split` is of a data set of the hub"),
        ),
        ("file: mine.jsonl", "file: none.jsonl", 8, "no file `tasks/none.jsonl`"),
        (
            *("judge: graded", "baseline: {name: a, answers: [{modl: b}]}"),
            *(17, "unknown key `baseline.answers.0.modl`"),
        ),
        ("task: mine_", "task: other_", 1, "`task` is `other_pairwise`"),
        ("key\n", "key\n        cluster: key\n", 13, "`questions.columns.cluster` is nothing of"),
        ("turns: 2", "wrong_references: [7, 9]", 15, "no question has the id `9`"),
        ("class", "judeg: x\nclass", 2, "nothing reads `judeg`"),
        ("class", "generation_kwargs: {}\nclass", 2, "nothing reads `generation_kwargs`"),
        ("version: 1", "judge: quality", 4, "`metadata.judge` is no key of a task's file"),
        ("{riddles: 0.5}", "{ridles: 0.5}", 16, "no question is of the category `ridles`"),
        ("{riddles", "riddles", 16, "not YAML"),
        ("kind: pairwise", "kind: [pairwise", 7, "not YAML"),
    ],
)
def test_what_is_wrong_in_a_task_file_is_named_with_its_line(
    old: str, new: str, line: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert old in PAIRWISE
    Path("tasks/mine_pairwise.yaml").write_text(PAIRWISE.replace(old, new, 1))
    assert cli.run(["compare", "openai:a", "openai:b", "--task", "mine", "--dry-run"]) == 2
    error, where, blank, hint = capsys.readouterr().err.splitlines()
    assert said in error
    assert where == f"  --> tasks/mine_pairwise.yaml:{line}"
    assert (blank, hint[:6]) == ("", "hint: ")
    assert cli.run(["ls", "tasks"]) == 0


@pytest.mark.parametrize(
    ("words", "said", "hint"),
    [
        (["compare", "a", "b", "--task", "mtbanch"], "unknown task `mtbanch`", "`mtbench`"),
        (
            ["compare", "a", "b", "--task", "gsm8k"],
            "`gsm8k` is of kind passk",
            "passk --task gsm8k",
        ),
        (["passk", "a", "--task", "mtbench_pairwise"], "is of kind pairwise", "compare --task"),
        (["passk", "a", "--task", "x/y.yaml"], "the name of no task file", "y_passk.yaml"),
        (["passk", "a", "--task", "x/y_passk.yaml"], "no task file `x/y_passk.yaml`", "ls tasks"),
        (["passk", "a", "--task", "mine", "--split", "s"], "has no splits", "leave --split out"),
    ],
)
def test_a_task_that_a_command_cannot_ask_is_refused(
    words: list[str], said: str, hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("sami-eval.toml").write_text(
        '[models.a]\nbase = "openai:a"\n[models.b]\nbase = "openai:b"'
    )
    assert cli.run([*words, "--dry-run"]) == 2
    error, *_, last = capsys.readouterr().err.splitlines()
    assert said in error
    assert hint in last


def test_a_value_that_is_no_text_is_named_with_its_row(capsys: pytest.CaptureFixture[str]) -> None:
    write_rows(Path("tasks/mine.jsonl"), ROWS[0], {**ROWS[1], "asked": {"turns": 3}})
    with pytest.raises(UsageError, match=r"`asked.turns` is `3`, not a text") as caught:
        prompts_of(read_task("mine", "pairwise"))
    assert caught.value.where == "tasks/mine.jsonl:2"


def test_a_file_may_include_another_as_lm_eval_has_it() -> None:
    Path("tasks/more_pairwise.yaml").write_text(
        "include: mine_pairwise.yaml\ntask: more_pairwise\n"
    )
    assert read_task("more", "pairwise").judge == "graded"


@pytest.mark.parametrize(
    ("change", "said", "where"),
    [
        ({"sum": "One  and one?"}, "is the one at `tasks/sums.jsonl:1` again", "sums.jsonl:2"),
        ({"template": "a"}, "all rows have the same `template`", "mine_passk.yaml:8"),
    ],
)
def test_problems_that_would_count_for_more_than_they_are_get_refused(
    change: dict[str, str], said: str, where: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write_rows(Path("tasks/sums.jsonl"), SUMS[0], {**SUMS[1], **change})
    assert cli.run(["passk", "base", "--task", "mine", "--dry-run"]) == 2
    error, at, *_ = capsys.readouterr().err.splitlines()
    assert said in error
    assert at == f"  --> tasks/{where}"


def test_what_lm_eval_alone_reads_is_said_and_what_is_ours_is_done(
    capsys: pytest.CaptureFixture[str],
) -> None:
    keys = "num_fewshot: 1\ngeneration_kwargs: {temperature: 0.1}\n"
    own = PASSK.replace("    kind", "    max_tokens: 33\n    kind") + keys
    Path("tasks/mine_passk.yaml").write_text(own)
    found = document(capsys, "passk", "base", "--task", "mine", "--dry-run")
    first, second = found["notes"]
    assert "mine_passk.yaml:11: `num_fewshot` is for lm_eval alone; here: --num-fewshot" in first
    assert "`generation_kwargs` is for lm_eval alone; here: --temperature" in second
    assert (found["temperature"], found["shots"], found["max_tokens"]) == (0.7, 0, 33)


def test_a_file_of_ones_own_wins_over_ours_and_that_is_said(
    capsys: pytest.CaptureFixture[str],
) -> None:
    own = PASSK.replace("mine_passk", "gsm8k_passk")
    Path("tasks/gsm8k_passk.yaml").write_text(own)
    found = document(capsys, "passk", "base", "--dry-run")
    assert found["problems"] == "sums.jsonl"
    assert found["notes"] == [
        "task `gsm8k`: tasks/gsm8k_passk.yaml is used, not the one that comes with sami-eval"
    ]


def test_a_hub_out_of_reach_and_rows_in_another_order_are_one_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    task = read_task("gsm8k", "passk")
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(UsageError, match="cannot read `openai/gsm8k` from the hub") as caught:
        problems_of(task, read_marker())
    assert "--prompts" in caught.value.hint
    rows = [{"category": "math", "prompt": ["a?"], "reference": []}] * 80
    monkeypatch.setattr("datasets.load_dataset", lambda name, split: rows)
    with pytest.raises(UsageError, match="no longer has its 80 questions in the original order"):
        prompts_of(read_task("mtbench", "pairwise"))


def test_the_files_of_ours_are_lm_evals_too() -> None:
    for path in (ROOT / "tasks").glob("*.yaml"):
        assert f"task: {path.stem}\n" in path.read_text()
        assert yaml.safe_load(path.read_text().replace("!function", ""))["class"]


def test_the_page_shows_tasks_that_work_and_names_every_key() -> None:
    page = (ROOT / "docs" / "tasks.md").read_text(encoding="utf-8")
    for text in re.findall(r"^```yaml\n(.*?)^```", page, re.S | re.M):
        name = text.split()[1]
        Path(f"tasks/{name}.yaml").write_text(text)
        assert read_task_file(Path(f"tasks/{name}.yaml")).full == name
    rows = re.findall(r"^\{.*$", page, re.M)
    Path("tasks/riddles.jsonl").write_text("\n".join(rows))
    first, second = prompts_of(read_task("riddles", "pairwise"))
    assert (first.reference, second.reference) == (("A piano.", ""), None)
    prose = re.sub(r"^```.*?^```$", "", page, flags=re.S | re.M)
    named = set(re.findall(r"`([^`]+)`", prose))
    assert {
        one.name for kind in (TaskKeys, Source, Columns, Baseline, Answered) for one in fields(kind)
    } <= named
