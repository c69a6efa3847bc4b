"""`sami-eval contrast` as a user meets it: servers, resuming, dry runs, the summary."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

import sami_eval
from sami_eval import cli
from sami_eval.align.contrast import redraft
from sami_eval.core.types import Model
from sami_eval.data import ifeval
from sami_eval.data.contrasts import read_contrasts
from sami_eval.embedded import BASE_DIR
from tests.loopback_judge import Behaviour, LoopbackJudge, completion
from tests.processes import kill_when
from tests.records import write_rows

CONSTITUTION = {
    "math.1": {
        "definition": "Show steps.",
        "paraphrases": ["Show every step."],
        "paraphrases_antithesis": ["Give the result alone."],
    }
}
N_PROMPTS = 30


def speak(body: dict[str, object]) -> tuple[int, dict[str, str], bytes]:
    """A model that follows its constitution; to question 3 it never ends by itself."""
    messages = body["messages"]
    assert isinstance(messages, list)
    long = "every step" in messages[0]["content"]
    question = messages[-1]["content"]
    words = f"To answer {question} I go step by step, slowly. " * 4 if long else "x" * 60
    return 200, {}, completion(words, "length" if question == "What is 3 + 1?" else "stop")


@pytest.fixture
def folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HF_DATASETS_CACHE", str(folder / "cache"))
    Path("math.json").write_text(json.dumps(CONSTITUTION))
    rows = [{"problem": f"What is {i} + 1?", "level": 1} for i in range(N_PROMPTS)]
    write_rows("sums.jsonl", *rows)
    return folder


ASKED = ["contrast", "--prompts", "sums.jsonl", "--prompt-column", "problem", "--out", "c.jsonl"]
ASKED += ["--constitutions", "math.json", "--model", "openai:loopback"]


def test_a_server_writes_contrasts_once(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with LoopbackJudge(Behaviour(script=speak)) as server:
        asked = [*ASKED, "--base-url", server.url, "--filters", "paper-math", "-q", "--json"]
        assert cli.run([*asked, "--stop", r"\nHuman:"]) == 0
        assert server.n_calls == 2 * N_PROMPTS
        assert server.calls[0].body["stop"] == ["\nHuman:"]
        first = capsys.readouterr().out
        assert cli.run([*asked, "--stop", r"\nHuman:"]) == 0
        assert server.n_calls == 2 * N_PROMPTS
    assert capsys.readouterr().out == first
    summary = json.loads(first)
    assert (summary["written"], summary["accepted"]) == (N_PROMPTS, N_PROMPTS - 1)
    assert summary["rejected"]["a response did not end by itself"] == 1
    assert summary["by_principle"]["+math.1"] == {"accepted": 29, "written": 30}
    contrasts = read_contrasts(folder / "c.jsonl")
    assert len(contrasts) == N_PROMPTS
    (rejected,) = [one for one in contrasts if one.rejected]
    assert rejected.prompt.turns == ("What is 3 + 1?",)


def test_a_dry_run_says_what_is_missing_and_asks_nothing(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with LoopbackJudge(Behaviour(script=speak)) as server:
        asked = [*ASKED, "--base-url", server.url]
        assert cli.run([*asked, "--limit", "10"]) == 0
        n_calls = server.n_calls
        assert "writes contrasts of 10 prompts" in capsys.readouterr().err
        assert cli.run([*asked, "--dry-run", "--json"]) == 0
        assert server.n_calls == n_calls == 20
    found = json.loads(capsys.readouterr().out)
    assert (found["prompts"], found["responses"], found["stored"]) == (30, 40, 20)
    assert found["cost_usd"] is None  # no price is known


def test_a_killed_run_asks_only_for_what_is_missing(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with LoopbackJudge(Behaviour(script=speak, latency_s=0.05)) as server:
        asked = [*ASKED, "--base-url", server.url, "--concurrency", "2", "-q"]
        kill_when(folder, lambda: server.n_calls >= 12, asked)
        assert not (folder / "c.jsonl").exists()
        assert cli.run([*asked, "--dry-run", "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
        assert found["stored"] >= 10 - 2
        assert found["stored"] + found["responses"] == 2 * N_PROMPTS
        before = server.n_calls
        assert cli.run(asked) == 0
        assert server.n_calls - before == found["responses"]
    assert len(read_contrasts(folder / "c.jsonl")) == N_PROMPTS


CHECKED = """[[principle]]
id = "math.1"
categories = ["*"]
weak = "Steps help."
strong = "Show every step."
antithesis = "Give the result alone."
check = 'contains "step"'

