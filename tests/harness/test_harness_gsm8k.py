"""lm-eval's task gsm8k_passk on a real tiny model, and each trap of lm-eval 0.4.13."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import lm_eval
import pytest
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager

from sami_eval.core.errors import UsageError
from sami_eval.data.problem_sets import INSTRUCTION
from sami_eval.embedded import BASE_DIR
from sami_eval.harness.gsm8k import Gsm8kPassk
from sami_eval.harness.install import tasks_dir
from sami_eval.harness.passk import Value
from sami_eval.stats import maj_at_k, pass_at_k
from sami_eval.stats.extract import extract_answer
from tests import SHARED
from tests.records import write_rows
from tests.word_problems import write_problems

NAME = "gsm8k_passk"
REAL = SHARED / "data" / "gsm8k" / "test.jsonl"


@pytest.fixture(scope="module")
def problems(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_problems(tmp_path_factory.mktemp("gsm8k") / "problems.jsonl")


@pytest.fixture(scope="module")
def stock() -> HFLM:
    """lm-eval's own transformers backend on the embedded base."""
    return HFLM(pretrained=str(BASE_DIR), batch_size=64, device="cpu")


def task(problems: Path, **metadata: Any) -> Gsm8kPassk:
    return Gsm8kPassk(config={"task": NAME, "metadata": {"problems": str(problems), **metadata}})


def evaluate(lm: HFLM, problems: Path, metadata: dict[str, Any], **more: Any) -> dict[str, Any]:
    found = TaskManager(
        include_path=str(tasks_dir()),
        include_defaults=False,
        metadata={"problems": str(problems), **metadata},
    )
    asked = {"limit": 6, "gen_kwargs": {"max_gen_toks": 48}, **more}
    results = lm_eval.simple_evaluate(model=lm, tasks=[NAME], task_manager=found, **asked)
    assert results is not None
    return dict(results)


def samples_of(results: dict[str, Any], name: str = "value") -> list[list[str]]:
    return [row["resps"][0] for row in results["samples"][NAME] if row["filter"] == name]


# What is asked for


@pytest.mark.parametrize("n", [0, -1, 1.5, 8.0, True, math.nan, math.inf, "many", [8]])
def test_n_that_is_no_count_is_refused(problems: Path, n: object) -> None:
    with pytest.raises(UsageError, match=r"`n=.*` is not a whole number"):
        task(problems, n=n)


@pytest.mark.parametrize("k", [0, -1, 1.0, True, [], [1, 0], "1;8", math.nan, [math.inf]])
def test_k_that_is_no_count_is_refused(problems: Path, k: object) -> None:
    with pytest.raises(UsageError, match=r"`k=.*` is no list of whole numbers"):
        task(problems, n=8, k=k)


def test_k_above_n_is_refused(problems: Path) -> None:
    with pytest.raises(UsageError, match="k is `9` but a problem gets `8` samples"):
        task(problems, n=8, k=[1, 9])


@pytest.mark.parametrize(
    ("asked", "ks"),
    [
        ({}, (1, 10, 32)),
        ({"n": 8}, (1,)),
        ({"n": 16}, (1, 10)),
        ({"n": 8, "k": 8}, (8,)),
        ({"n": 8, "k": [8, 1, 1]}, (1, 8)),
        ({"n": 8, "k": (1, 2)}, (1, 2)),
    ],
)
def test_default_ks_are_those_within_n(
    problems: Path, asked: dict[str, Any], ks: tuple[int, ...]
) -> None:
    made = task(problems, **asked)
    assert made.ks == ks
    assert made.config.repeats == asked.get("n", 32)


def test_what_other_arguments_bring_is_passed_over(problems: Path) -> None:
    # lm-eval merges --model_args into the metadata.
    made = task(problems, n=2, pretrained="x", dtype="float32", peft="y")
    assert made.config.repeats == 2


def test_problems_can_be_named_in_the_environment(
    problems: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAMI_EVAL_GSM8K", str(problems))
    assert len(Gsm8kPassk(config={"task": NAME}).eval_docs) == 20


def test_the_embedded_worlds_problems_can_be_asked() -> None:
    made = Gsm8kPassk(config={"task": NAME, "metadata": {"problems": "embedded"}})
    assert len(made.eval_docs) == 300


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "no problems in the file"),
        ('{"question": "q"}\n', "`answer` is `None`, not a text"),
        ('{"question": "q", "answer": "none"}\n', "no gold answer `#### n` in `none`"),
        ("{\n", "not JSON"),
    ],
)
def test_a_bad_file_is_refused_with_its_line(tmp_path: Path, text: str, what: str) -> None:
    (tmp_path / "bad.jsonl").write_text(text)
    with pytest.raises(UsageError, match=what) as caught:
        task(tmp_path / "bad.jsonl")
    assert str(tmp_path / "bad.jsonl") in (caught.value.where or "")


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no file `.*none\.jsonl`"):
        task(tmp_path / "none.jsonl")


