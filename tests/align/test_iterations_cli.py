"""`sami-eval align --iterations` as a user meets it, on the embedded base."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from sami_eval import cli
from sami_eval.align import adapters
from sami_eval.align.contrast import draft, unanswered
from sami_eval.align.filters import Filters
from sami_eval.core.config import Config
from sami_eval.data.contrasts import contrasts_to_jsonl, read_contrasts
from sami_eval.generate import card
from sami_eval.generate.tools import Tools
from sami_eval.ledger.store import Ledger
from tests.align_models import there, weights
from tests.embedded_contrasts import base as embedded_base
from tests.processes import kill_when
from tests.records import write_rows

ASKED = ["align", "base+sami", "--contrasts", "given.jsonl", "--iterations", "2", "--steps", "2"]
ASKED += ["--lr", "0.005"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Six contrasts of the embedded base, in its ledger too."""
    monkeypatch.chdir(tmp_path)
    from sami_eval import embedded
    from sami_eval.core.progress import silent
    from sami_eval.data.constitutions import read_constitution
    from sami_eval.generate import EngineChoice

    how = adapters.ContrastPlan(
        limit=6, sampling=replace(adapters.EMBEDDED_SAMPLING, max_tokens=24),
        engine=EngineChoice("hf"), filters=Filters(finished=False),
    )  # fmt: skip
    with Ledger(Config(tmp_path).ledger_path) as ledger:
        principles = read_constitution(embedded.CONSTITUTION)
        prompts = embedded.prompts("alignment")
        tools = Tools(Config(tmp_path), ledger, silent())
        written = adapters.contrasts_of(embedded_base(), prompts, principles, how, tools)
    Path("given.jsonl").write_text(contrasts_to_jsonl(written))
    return tmp_path


def n_stored(folder):
    import sqlite3

    with sqlite3.connect(Config(folder).ledger_path) as db:
        return db.execute("SELECT count(*) FROM completions").fetchone()[0]


def test_the_command_writes_with_each_adapter_and_prints_the_last(folder, capsys):
    assert cli.run([*ASKED, "--dry-run", "-q"]) == 0
    said = capsys.readouterr().out
    assert "contrasts  3 of 3 used" in said
    assert "iterations 2, each on 3 or so of 6 prompts; 0 finished" in said
    assert "at most 12 responses, 288 tokens" in said
    assert not (folder / "adapters").exists()
    assert n_stored(folder) == 12
    assert cli.run(ASKED) == 0
    captured = capsys.readouterr()
    adapter = Path(captured.out.strip())
    assert adapter.name == "base+sami@0-2of2"
    assert "iteration 1 of 2 (base+sami@0-1of2): " in captured.err
    # The base's responses were in the ledger; the first adapter's to three prompts are new.
    assert n_stored(folder) == 12 + 6
    given = {one.prompt.id: one for one in read_contrasts(Path("given.jsonl"))}
    first, second = (
        read_contrasts(adapter.with_name(f"base+sami@0-{i}of2.contrasts.jsonl")) for i in (1, 2)
    )
    assert [one.responses for one in first] == [given[one.prompt.id].responses for one in first]
    assert all(one.constitutions == given[one.prompt.id].constitutions for one in second)
    texts = [[one.turns for one in c.responses] for c in second]
    assert texts != [[one.turns for one in given[c.prompt.id].responses] for c in second]
    assert json.loads(second[0].metadata["sampling"])["max_tokens"] == 24
    assert cli.run([*ASKED, "--dry-run", "-q"]) == 0
    said = capsys.readouterr().out
    assert "2 finished" in said
    assert "at most 0 responses" in said