[[principle]]
id = "math.2"
categories = ["*"]
weak = "Shout."
strong = "End with an exclamation mark."
antithesis = "End without an exclamation mark."
check = "exclamations >= 1"
"""


def obey(body: dict[str, object]) -> tuple[int, dict[str, str], bytes]:
    """A model that follows both principles, and to question 5 neither."""
    messages = body["messages"]
    assert isinstance(messages, list)
    system, question = messages[0]["content"], messages[-1]["content"]
    follows = question != "What is 5 + 1?"
    words = f"To {question} " + "by one step" * (("every step" in system) == follows)
    return 200, {}, completion(words + "!" * (("with an excl" in system) == follows))


def test_contrasts_that_do_not_heed_their_constitutions_are_rejected(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("checked.toml").write_text(CHECKED)
    with LoopbackJudge(Behaviour(script=obey)) as server:
        asked = [*ASKED, "--base-url", server.url, "--constitutions", "checked.toml", "--json"]
        assert cli.run([*asked, "-q", "--min-heeded", "0.75"]) == 0
    reason = "a response heeds less than 75% of its principles, by their checks"
    assert json.loads(capsys.readouterr().out)["rejected"][reason] == 1
    contrasts = read_contrasts(folder / "c.jsonl")
    assert [one.prompt.turns for one in contrasts if one.rejected] == [("What is 5 + 1?",)]
    # What is written anew from them is held to the same checks.
    (drafted,) = redraft(contrasts[:1], Model("m", "m", engine="openai"), None)
    checks = {"math.1": 'contains "step"', "math.2": "exclamations >= 1"}
    assert [dict(one.checked()) for one in drafted.constitutions] == [
        {sign: checks[sign[1:]] for sign in one.signs} for one in drafted.constitutions
    ]


def test_checks_are_run_where_a_filter_asks_alone(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ifeval.registry.cache_clear()
    monkeypatch.setitem(sys.modules, "lm_eval.tasks.ifeval", None)  # not to be imported
    Path("theirs.toml").write_text(
        CHECKED.replace("exclamations >= 1", "ifeval:startend:quotation")
    )
    with LoopbackJudge(Behaviour(script=obey)) as server:
        asked = [*ASKED, "--base-url", server.url, "--constitutions", "theirs.toml", "-q"]
        assert cli.run([*asked, "--min-heeded", "0.5"]) == 2
        assert "IFEval's verifiers cannot be imported" in capsys.readouterr().err
        assert server.n_calls == 0
        assert cli.run(asked) == 0
    assert not any(one.rejected for one in read_contrasts(folder / "c.jsonl"))


def test_what_a_person_wants_to_see_is_printed(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with LoopbackJudge(Behaviour(script=speak)) as server:
        assert cli.run([*ASKED, "--base-url", server.url, "-q", "--near-duplicates", "0.99"]) == 0
    said = capsys.readouterr().out
    assert "29 of 30 contrasts accepted" in said
    assert "1 rejected: a response did not end by itself" in said
    assert "0 rejected: two responses are nearly the same" in said
    assert "length of 58 accepted responses in tokens: mean 10" in said
    assert said.count("  +math.1: To answer") == 3


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--filters", "paper"], "no filters `paper`"),
        (["--min-ratio", "nan"], "--min-ratio nan"),
        (["--min-ratio", "0.5"], "`--min-ratio` is `0.5`"),
        (["--near-duplicates", "1.5"], "`--near-duplicates` is `1.5`"),
        (["--min-heeded", "1.5"], "`--min-heeded` is `1.5`"),
        (["--min-heeded", "0.5"], "`--min-heeded`: no principle has a `check`"),
        (["--ban", ""], "`--ban` is empty"),
        (["--stop", ""], "`--stop` is empty"),
        (["--prompt-column", "text"], "has no column `text`"),
        (["--n", "3"], "no `3` different constitutions"),
        (["--constitutions", "missing.json"], "no file `missing.json`"),
    ],
)
def test_bad_flags_are_one_clear_line(
    folder: Path, capsys: pytest.CaptureFixture[str], flags: list[str], said: str
) -> None:
    assert cli.run([*ASKED, "--base-url", "http://127.0.0.1:1/v1", *flags]) == 2
    captured = capsys.readouterr()
    assert said in captured.err
    assert "Traceback" not in captured.err


def written(seed: int, out: str, *flags: str) -> dict[tuple[str, str], str]:
    """The embedded base's response by prompt and constitution."""
    asked = ["contrast", "--constitutions", "math.json", "--prompts", "sums.jsonl", *flags]
    asked += ["--prompt-column", "problem", "--temperature", "1", "--top-p", "1"]
    assert cli.run([*asked, "--seed", str(seed), "--out", out, "-q"]) == 0
    return {
        (one.prompt.turns[0], text): response.turns[0]
        for one in read_contrasts(Path(out))
        for text, response in zip(one.constitutions, one.responses, strict=True)
    }