def test_without_a_network_a_local_file_is_asked_for() -> None:
    code = (
        "from sami_eval.harness.gsm8k import Gsm8kPassk; Gsm8kPassk(config={'task': 'gsm8k_passk'})"
    )
    offline = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}
    done = subprocess.run([sys.executable, "-c", code], env=offline, capture_output=True, text=True)
    assert done.returncode == 2
    assert "error: cannot read `openai/gsm8k` from the hub" in done.stderr
    assert "--metadata problems=FILE" in done.stderr
    assert "Traceback" not in done.stderr


# How a problem is scored


def test_a_problem_is_scored_by_value(problems: Path) -> None:
    made = task(problems, n=4, k=[1, 2, 4])
    doc = {"question": "q", "answer": "#### 1,000", "gold": "1000"}
    right, wrong = Value("1000"), Value("7")
    scored = made.process_results(doc, [[right, wrong, right, None]])
    assert scored["pass@1"] == 2 / 4
    assert scored["pass@2"] == 1 - 1 / 6  # the one pair of the two others misses
    assert scored["pass@4"] == 1
    assert scored["maj@4"] == 1  # two right votes against one
    assert scored["no_answer"] == 1 / 4


def test_a_marker_reads_the_samples_and_lm_evals_filters_stay_away(tmp_path: Path) -> None:
    rows = [{"question": f"{i}?", "answer": "B"} for i in range(2)]
    made = task(write_rows(tmp_path / "p.jsonl", *rows), n=3, k=1, marker="choice")
    made.build_all_requests(limit=1)
    made.instances[0].resps = ["The answer is (b).", "B", "A dog"]
    made.apply_filters()
    assert made.instances[0].filtered_resps == {"value": ["B", "B", None]}
    scored = made.process_results(made.eval_docs[0], [made.instances[0].filtered_resps["value"]])
    assert (scored["pass@1"], scored["no_answer"]) == (2 / 3, 1 / 3)
    assert made.config.metadata["marker"] == "choice"


def test_no_answer_at_all_scores_nothing(problems: Path) -> None:
    made = task(problems, n=2, k=[1, 2])
    scored = made.process_results(
        {"question": "q", "answer": "#### 3", "gold": "3"}, [[None, None]]
    )
    steady = {"pass^2": 0, "g-pass@2": 0, "mg-pass@2": 0}
    assert scored == {"pass@1": 0, "pass@2": 0, "maj@1": 0, "maj@2": 0, **steady, "no_answer": 1}


def test_lm_evals_filters_stand_beside_ours_and_vote_on_texts(problems: Path) -> None:
    made = task(problems, n=5, k=[5])
    assert [one.name for one in made._filters] == ["value", "strict-match", "flexible-extract"]
    doc = {"question": "q", "answer": "#### 1000", "gold": "1000"}
    # Three texts of one value against "7" twice: its vote goes to 7, ours to 1000.
    texts = ["1,000", "1000", "1000.0", "7", "7"]
    assert made.process_results(doc, [texts])["maj@5"] == 0
    assert made.process_results(doc, [[extract_answer(t) for t in texts]])["maj@5"] == 1
    assert made.process_results(doc, [texts])["pass@5"] == 1
    assert made.process_results(doc, [["[invalid]"] * 5])["no_answer"] == 1


@pytest.mark.skipif(not REAL.is_file(), reason=f"no `{REAL}`")
def test_gsm8ks_own_solutions_are_right_under_every_filter() -> None:
    made = task(REAL, n=1)
    assert len(made.eval_docs) == 1319
    made.build_all_requests(limit=None)
    for instance in made.instances:
        instance.resps = [instance.doc["answer"]]
    made.apply_filters()
    for name in ("value", "strict-match", "flexible-extract"):
        passed = [
            made.process_results(one.doc, [one.filtered_resps[name]])["pass@1"]
            for one in made.instances
        ]
        assert sum(passed) == 1319


# Runs on lm-eval's own backend


