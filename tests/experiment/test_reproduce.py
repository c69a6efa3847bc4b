"""The paper's experiments at a size of seconds: every stage real, killed in each and resumed."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sami_eval import cli, embedded
from sami_eval.core.config import Config, Price
from sami_eval.core.errors import KeyMissingError, UsageError
from sami_eval.core.progress import silent
from sami_eval.data.answers import read_answers
from sami_eval.data.contrasts import read_contrasts
from sami_eval.data.prompts import to_row
from sami_eval.embedded import BASE_DIR
from sami_eval.experiment.document import read_document
from sami_eval.experiment.reproduce.checklist import FILE, Facts, keys
from sami_eval.experiment.reproduce.experiment import stages_of
from sami_eval.experiment.reproduce.scale import read_scale
from sami_eval.experiment.reproduce.settings import MtbenchSettings
from sami_eval.experiment.reproduce.step import Step, Writing
from sami_eval.experiment.reproduce.trial import check, config_of, models_of
from sami_eval.experiment.reproduce.work import Asked, Bench, kept, write_contrasts
from sami_eval.experiment.runs import DOCUMENT
from sami_eval.generate import card
from sami_eval.server.budget import BudgetError, Purse
from tests.align_models import CONTRASTS
from tests.loopback_judge import Behaviour, LoopbackJudge, completion, draw
from tests.processes import finish, start
from tests.records import write_rows

# The embedded scale with a twentieth of everything.
TINY = """
like = "embedded"
about = "a twentieth of the embedded scale"
[mtbench.align]
changes = { steps = 6 }
[mtbench.compare]
limit = 12
[[mtbench.steps]]
name = "contrasts"
sets = [{ source = "embedded", limit = 24 }]
[gsm8k.align]
changes = { steps = 6 }
[[gsm8k.steps]]
name = "contrasts"
sets = [{ source = "embedded", category = "math", limit = 12 }]
[[gsm8k.steps]]
name = "samples"
title = "eight samples"
ks = [1, 4]
limit = 20
samples = 8
"""


@pytest.fixture
def folder(folder: Path) -> Path:
    (folder / "tiny.toml").write_text(TINY, encoding="utf-8")
    return folder


def asked_in(folder: Path, experiment: str = "mtbench") -> Asked:
    config = Config(root=folder)
    return Asked(read_scale(str(folder / "tiny.toml")), experiment, config, folder / "out")


def wrote(asked: Asked) -> tuple[Facts, Bench]:
    """What writing an experiment's contrasts gives, and where."""
    bench = Bench(asked, silent())
    return write_contrasts(bench, asked.course.writings[0]), bench


def changed(asked: Asked, change: Callable[[Step], Step]) -> Asked:
    """The same with other steps."""
    course = replace(asked.course, steps=tuple(map(change, asked.course.steps)))
    return replace(asked, scale=replace(asked.scale, mtbench=course))


