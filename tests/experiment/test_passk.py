"""`sami-eval passk` on the embedded base: sampled once, resumed, extended, shown again."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from sami_eval import cli
from sami_eval.embedded import BASE_DIR
from sami_eval.experiment.settings import parse_ks
from tests.loopback_judge import Behaviour, LoopbackJudge, completion
from tests.processes import count, finish, kill_when
from tests.records import write_rows

JOB = ("passk", "base", "--limit", "6", "--k", "1,4", "--samples", "4", "-q")


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    assert cli.run([*arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_more_samples_and_other_ks_ask_only_for_what_is_missing(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = run(capsys, *JOB)
    assert first["calls"] == {"made": 6 * 5, "from_ledger": 0}  # four samples and a greedy one
    assert count(folder) == 30
    again = run(capsys, *JOB, "--k", "2")
    assert again["calls"] == {"made": 0, "from_ledger": 30}
    assert list(again["contenders"][0]["pass_at_k"]) == ["2"]
    more = run(capsys, *JOB, "--samples", "6")
    assert more["calls"] == {"made": 12, "from_ledger": 30}
    repeated = run(capsys, *JOB)
    assert repeated["contenders"] == first["contenders"]
    assert repeated["run"] == first["run"]


def test_figures_equal_a_recomputation_from_the_samples_file(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    document = run(capsys, *JOB)
    lines = (folder / document["run"] / "samples.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    by_problem: dict[str, list[bool]] = {}
    for row in rows:
        if row["sample"] is not None:
            by_problem.setdefault(row["problem_id"], []).append(row["right"])
    assert [len(several) for several in by_problem.values()] == [4] * 6
    row = document["contenders"][0]
    each = [sum(several) / 4 for several in by_problem.values()]
    assert row["pass_at_k"]["1"]["value"] == pytest.approx(sum(each) / 6)
    assert row["pass_at_k"]["4"]["value"] == pytest.approx(sum(map(any, by_problem.values())) / 6)
    greedy = [line["right"] for line in rows if line["sample"] is None]
    assert row["greedy"]["value"] == pytest.approx(sum(greedy) / 6)
    texts = {(line["problem_id"], line["text"]) for line in rows}
    assert len(texts) > 6


def test_a_model_against_itself_differs_by_nothing(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    document = run(capsys, "passk", "base", *JOB[1:], "--no-greedy")
    assert document["calls"]["made"] == 24  # equal requests are drawn once
    assert [row["value"] for row in document["differences"]] == [0, 0]
    assert not any(row["significant"] for row in document["differences"])
    assert document["contenders"][0]["greedy"] == {"value": None, "interval": None}


def test_a_finished_run_is_shown_exported_and_listed(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    document = run(capsys, "passk", "base", *JOB[1:])
    assert cli.run(["show"]) == 0
    shown = capsys.readouterr().out
    assert "pass@k" in shown
    assert "say nothing about large models" in " ".join(shown.split())
    assert max(map(len, shown.splitlines())) <= 80
    assert run(capsys, "show", document["run"]) == document
    assert cli.run(["show", "--csv", "scores.csv"]) == 0
    rows = list(csv.DictReader((folder / "scores.csv").read_text().splitlines()))
    assert len(rows) == 12
    mean = sum(float(row["pass@1"]) for row in rows[:6]) / 6
    assert mean == pytest.approx(document["contenders"][0]["pass_at_k"]["1"]["value"])
    for flag in ("--markdown", "--latex"):
        capsys.readouterr()
        assert cli.run(["show", flag]) == 0
        assert "T 0.7" in capsys.readouterr().out
    assert cli.run(["show", "--unparsed"]) == 2
    assert "nothing was judged" in capsys.readouterr().err
    assert cli.run(["ls", "runs"]) == 0
    assert "base pass@1" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["--k", "1,64"], "k is `64` but `32` samples"),
        (["--k", "8", "--samples", "4"], "k is `8` but `4` samples"),
        (["--k", "0"], "`0` is no whole number from 1 to 999999"),
        (["--k", "x"], "`x` is no whole number"),
        (["--k", ""], "`--k` is empty"),
        (["--k", "-1"], "`-1` is no whole number"),
        (["--samples", "0"], "`--samples 0`"),
        (["--samples", "-3"], "`--samples -3`"),
        (["--temperature", "nan"], "`--temperature nan`"),
        (["--temperature", "inf"], "`--temperature inf`"),
        (["--temperature", "-1"], "`--temperature -1.0`"),
        (["--temperature", "0"], "at temperature 0 all `32` samples"),
        (["--top-p", "0"], "`--top-p 0.0`"),
        (["--top-p", "nan"], "`--top-p nan`"),
        (["--top-p", "1.5"], "`--top-p 1.5`"),
        (["--split", "test"], "no split `test`"),
        (["--prompts", "none.jsonl"], "no file"),
        (["--fewshot", "x.jsonl"], "`--fewshot` without"),
        (["--num-fewshot", "500"], "needs 500 problems"),
        (["--max-cost", "nan"], "--max-cost"),
        (["--engine", "gpu"], "unknown engine `gpu`"),
    ],
)
def test_wrong_usage_is_one_clear_line(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], what: str
) -> None:
    assert cli.run(["passk", "base", *arguments]) == 2
    captured = capsys.readouterr()
    assert what in captured.err
    assert "hint: " in captured.err
    assert captured.out == ""
    assert not (folder / "runs").exists()


def test_a_record_and_an_unknown_name_are_refused(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("r.jsonl").write_text('{"prompt_id": "1", "model": "m", "turns": ["5"]}\n')
    assert cli.run(["passk", "r.jsonl"]) == 2
    assert "is a record" in capsys.readouterr().err
    assert cli.run(["passk", "sof"]) == 2
    assert "unknown model `sof`" in capsys.readouterr().err


def test_ks_are_put_in_order() -> None:
    assert parse_ks("32, 1,10,1") == (1, 10, 32)


def test_a_dry_run_draws_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run([*JOB, "--dry-run"]) == 0
    assert "30 answers to draw; 0 stored" in capsys.readouterr().out
    assert not list(folder.iterdir())
    assert cli.run([*JOB[:1], "sft", *JOB[2:], "--dry-run"]) == 0
    assert "sft: its adapter is missing and would be trained" in capsys.readouterr().out


def test_what_a_server_costs_is_bounded_before_and_said_after(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "x")
    Path("sami-eval.toml").write_text('[prices."x"]\ninput = 1\noutput = 10\n')
    with LoopbackJudge(Behaviour(script=lambda body: (200, {}, completion("1")))) as server:
        job = at(server, problems(folder, 2), "--k", "1", "--samples", "2", "--max-tokens", "100")
        assert cli.run([*job, "--dry-run"]) == 0
        said = capsys.readouterr().out
        assert "6 answers to draw; 0 stored" in said
        assert "at most $0.0" in said
        document = run(capsys, *job)
    assert document["cost_usd"] == pytest.approx(6 * (100 * 1 + 10 * 10) / 1e6)


def problems(folder: Path, n: int) -> Path:
    rows = [{"question": f"What is {i} + 1?", "answer": f"#### {i + 1}"} for i in range(n)]
    return write_rows(folder / "problems.jsonl", *rows)


def at(server: LoopbackJudge, path: Path, *more: str) -> Sequence[str]:
    return ["passk", "openai:x", "--prompts", str(path), "--base-url", server.url, "-q", *more]


def test_a_server_is_asked_for_every_sample_with_a_seed_of_its_own(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def script(body: dict[str, Any]) -> Any:
        seed = body.get("seed", 0)
        return 200, {}, completion(f"The answer is {1 + seed % 2}.")

    with LoopbackJudge(Behaviour(script=script)) as server:
        job = at(server, problems(folder, 3), "--k", "1", "--samples", "5")
        document = run(capsys, *job)
        assert server.n_calls == 3 * 6
        again = run(capsys, *job)
        assert server.n_calls == 3 * 6
    seeds = [call.body["seed"] for call in server.calls if call.body["temperature"] > 0]
    assert len(set(seeds)) == 5
    assert again["contenders"] == document["contenders"]
    assert document["settings"]["split"] is None


def test_without_the_embedded_base_the_problems_are_gsm8k_s(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert cli.run(["passk", "openai:x", "--base-url", "http://127.0.0.1:9/v1"]) == 2
    error = capsys.readouterr().err
    assert "cannot read `openai/gsm8k`" in error
    assert "--prompts" in error


def test_examples_out_of_reach_name_the_flag_for_others(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    path = problems(folder, 2)
    assert cli.run(["passk", "base", "--prompts", str(path), "--num-fewshot", "2"]) == 2
    assert "--fewshot FILE" in capsys.readouterr().err


def test_identical_samples_are_warned_of_loudly(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    same = 200, {}, completion("The answer is 1.")
    with LoopbackJudge(Behaviour(script=lambda body: same)) as server:
        assert cli.run([*at(server, problems(folder, 3), "--k", "1,4", "--samples", "4")]) == 0
    captured = capsys.readouterr()
    for text in (captured.out, captured.err):
        assert "all samples are identical on 3 of 3 problems" in " ".join(text.split())


def test_the_paper_s_protocol_prints_its_flaws(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run([*JOB, "--protocol", "paper"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "T 1 · top_p 0.9" in text
    assert "Q/A text of the paper" in text
    assert "any of k" in text
    assert "4.32 as 32" in text


def test_worked_examples_stand_before_the_problem(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with LoopbackJudge(Behaviour(script=lambda body: (200, {}, completion("1")))) as server:
        examples = folder / "examples.jsonl"
        examples.write_text('{"question": "1 + 1?", "answer": "1 + 1 = 2\\n#### 2"}\n')
        more = ["--k", "1", "--samples", "1", "--num-fewshot", "1", "--fewshot", str(examples)]
        document = run(capsys, *at(server, problems(folder, 1), *more))
    roles = [message["role"] for message in server.calls[0].body["messages"]]
    assert roles == ["user", "assistant", "user"]
    assert document["settings"]["shots"] == 1


SLOW = """TIMEOUT_S = 0.3
def answer(text):
    while "for ever" in text:
        pass
    return text.rpartition(" ")[2]