@pytest.mark.filterwarnings("ignore")
def test_the_printed_figures_follow_from_the_samples(stock: HFLM, problems: Path) -> None:
    results = evaluate(stock, problems, {"n": 4, "k": [1, 4]})
    rows = [row for row in results["samples"][NAME] if row["filter"] == "value"]
    passes, votes = [], []
    for row in rows:
        answers = [extract_answer(text) for text in row["resps"][0]]
        gold = extract_answer(row["doc"]["answer"])
        assert len(answers) == 4
        passes.append(pass_at_k(4, sum(answer == gold for answer in answers), 4))
        votes.append(maj_at_k(answers, gold, 4))
    printed = results["results"][NAME]
    assert printed["pass@4,value"] == pytest.approx(sum(passes) / 6)
    assert printed["maj@4,value"] == pytest.approx(sum(votes) / 6)
    spread = math.sqrt(sum((p - sum(passes) / 6) ** 2 for p in passes) / 5 / 6)
    assert printed["pass@4_stderr,value"] == pytest.approx(spread)
    assert sum(len(set(texts)) > 1 for texts in samples_of(results)) >= 5


@pytest.mark.filterwarnings("ignore")
def test_an_old_request_cache_does_not_bring_back_its_n(
    stock: HFLM, problems: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    from lm_eval.caching import cache

    monkeypatch.setattr(cache, "PATH", str(tmp_path))
    evaluate(stock, problems, {"n": 2, "k": 1}, cache_requests=True)
    results = evaluate(stock, problems, {"n": 4, "k": 1}, cache_requests=True)
    assert {len(texts) for texts in samples_of(results)} == {4}
    assert "--cache_requests is passed over" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.filterwarnings("ignore")
def test_an_answer_cache_does_not_serve_one_sample_n_times(
    stock: HFLM, problems: Path, tmp_path: Path
) -> None:
    for _ in range(2):
        results = evaluate(stock, problems, {"n": 4, "k": 1}, use_cache=str(tmp_path / "cache"))
    assert sum(len(set(texts)) > 1 for texts in samples_of(results)) >= 5


@pytest.mark.filterwarnings("ignore")
def test_greedy_copies_are_warned_of(stock: HFLM, problems: Path, capsys: Any) -> None:
    greedy = {"do_sample": False, "temperature": 0.0, "max_gen_toks": 16}
    evaluate(stock, problems, {"n": 3, "k": 1}, gen_kwargs=greedy)
    said = capsys.readouterr().err
    assert "WARNING: the 3 samples are all the same for 6 of 6 problems" in said
    assert "greedy decoding" in said


@pytest.mark.parametrize(("n", "warned"), [(4, True), (1, False)])
def test_a_seed_is_warned_of_before_anything_is_generated(
    problems: Path, capsys: Any, n: int, warned: bool
) -> None:
    made = task(problems, n=n, k=1)
    made.set_config("generation_kwargs", {"seed": 1}, update=True)
    made.build_all_requests(limit=2)
    assert ("the same random numbers" in capsys.readouterr().err) == warned
    for instance in made.instances:
        instance.resps = ["4"] * n
    made.apply_filters()
    assert ("The usual cause: `seed` in --gen_kwargs" in capsys.readouterr().err) == warned


def test_samples_that_differ_are_not_warned_of(problems: Path, capsys: Any) -> None:
    made = task(problems, n=2, k=1)
    made.build_all_requests(limit=4)
    for i, instance in enumerate(made.instances):
        instance.resps = ["4", "4" if i < 2 else "5"]  # half the problems: not most
    made.apply_filters()
    assert "WARNING" not in capsys.readouterr().err


def test_too_few_samples_are_refused_and_padding_is_cut(problems: Path) -> None:
    made = task(problems, n=2, k=1)
    made.build_all_requests(limit=2)
    made.instances[0].resps = ["1", "2"]
    made.instances[1].resps = ["1", "2", "1", "2"]  # ranks are padded with the last request
    made.apply_filters()
    assert made.instances[1].filtered_resps["value"] == ["1", "2"]
    made.instances[0].resps = ["1"]
    with pytest.raises(UsageError, match="1 samples came back where `2` were asked for"):
        made.apply_filters()


# Prompts


def prompt_of(made: Gsm8kPassk, **arguments: Any) -> str:
    made.set_fewshot_seed(1234)
    made.build_all_requests(limit=1, **arguments)
    return str(made.instances[0].args[0])


def chat(messages: list[dict[str, str]], add_generation_prompt: bool = True) -> str:
    return "".join(f"<{one['role']}>{one['content']}" for one in messages) + "<assistant>"


def test_examples_are_read_only_when_shots_are_asked_for(problems: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.jsonl").write_text("not JSON\n")
    made = task(problems, n=1, fewshot=str(tmp_path / "bad.jsonl"))
    made.set_config("num_fewshot", 0)
    assert prompt_of(made).startswith("Question: ")
    made.set_config("num_fewshot", 1)
    with pytest.raises(UsageError, match="not JSON"):
        prompt_of(made)


def test_shots_from_the_problems_leave_out_the_one_that_is_asked(problems: Path) -> None:
    made = task(write_problems(problems.parent / "three.jsonl", 3), n=1)
    made.set_config("num_fewshot", 2)
    prompt = prompt_of(made)
    own, *others = [doc["question"] for doc in made.eval_docs]
    assert prompt.count(own) == 1
    assert all(prompt.count(question) == 1 for question in others)
    assert prompt.count("####") == 2
    assert prompt.endswith(f"Question: {own}\nAnswer:")
    made.set_config("num_fewshot", 3)
    with pytest.raises(UsageError, match="but there are 3 examples"):
        prompt_of(made)


def test_a_chat_gets_the_bare_question_and_no_stop_string(problems: Path) -> None:
    made = task(problems, n=1)
    made.set_config("num_fewshot", 0)
    prompt = prompt_of(made, apply_chat_template=True, chat_template=chat)
    assert prompt == f"<user>{INSTRUCTION}\n\n{made.eval_docs[0]['question']}<assistant>"
    assert made.instances[0].args[1]["until"] == []
    stepwise = task(problems, n=1, instruction="First think. [question]")
    stepwise.set_config("num_fewshot", 0)
    prompt = prompt_of(stepwise, apply_chat_template=True, chat_template=chat)
    assert prompt == f"<user>First think. {made.eval_docs[0]['question']}<assistant>"


def test_the_sampling_is_stated(problems: Path) -> None:
    stated = task(problems).config.generation_kwargs
    assert stated["do_sample"] is True
    assert stated["temperature"] > 0


# The command as it is typed


@pytest.mark.slow
def test_plain_lm_eval_reports_what_its_samples_file_holds(problems: Path, tmp_path: Path) -> None:
    done = run_as_typed("hf", problems, tmp_path)
    assert done.returncode == 0, done.stderr
    check_files(tmp_path, done.stdout)


def run_as_typed(
    model: str, problems: Path, out: Path, *more: str
) -> subprocess.CompletedProcess[str]:
    """`lm_eval --model hf|vllm --tasks gsm8k_passk ...` in this environment, tasks installed."""
    scripts = Path(sys.executable).parent
    subprocess.run([str(scripts / "sami-eval"), "tasks", "install", "--quiet"], check=True)
    command = f"lm_eval --model {model} --model_args pretrained={BASE_DIR} --tasks {NAME}"
    command += " --limit 20 --metadata n=8 k=[1,8] --log_samples --output_path"
    return subprocess.run(
        [str(scripts / command.split()[0]), *command.split()[1:], str(out), *more],
        capture_output=True,
        text=True,
        env={**os.environ, "SAMI_EVAL_GSM8K": str(problems), "VLLM_CPU_KVCACHE_SPACE": "1"},
    )


def check_files(folder: Path, printed: str) -> None:
    """The samples are 8 draws a problem, and give the figures in the results file.

    Draws of a tiny model on an easy problem may honestly all read alike; of most they do not.
    """
    (samples,) = folder.rglob(f"samples_{NAME}_*.jsonl")
    (stated,) = folder.rglob("results_*.json")
    rows = [json.loads(line) for line in samples.read_text().splitlines()]
    rows = [row for row in rows if row["filter"] == "value"]
    assert len(rows) == 20
    assert all(len(row["resps"][0]) == 8 for row in rows)
    distinct = [len(set(row["resps"][0])) for row in rows]
    assert sum(n >= 2 for n in distinct) >= 16
    assert sum(distinct) / 20 >= 4
    results = json.loads(stated.read_text())["results"][NAME]
    for k in (1, 8):
        mean = 0.0
        for row in rows:
            gold = extract_answer(row["doc"]["answer"])
            right = [extract_answer(text) == gold for text in row["resps"][0]]
            # By hand: the chance that k of the 8 are all wrong.
            wrong = right.count(False)
            mean += 1 - math.prod((wrong - i) / (8 - i) for i in range(k))
        assert results[f"pass@{k},value"] == pytest.approx(mean / 20)
        assert f"|pass@{k}" in printed.replace(" ", "")
