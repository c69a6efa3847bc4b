"""lm-eval's MT-Bench tasks: which turns a backend can answer, and how answers are judged."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lm_eval
import pytest
from lm_eval.models.huggingface import HFLM

from sami_eval.core.errors import UsageError
from sami_eval.core.types import Prompt, Response, Verdict
from sami_eval.data.answers import read_answers, write_answers
from sami_eval.data.constitutions import read_constitution
from sami_eval.data.prompts import to_row, with_principles
from sami_eval.embedded import BASE_DIR, prompts
from sami_eval.harness.command import TaskManager
from sami_eval.harness.judging import win_rates
from sami_eval.harness.model import SamiEvalLM
from sami_eval.judge import checks
from tests.loopback_judge import Behaviour, LoopbackJudge

pytestmark = pytest.mark.filterwarnings("ignore")  # lm-eval's own, and its backends'
SHORT = {"max_gen_toks": 24}
STOCK = {"pretrained": str(BASE_DIR)}  # what lm-eval's command merges in from --model_args


def questions() -> list[Prompt]:
    """Two questions of two turns in each of three categories."""
    found = []
    for category in ("writing", "math", "stem"):
        of_it = [p for p in prompts("evaluation") if p.category == category and len(p.turns) == 2]
        found += of_it[:2]
    return found


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in, the questions and a baseline's answers in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", "test")
    rows = [{**to_row(prompt), "principles": None} for prompt in questions()]
    Path("questions.jsonl").write_text(
        "".join(json.dumps({k: v for k, v in row.items() if v}) + "\n" for row in rows)
    )
    write_answers(
        Path("baseline.jsonl"),
        [Response(p.id, "old", ("A short word.", "Another short word.")) for p in questions()],
    )
    return tmp_path


@pytest.fixture
def server() -> Iterator[LoopbackJudge]:
    """A judge that takes the longer answer."""
    with LoopbackJudge(Behaviour(latency_s=0.02)) as server:
        yield server


@pytest.fixture(scope="module")
def stock() -> HFLM:
    return HFLM(pretrained=str(BASE_DIR), batch_size=8, device="cpu")


def evaluate(lm: Any, task: str, server: LoopbackJudge | None = None, **metadata: Any) -> Any:
    given = {"questions": "questions.jsonl", **metadata}
    if server is not None:
        given |= {"judge_model": "openai:judge", "base_url": server.url, "judge": "quality"}
    found = TaskManager(metadata=given)
    results = lm_eval.simple_evaluate(
        model=lm, tasks=[task], task_manager=found, gen_kwargs=SHORT, apply_chat_template=True
    )
    assert results is not None
    return results


def judged_turns(server: LoopbackJudge) -> int:
    """Turns asked about, each in both orders."""
    assert server.n_calls % 2 == 0
    return server.n_calls // 2


def test_our_model_class_answers_both_turns_in_one_run(server: LoopbackJudge) -> None:
    lm = SamiEvalLM(engine="hf")
    results = evaluate(lm, "mtbench_pairwise", server, baseline="baseline.jsonl", answers="a.jsonl")
    answers = read_answers(Path("a.jsonl"))
    assert [len(one.turns) for one in answers] == [2] * 6
    assert judged_turns(server) == 12
    assert server.most_at_once > 1
    # The second turn's prompt holds the model's own first answer.
    seen = json.dumps([call.body for call in server.calls])
    assert all(json.dumps(one.turns[0])[1:-1] in seen for one in answers)
    figures = results["results"]["mtbench_pairwise"]
    wins = [
        sum((len(own) > len(old)) + (len(own) == len(old)) / 2 for own, old in pairs) / 2
        for pairs in (
            zip(one.turns, ("A short word.", "Another short word."), strict=True) for one in answers
        )
    ]
    mean = sum(wins) / 6
    assert figures["win_rate,none"] == pytest.approx(mean)
    spread = math.sqrt(sum((w - mean) ** 2 for w in wins) / 5 / 6)
    assert figures["win_rate_stderr,none"] == pytest.approx(spread)
    assert figures["win_rate_math,none"] == pytest.approx(sum(wins[2:4]) / 2)
    assert figures["unparsed,none"] == 0


def test_a_second_run_asks_the_judge_nothing(server: LoopbackJudge) -> None:
    lm = SamiEvalLM(engine="hf")
    first = evaluate(lm, "mtbench_pairwise", server, baseline="baseline.jsonl")
    n_calls = server.n_calls
    again = evaluate(lm, "mtbench_pairwise", server, baseline="baseline.jsonl")
    assert server.n_calls == n_calls
    assert again["results"] == first["results"]


def test_a_stock_backend_judges_turn_one_then_both_with_its_record(
    stock: HFLM, server: LoopbackJudge, capsys: Any
) -> None:
    given = {**STOCK, "baseline": "baseline.jsonl"}
    evaluate(stock, "mtbench_turn1", answers="first.jsonl", **STOCK)
    assert server.n_calls == 0
    evaluate(stock, "mtbench_pairwise", server, answers="alone.jsonl", **given)
    assert judged_turns(server) == 6
    assert "the first turn alone is judged" in capsys.readouterr().err
    evaluate(stock, "mtbench_pairwise", server, first="first.jsonl", answers="both.jsonl", **given)
    assert judged_turns(server) == 6 + 12 - same_first(Path("alone.jsonl"), Path("first.jsonl"))
    assert "WARNING" not in capsys.readouterr().err
    recorded = {one.prompt_id: one.turns for one in read_answers(Path("first.jsonl"))}
    both = {one.prompt_id: one.turns for one in read_answers(Path("both.jsonl"))}
    assert {name: turns[:1] for name, turns in both.items()} == recorded
    assert all(len(turns) == 2 for turns in both.values())


def same_first(one: Path, other: Path) -> int:
    """First answers two runs share: judged before, so not asked about again."""
    texts = {response.prompt_id: response.turns[0] for response in read_answers(other)}
    return sum(texts[r.prompt_id] == r.turns[0] for r in read_answers(one))


def test_checks_judge_where_every_principle_has_one_and_no_model_is_named() -> None:
    given = {"baseline": "baseline.jsonl", "constitutions": "verifiable"}
    results = evaluate(SamiEvalLM(engine="hf"), "mtbench_pairwise", answers="own.jsonl", **given)
    figures = results["results"]["mtbench_pairwise"]
    old, own = (
        {one.prompt_id: one for one in read_answers(Path(name))}
        for name in ("baseline.jsonl", "own.jsonl")
    )
    worth = {"a": 1.0, "tie": 0.5, "b": 0.0}
    under = with_principles(questions(), read_constitution("verifiable"))
    scores = [
        worth[checks.compare(prompt, turn, own[prompt.id], old[prompt.id])[0]]
        for prompt in under
        for turn in range(2)
    ]
    assert figures["win_rate,none"] == pytest.approx(sum(scores) / 12)
    assert figures["unparsed,none"] == 0
    assert len(set(scores)) > 1


def test_another_models_first_turn_is_refused() -> None:
    write_answers(Path("other.jsonl"), [Response(p.id, "other", ("x",)) for p in questions()])
    with pytest.raises(UsageError, match=r"holds answers of `other`, and this run is of"):
        load(baseline="baseline.jsonl", judge="quality", first="other.jsonl", **STOCK)


def load(**metadata: Any) -> Any:
    given = {"questions": "questions.jsonl", "judge_model": "openai:judge", **metadata}
    return TaskManager(metadata=given).load(["mtbench_pairwise"])["tasks"]["mtbench_pairwise"]


def test_temperatures_are_the_categories(folder: Path) -> None:
    task = load(baseline="baseline.jsonl", judge="quality")
    task.build_all_requests()
    seen = {one.doc["category"]: one.args[1]["temperature"] for one in task.instances}
    assert seen == {"writing": 0.7, "math": 0.0, "stem": 0.1}
    assert {
        one.args[1]["do_sample"] for one in task.instances if one.doc["category"] == "math"
    } == {False}


@pytest.mark.parametrize(
    ("metadata", "what"),
    [
        ({}, "none are named"),
        ({"baseline": "none.jsonl"}, "no file `none.jsonl`"),
        ({"baseline": "baseline.jsonl", "judge": "nobody"}, "no judge `nobody`"),
        ({"baseline": "baseline.jsonl", "judge": "principles"}, "has none"),
        ({"baseline": "two.jsonl", "judge": "quality"}, "holds answers of 2 models"),
        ({"baseline": "baseline.jsonl", "judge": "quality", "judge_model": "x"}, "has `x`"),
    ],
)
def test_what_cannot_be_judged_is_refused_before_anything_is_asked(
    metadata: dict[str, str], what: str
) -> None:
    write_answers(Path("two.jsonl"), [Response("1", name, ("x",)) for name in ("a", "b")])
    with pytest.raises(UsageError, match=what):
        load(**metadata)


def test_a_baseline_without_the_question_is_refused_before_anything_is_generated() -> None:
    write_answers(Path("short.jsonl"), [Response(questions()[0].id, "old", ("x", "y"))])
    task = load(baseline="short.jsonl", judge="quality")
    with pytest.raises(UsageError, match="the baseline answers 0 of 1 turns of question"):
        task.build_all_requests()


def verdict(question: str, turn: int, winner: str | None) -> Verdict:
    return Verdict(question, turn, "j", "m", "old", "a", 0, winner)  # type: ignore[arg-type]


def test_questions_with_fewer_verdicts_weigh_less() -> None:
    rows = [verdict("1", 0, "a"), verdict("1", 1, "a"), verdict("2", 0, "b"), verdict("2", 1, None)]
    parts = win_rates([*rows, verdict("3", 0, None)])
    # Two points of three turns; mean turns 1.5. (2 - 4/3) / 1.5 and (0 - 2/3) / 1.5 beside 2/3.
    assert parts == pytest.approx({"1": 2 / 3 + 4 / 9, "2": 2 / 3 - 4 / 9})
    assert sum(parts.values()) / 2 == pytest.approx(2 / 3)