"""


def test_samples_that_take_too_long_to_mark_are_counted_and_said(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def script(body: dict[str, Any]) -> Any:
        slow = body.get("temperature") and body["messages"][0]["content"].endswith("1 + 1?")
        return 200, {}, completion("for ever" if slow else "It is 1")

    Path("slow.py").write_text(SLOW)
    rows = [{"question": f"What is {i} + 1?", "answer": f"{i + 1}"} for i in range(2)]
    path = write_rows("two.jsonl", *rows)
    with LoopbackJudge(Behaviour(script=script)) as server:
        more = ("--k", "1", "--samples", "3", "--marker", "./slow.py", "--json")
        assert cli.run([*at(server, path, *more)]) == 0
        printed = capsys.readouterr()
        document = json.loads(printed.out)
        Path("slow.py").write_text(SLOW.replace("0.3", "0.4"))
        other = run(capsys, *at(server, path, *more))
    row = document["contenders"][0]
    assert (row["n_ended"], row["pass_at_k"]["1"]["value"]) == (3, 0.5)
    assert row["no_answer"]["value"] == 0.5  # not known is no answer
    assert "x: 3 samples took too long to mark" in printed.err
    assert "marker `slow`: the code of slow.py is run" in printed.err
    assert document["settings"]["marker"] == "slow"
    assert other["run"] != document["run"]  # another marker is another run, of the same samples
    assert other["calls"]["made"] == 0


@pytest.mark.slow
def test_sigkill_while_sampling_loses_and_repeats_nothing(tmp_path: Path) -> None:
    job = ["passk", "base", "--limit", "40", "--k", "1,16", "--samples", "16", "--json"]
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    whole.mkdir()
    killed.mkdir()
    expected = finish(whole, job)
    for reached in (64, 256, 448):
        kill_when(killed, lambda reached=reached: count(killed) >= reached, job)  # type: ignore[misc]
    before = count(killed)
    resumed = finish(killed, job)
    assert resumed["calls"] == {"made": 40 * 17 - before, "from_ledger": before}
    assert count(killed) == count(whole) == 40 * 17
    assert resumed["contenders"] == expected["contenders"]


def templated(path: Path, n: int = 6) -> Path:
    """Problems of which every two are made from one template."""
    rows = [
        {"id": i, "question": f"What is {i} + {i}?", "answer": str(2 * i), "template": f"t{i // 2}"}
        for i in range(n)
    ]
    return write_rows(path, *rows)


def test_problems_of_one_template_are_one_cluster(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(templated(folder / "p.jsonl"))
    job = ("passk", "base", "--prompts", path, "--k", "1", "--samples", "2", "-q")
    alone, together = run(capsys, *job), run(capsys, *job, "--cluster", "template")
    assert together["settings"]["n_clusters"] == 3
    assert together["calls"]["made"] == 0
    assert together["run"] != alone["run"]
    rates = [one["contenders"][0]["pass_at_k"]["1"] for one in (alone, together)]
    assert rates[0]["value"] == rates[1]["value"]
    assert cli.run([*job, "--cluster", "template"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "the choice of 3 groups of problems by `template`" in text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--cluster", "template"), "names a field of a problem file"),
        (("--prompts", "p.jsonl", "--cluster", "tmplate"), "`tmplate` is `None`"),
        (("--prompts", "one.jsonl", "--cluster", "template"), "all problems have the same"),
    ],
)
def test_a_cluster_that_is_none_is_one_clear_line(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], said: str
) -> None:
    templated(folder / "p.jsonl")
    templated(folder / "one.jsonl", 2)
    assert cli.run(["passk", "base", *arguments, "--k", "1", "--samples", "1"]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert "hint:" in error


def test_a_relative_base_is_asked_in_the_words_of_the_one_that_lies_there_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = ["passk", "own", "--prompts", "p.jsonl", "--k", "1", "--samples", "1", "-q"]
    asked += ["--temperature", "0", "--no-greedy", "--json", "--out", "run"]
    numbered = (2, 35, 41, 68, 97)
    problems = [{"question": f"What is {n} + {n}?", "answer": f"#### {n + n}"} for n in numbered]
    for name in ("first", "second"):
        place = tmp_path / name
        shutil.copytree(BASE_DIR, place / "own")
        write_rows(place / "p.jsonl", *problems)
    # The second's tokenizer calls digits by other numbers.
    tokenizer = tmp_path / "second/own/tokenizer.json"
    stated = json.loads(tokenizer.read_text())
    vocabulary = stated["model"]["vocab"]
    numbers = [vocabulary[digit] for digit in "0123456789"]
    vocabulary |= dict(zip("0123456789", numbers[1:] + numbers[:1], strict=True))
    tokenizer.write_text(json.dumps(stated))
    shutil.copytree(tmp_path / "second", tmp_path / "alone")
    for name in ("first", "second"):
        monkeypatch.chdir(tmp_path / name)
        assert cli.run(asked) == 0
    finish(tmp_path / "alone", asked)
    said = [(tmp_path / name / "run/samples.jsonl").read_text() for name in ("alone", "second")]
    assert said[0] == said[1]