@pytest.mark.slow
def test_a_run_that_is_killed_again_and_again_ends_in_the_same_weights(folder, capsys):
    asked = [*ASKED, "--steps", "40", "--lr", "0.002", "-q"]
    assert cli.run([*asked, "--out", "whole"]) == 0
    signs = (".cut-1of2.*/**/step-*", "cut-1of2", ".cut.*/**/step-*")
    for sign in signs:  # in the first training, between the two, in the second
        kill_when(folder, lambda sign=sign: bool(there(folder, sign)), [*asked, "--out", "cut"])
    assert not Path("cut").exists()
    assert cli.run([*asked, "--out", "cut"]) == 0
    whole, cut = (replace(embedded_base(), adapter=name) for name in ("whole", "cut"))
    assert all(torch.equal(weights(whole)[name], weights(cut)[name]) for name in weights(whole))
    given = [Path(f"{name}.contrasts.jsonl").read_text() for name in ("whole", "cut")]
    assert given[0].replace("whole-1of2", "cut-1of2") == given[1]


def test_constitutions_and_prompts_are_all_a_base_needs(folder, capsys):
    from sami_eval import embedded

    rows = [
        {"id": one.id, "category": one.category, "turns": one.turns}
        for one in embedded.prompts("alignment")[:4]
    ]
    write_rows("p.jsonl", *rows)
    Path("own").symlink_to(embedded.BASE_DIR)
    asked = ["align", "sami", "--iterations", "2", "--steps", "2", "--preset", "embedded", "-q"]
    asked += ["--base", "own", "--constitutions", str(embedded.CONSTITUTION), "--prompts"]
    assert cli.run([*asked, "p.jsonl", "--dry-run"]) == 0
    assert (
        "at most 16 responses, 12,000 tokens, by the model as it then stands, the base first"
        in capsys.readouterr().out
    )
    before = n_stored(folder)
    assert cli.run([*asked, "p.jsonl"]) == 0
    adapter = Path(capsys.readouterr().out.strip())
    # The base's to all prompts, for SFT; then SFT's and the first iteration's to half of them each.
    assert n_stored(folder) - before == 8 + 4 + 4
    assert card.read(adapter.with_name("sft@0"))["contrasts"]["n"] == 4
    halves = [
        read_contrasts(adapter.with_name(f"sft+sami@0-{i}of2.contrasts.jsonl")) for i in (1, 2)
    ]
    assert sorted(c.prompt.id for half in halves for c in half) == sorted(r["id"] for r in rows)


def test_nothing_but_the_prompts_drawn_and_their_constitutions_is_unanswered():
    from sami_eval import embedded
    from sami_eval.data.constitutions import read_constitution

    prompts = embedded.prompts("alignment")
    principles = read_constitution(embedded.CONSTITUTION)
    asked = draft(prompts, principles, embedded_base(), None, seed=3)
    found = unanswered(prompts, principles, seed=3)
    assert [(c.prompt, c.constitutions, c.principles) for c in found] == [
        (d.prompt, tuple(o.text for o in d.constitutions), tuple(o.signs for o in d.constitutions))
        for d in asked
    ]
    assert {c.responses for c in found} == {()}


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--engine", "hf"], "`--engine` without `--iterations`"),
        (["--engine-arg", "a=b"], "`--engine` without `--iterations`"),
        (["--prompts", "p.jsonl"], "`--prompts` without `--iterations`"),
        (["--iterations", "2", "--prompts", "p.jsonl"], "`--prompts` without the other"),
        (["--iterations", "2", "--constitutions", "c.toml"], "`--constitutions` without the other"),
        (
            ["--iterations", "2", "--contrasts", "c.jsonl", "--constitutions", "c.toml"],
            "`--contrasts` and `--constitutions`: which prompts?",
        ),
        (["--iterations", "500"], "`--iterations 500` of 480 prompts"),
        (["--iterations", "0"], "`--iterations 0`"),
    ],
)
def test_flags_that_do_not_go_together_are_one_clear_line(
    flags, said, capsys, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    assert cli.run(["align", "base+sami", *flags]) == 2
    captured = capsys.readouterr().err
    assert said in captured
    assert "hint: " in captured
    assert "Traceback" not in captured