def test_a_dry_run_reads_and_writes_nothing(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for experiment in ("mtbench", "gsm8k"):
        assert cli.run(["reproduce", experiment, "--scale", "paper", "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "meta-llama/Llama-3.1-8B-Instruct" in said
    assert "$21.74" in said
    assert [path.name for path in folder.iterdir()] == ["tiny.toml"]


def untrained_adapter(folder: Path) -> None:
    """A LoRA that changes nothing yet, on the embedded base."""
    import peft
    from transformers import AutoModelForCausalLM

    base = AutoModelForCausalLM.from_pretrained(str(BASE_DIR))
    lora = peft.LoraConfig(r=1, target_modules=["q_proj"], task_type="CAUSAL_LM")
    peft.get_peft_model(base, lora).save_pretrained(str(folder))


def test_contrasts_of_another_writer_are_learnt_as_words(folder: Path) -> None:
    # The writer is an adapter here; its tokens need not be the base's, so none are kept.
    asked = asked_in(folder)
    untrained_adapter(folder / "writer")

    def by_another(step: Step) -> Step:
        by = isinstance(step.of, Writing) and replace(step.of, writer=str(folder / "writer"))
        return replace(step, of=by or step.of)

    facts, bench = wrote(changed(asked, by_another))
    written = read_contrasts(bench.contrasts())
    assert facts["prompts"] == len(written) == 24
    assert not any(one.token_ids for contrast in written for one in contrast.responses)
    assert not any("fingerprint" in contrast.metadata for contrast in written)
    _, own = wrote(replace(asked, folder=folder / "own"))
    assert all(one.token_ids for c in read_contrasts(own.contrasts()) for one in c.responses)


HOSTED = """
[[mtbench.steps]]
name = "shown"
judge = "principles"
judge_model = "openai:hosted"
[[mtbench.steps]]
name = "hidden"
skip = true
[[mtbench.steps]]
name = "plain"
skip = true
"""
AT_SERVER = {"sft+sami": "openai:SAMI", "sft+dpo": "openai:DPO", "sft": "openai:SFT"}


def test_the_writers_and_the_judges_calls_share_one_limit(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    served = ("hosted", "SAMI", "DPO", "SFT")
    # Ten cents an answer.
    config = Config(root=folder, prices={name: Price(1000.0, 0.0) for name in served})
    text = TINY.replace('name = "contrasts"\n', 'name = "contrasts"\nwriter = "openai:hosted"\n', 1)
    (folder / "tiny.toml").write_text(text + HOSTED)
    # Models at servers are not asked the embedded world unless it is given as a file.
    questions = folder / "questions.jsonl"
    rows = map(to_row, embedded.prompts("evaluation"))
    write_rows(questions, *rows)
    with LoopbackJudge(Behaviour(script=answers)) as server:
        settings = MtbenchSettings(prompts=questions, base_url=server.url, max_cost=6.0)
        asked = replace(asked_in(folder), config=config, settings=settings)
        check(asked)
        wrote(asked)
        assert asked.purse.spent_usd == pytest.approx(4.8) == pytest.approx(0.1 * server.n_calls)
        # What would be trained answers at the server, too.
        monkeypatch.setattr(Bench, "named", lambda bench, recipe: {"base": AT_SERVER[recipe]})
        (judging,) = (one for one in stages_of(Bench(asked, silent())) if one.name == "shown")
        with pytest.raises(BudgetError, match=r"stopped at \$6\.00: .* pass `--max-cost 6`"):
            judging.run()
        assert 0.1 * server.n_calls <= 6.0
        # Nothing stored is paid for again, and the next command has a limit of its own.
        again = replace(asked, purse=Purse())
        wrote(again)
        assert again.purse.spent_usd == 0.0


def test_answers_are_drawn_without_the_judges_key(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setattr(Bench, "named", lambda bench, recipe: {"base": str(BASE_DIR)})
    (folder / "tiny.toml").write_text(TINY.replace("limit = 12", "limit = 2") + HOSTED)
    bench = Bench(asked_in(folder), silent())
    stages = {stage.name: stage for stage in stages_of(bench)}
    assert stages["responses"].run()["answers"] == 3 * 2 * 2  # models, questions, turns
    with pytest.raises(KeyMissingError):
        stages["shown"].run()


def test_a_writer_of_mathematics_stays_below_the_limit_too(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    loose = 'writer = "openai:hosted"\nfilters = { min_ratio = 1.0, opening = 0.01 }\n'
    at = '[[gsm8k.steps]]\nname = "contrasts"\n'
    (folder / "hosted.toml").write_text(TINY.replace(at, at + loose))
    # Ten cents an answer, 24 of them.
    (folder / "sami-eval.toml").write_text("[prices]\nhosted = { input = 1000.0, output = 0.0 }\n")
    asked = ["reproduce", "gsm8k", "--scale", "hosted.toml", "--only", "contrasts", "-q"]
    with LoopbackJudge(Behaviour(script=answers)) as server:
        asked += ["--base-url", server.url, "--concurrency", "2", "--max-cost"]
        assert cli.run([*asked, "1"]) == 1
        assert "pass `--max-cost 1`" in capsys.readouterr().err
        assert 1 <= server.n_calls <= 10
        assert cli.run([*asked, "3"]) == 0
        assert server.n_calls == 24
    assert read_contrasts(next(folder.rglob("*contrasts*.jsonl")))


def answers(body: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
    """An answer of its own to every request."""
    return 200, {}, completion(f"I would say {draw(json.dumps(body)):.9f}.")


@pytest.mark.parametrize("experiment", ["mtbench", "gsm8k"])
def test_from_takes_away_what_a_step_has_made(folder: Path, experiment: str) -> None:
    bench = Bench(asked_in(folder, experiment), silent())
    course, made = bench.asked.course, {one.name: one.made for one in stages_of(bench)}
    links = [made[step.name] for step in course.steps if step.do == "align"]
    for trial in course.trials:
        rows = models_of(bench, trial.contenders).values()
        trained = {Path(path) for row in rows for path in row.values()}
        assert trained == {path.resolve() for paths in links for path in paths}
    assert bench.contrasts().is_relative_to(made["contrasts"][0])
    last = course.steps[-1]
    assert [path.parent.name for path in made[last.name]] == ["runs"]


def test_a_trials_names_win_over_the_users_and_a_judges_name_stays_known(folder: Path) -> None:
    named = {name: {"base": "openai:gpt-4o"} for name in ("SFT", "base", "my-judge")}
    asked = asked_in(folder)
    bench = Bench(replace(asked, config=replace(asked.config, models=named)), silent())
    trial = replace(
        asked.course.trials[0], contenders={"SFT": "sft", "base": "base", "toy": "base"}
    )
    models = config_of(bench, trial).models
    assert set(models) == {"SFT", "my-judge", "toy"}  # `base` is the recipe
    assert models["SFT"] == {"adapter": str(bench.adapter("sft").resolve())}
    assert models["toy"] == {"base": str(BASE_DIR)}


def test_other_words_in_a_file_that_a_step_names_do_that_step_again(folder: Path) -> None:
    questions = [{"id": "q", "category": "math", "turns": [text]} for text in ("One?", "Two?")]
    more = '[[mtbench.steps]]\nname = "hidden"\nprompts = "q.jsonl"\n'
    (folder / "tiny.toml").write_text(TINY + more)
    found = []
    for question in questions:
        write_rows(folder / "q.jsonl", question)
        found.append(keys(stages_of(Bench(asked_in(folder), silent()))))
    assert [name for name in found[0] if found[0][name] != found[1][name]] == [
        "responses", "shown", "hidden", "plain",
    ]  # fmt: skip


def test_only_so_many_accepted_contrasts_are_kept() -> None:
    rejected = replace(CONTRASTS[0], rejected="too short")
    given = [CONTRASTS[0], rejected, CONTRASTS[1], rejected, CONTRASTS[2]]
    assert kept(given, 2) == given[:3]
    assert kept(given, None) == given


def test_a_constitution_without_principles_for_the_prompts_is_named(folder: Path) -> None:
    text = (
        '[[principle]]\nid = "a"\ncategories = ["cooking"]\n'
        'weak = "w"\nstrong = "s"\nantithesis = "t"\n'
    )
    (folder / "mine.toml").write_text(text)
    asked = replace(asked_in(folder), settings=MtbenchSettings(constitutions=folder / "mine.toml"))
    with pytest.raises(UsageError, match="no principle is for the category") as caught:
        wrote(asked)
    assert caught.value.where == str(folder / "mine.toml")


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--scale", "huge"], "no scale `huge`"),
        (["--from", "baking"], "`--from baking`: no such stage"),
        (["--only", "shown"], "stage `shown` needs `contrasts`, which is not done"),
        (["--constitutions", "none.toml"], "no file `none.toml`"),
        (["--judge-model", "openai:x"], "`--judge-model openai:x`: a program judges"),
    ],
)
def test_wrong_usage_is_one_line_with_a_hint(
    folder: Path, capsys: pytest.CaptureFixture[str], flags: list[str], said: str
) -> None:
    assert cli.run(["reproduce", "mtbench", *flags]) == 2
    error = capsys.readouterr().err
    assert f"error: {said}" in error
    assert "hint: " in error
    assert "Traceback" not in error


@pytest.mark.parametrize(
    ("flags", "code", "said"),
    [
        (["mtbench", "--prompts", "bad.jsonl"], 2, "bad.jsonl:1"),
        (["gsm8k", "--prompts", "bad.jsonl"], 2, "bad.jsonl:1"),
        (["mtbench", "--max-cost", "-3"], 2, "`--max-cost -3`"),
        (["gsm8k", "--max-cost", "-3"], 2, "`--max-cost -3`"),
        (["mtbench", "--scale", "judged.toml"], 4, "OPENAI_API_KEY"),
    ],
)
def test_what_the_last_stage_would_refuse_is_refused_before_the_first(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    flags: list[str],
    code: int,
    said: str,
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    (folder / "bad.jsonl").write_text('{"question": ""}\n')
    judged = '[mtbench.compare]\njudge = "principles"\n'
    (folder / "judged.toml").write_text(f'like = "embedded"\n{judged}')
    assert cli.run(["reproduce", *flags]) == code
    error = capsys.readouterr().err
    assert said in error
    assert "▸" not in error  # no stage has begun
    assert not (folder / "reproductions").exists()


def run_all(folder: Path, experiment: str, *flags: str) -> dict[str, Any]:
    job = ["reproduce", experiment, "--scale", "tiny.toml", "--json", "-q", *flags]
    document: dict[str, Any] = finish(folder, job)
    return document


def figures(document: dict[str, Any]) -> list[dict[str, Any]]:
    """The results without the folders they lie in."""
    return [{**row, "run": ""} for row in document["results"]]


@pytest.mark.slow
def test_mtbench_end_to_end_agrees_with_its_own_runs(folder: Path) -> None:
    document = run_all(folder, "mtbench")
    assert [row["name"] for row in document["stages"]] == [
        "contrasts", "sft", "dpo", "sami", "responses", "shown", "hidden", "plain",
    ]  # fmt: skip
    assert len(document["results"]) == 3
    for result in document["results"]:
        run = read_document(folder / result["run"] / DOCUMENT)
        assert [(row["a"], row["b"]) for row in result["pairs"]] == [
            ("SAMI", "DPO"), ("SAMI", "SFT"), ("DPO", "SFT"),
        ]  # fmt: skip
        for pair, row in zip(result["pairs"], run["comparisons"], strict=True):
            assert pair["win_rate"] == row["win_rate"]
            assert pair["n_turns"] == 24
        answers = read_answers(folder / result["run"] / "responses.jsonl")
        assert {one.model for one in answers} == {"SAMI", "DPO", "SFT"}
    published = [pair["published"] for pair in document["results"][0]["pairs"]]
    assert published == [0.575, 0.5815, 0.565]
    trained = folder / document["folder"] / "adapters" / "embedded" / "sft+sami@0"
    assert (card.read(trained) or {})["chain"] == ["sft", "sami"]
    assert run_all(folder, "mtbench")["results"] == document["results"]
    runs = [row["run"] for row in finish(folder, ["ls", "runs", "--json"])["runs"]]
    assert sorted(runs) == sorted(result["run"] for result in document["results"])


@pytest.mark.slow
def test_gsm8k_end_to_end_agrees_with_its_samples(folder: Path) -> None:
    document = run_all(folder, "gsm8k")
    result = document["results"][0]
    rows = [
        json.loads(line)
        for line in (folder / result["run"] / "samples.jsonl").read_text().splitlines()
    ]
    right: dict[tuple[str, str], list[bool]] = {}
    gold = {
        row["id"]: row["reference"][0]
        for line in (folder / result["run"] / "problems.jsonl").read_text().splitlines()
        for row in [json.loads(line)]
    }
    scored: dict[tuple[str, str], list[bool]] = {}
    for row in rows:
        if row["sample"] is not None:
            place = row["model"], row["problem_id"]
            right.setdefault(place, []).append(row["right"])
            digits = re.findall(r"[0-9]+", row["text"])
            hit = bool(digits) and int(digits[-1]) == int(gold[row["problem_id"]])
            scored.setdefault(place, []).append(hit)

    def share(model: str, hits: dict[tuple[str, str], list[bool]], k: int) -> float:
        of = [each for (name, _), each in hits.items() if name == model]
        return sum(any(each[:k]) for each in of) / len(of)

    def mean(model: str) -> float:
        of = [each for (name, _), each in right.items() if name == model]
        return sum(sum(each) / len(each) for each in of) / len(of)

    assert len(result["gains"]) == 6  # three claims at two k
    for gain in result["gains"]:
        a, b, k = gain["a"], gain["b"], gain["k"]
        assert gain["as_scored"]["gain"] == pytest.approx(share(a, scored, k) - share(b, scored, k))
        if k == 1:  # pass@1 is the share of right samples
            assert gain["gain"] == pytest.approx(mean(a) - mean(b))
    published = [gain["published"] for gain in result["gains"]]
    assert published == pytest.approx([0.032, None, 0.011, None, 0.0, None])


JUDGED = ("shown", "hidden", "plain")


def kill_in(folder: Path, experiment: str, stage: str) -> None:
    """Start the experiment, and SIGKILL it and its children a moment into a stage."""
    process = start(folder, ["reproduce", experiment, "--scale", "tiny.toml"], err=True)
    try:
        for line in process.lines():
            if line.startswith(f"▸ {stage} "):
                break
        else:
            pytest.fail(f"stage {stage} never began")
        time.sleep(0.0 if stage in JUDGED else 0.1)  # a program judges all of it in 0.3 s
        assert process.poll() is None, f"ended before it could be killed in {stage}"
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("experiment", "stages"),
    [
        ("mtbench", ("contrasts", "sft", "dpo", "sami", "responses", *JUDGED)),
        ("gsm8k", ("contrasts", "sft", "sami", "sft+sami", "samples")),
    ],
)
def test_killed_in_every_stage_it_ends_in_the_same_figures(
    folder: Path, tmp_path_factory: pytest.TempPathFactory, experiment: str, stages: tuple[str, ...]
) -> None:
    for number, stage in enumerate(stages):
        kill_in(folder, experiment, stage)
        out = next((folder / "reproductions").iterdir())
        known = json.loads((out / FILE).read_text()) if (out / FILE).is_file() else []
        assert [row["name"] for row in known] == list(stages[:number])
    killed = run_all(folder, experiment)
    elsewhere = tmp_path_factory.mktemp("undisturbed")
    (elsewhere / "tiny.toml").write_text(TINY, encoding="utf-8")
    assert figures(killed) == figures(run_all(elsewhere, experiment))