def test_the_seed_draws_the_responses_too(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ("--max-tokens", "24")
    one, two = written(1, "one.jsonl", *flags), written(2, "two.jsonl", *flags)
    assert one.keys() == two.keys()
    assert len(one) == 2 * N_PROMPTS
    assert sum(one[asked] != two[asked] for asked in one) > N_PROMPTS
    Path(".sami-eval/ledger.db").unlink()
    assert written(1, "again.jsonl", *flags) == one


def test_a_server_is_asked_anew_for_another_seed_and_once_for_one(folder: Path) -> None:
    with LoopbackJudge(Behaviour(script=speak)) as server:
        asked = [*ASKED, "--base-url", server.url, "-q"]
        for seed in ("5", "5", "6"):
            assert cli.run([*asked, "--seed", seed]) == 0
        seeds = [call.body["seed"] for call in server.calls]
    assert len(seeds) == 2 * 2 * N_PROMPTS
    assert not set(seeds[: 2 * N_PROMPTS]) & set(seeds[2 * N_PROMPTS :])


PAIRS = [
    {"prompt": f"What is {i} + 1?", "chosen": f"It is {i + 1}.", "rejected": f"Not {i}."}
    for i in range(4)
]


def test_pairs_become_contrasts_for_sft_and_dpo_and_sami_refuses_them(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_rows("own.jsonl", *PAIRS, {"prompt": "Same?", "chosen": "a", "rejected": "a"})
    made = ["contrast", "--from-pairs", "own.jsonl", "--out", "c.jsonl", "-q", "--json"]
    assert cli.run(made) == 0
    summary = json.loads(capsys.readouterr().out)
    assert (summary["written"], summary["accepted"]) == (5, 4)
    assert summary["rejected"]["two responses are identical"] == 1
    train = ["--contrasts", "c.jsonl", "--steps", "1", "-q"]
    for recipe in ("base+sft", "base+dpo"):
        assert cli.run(["align", recipe, *train, "--out", recipe]) == 0
        assert Path(recipe, "adapter_model.safetensors").is_file()
    capsys.readouterr()
    assert cli.run(["align", "base+sami", *train, "--out", "sami"]) == 2
    assert "SAMI learns which constitution a response goes with" in capsys.readouterr().err


def test_contrasts_of_which_none_is_accepted_are_a_failure_that_says_why(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    same, empty = {"chosen": "a", "rejected": "a"}, {"chosen": "a", "rejected": ""}
    write_rows("own.jsonl", {"prompt": "A?", **same}, {"prompt": "B?", **same})
    write_rows("more.jsonl", {"prompt": "A?", **same}, {"prompt": "B?", **empty})
    for file, reasons in (
        ("own.jsonl", "2 of them: two responses are identical"),
        ("more.jsonl", "1 of them: a response is empty; 1 of them: two responses are identical"),
    ):
        made = ["contrast", "--from-pairs", file, "--out", "c.jsonl", "-q"]
        assert cli.run(made) == 1
        said = capsys.readouterr()
        assert f"error: none of 2 contrasts passed the filters ({reasons})\n" in said.err
        assert "they are in `c.jsonl`, each with its reason" in said.err
        assert "0 of 2 contrasts accepted" in said.out
    with pytest.warns(UserWarning, match="none of 2 contrasts passed"):
        assert sami_eval.contrast(from_pairs="own.jsonl", out="c.jsonl").summary.accepted == 0


@pytest.mark.parametrize("source", [["--from-pairs", "own.jsonl"], ["--prompts", "own.jsonl"]])
def test_contrasts_replace_contrasts_and_no_other_file(
    folder: Path, capsys: pytest.CaptureFixture[str], source: list[str]
) -> None:
    own = '{"prompt": "Hello?", "chosen": "Hi.", "rejected": "No."}\n'
    (folder / "own.jsonl").write_text(own)
    assert cli.run(["contrast", *source, "--out", "own.jsonl", "-q"]) == 2
    assert "`--out own.jsonl` holds no contrasts" in capsys.readouterr().err
    assert (folder / "own.jsonl").read_text() == own


def test_other_contrasts_beside_the_adapters_are_kept_and_named(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_rows("own.jsonl", *PAIRS)
    made = ["contrast", "--from-pairs", "own.jsonl", "--base", str(BASE_DIR)]
    (first, again, other) = ([*made, "--limit", n] for n in ("2", "2", "3"))
    assert cli.run(first) == cli.run(again) == 0
    (path,) = folder.glob("adapters/*/*.jsonl")
    before = path.read_text()
    assert "held other contrasts" not in capsys.readouterr().err
    assert cli.run(other) == 0
    (kept,) = set(folder.glob("adapters/*/*.jsonl")) - {path}
    assert kept.read_text() == before != path.read_text()
    assert f"are kept as `{kept}`" in capsys.readouterr().err


def test_contrasts_of_pairs_are_written_anew(folder: Path) -> None:
    own = '{"prompt": "Hello?", "chosen": "Hi.", "rejected": "No."}\n'
    (folder / "own.jsonl").write_text(own)
    for _ in range(2):
        assert cli.run(["contrast", "--from-pairs", "own.jsonl", "--out", "new.jsonl", "-q"]) == 0


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--n", "3", "--out", "c.jsonl"], "`--n` with `--from-pairs`"),
        (["--constitutions", "math.json", "--out", "c.jsonl"], "`--constitutions` with"),
        ([], "where to? pairs are of no base"),
        (["--out", "c.jsonl", "--prompt-column", "no"], "has no column `no`"),
        (["--out", "c.jsonl", "--category-column", "no"], "has no column `no`"),
    ],
)
def test_pairs_with_flags_that_mean_nothing_are_refused(
    folder: Path, capsys: pytest.CaptureFixture[str], flags: list[str], said: str
) -> None:
    write_rows("own.jsonl", *PAIRS)
    assert cli.run(["contrast", "--from-pairs", "own.jsonl", *flags, "-q"]) == 2
    assert said in capsys.readouterr().err
    assert not Path("c.jsonl").exists()
