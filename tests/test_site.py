"""The pages of docs/: found from one list, held against the code where a table is made of it."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from benchmarks import costs, large_runs
from sami_eval import embedded
from sami_eval.core.types import Usage
from tests import ROOT
from tests.records import write_rows
from tools import configuration

DOCS = ROOT / "docs"
HAS_MKDOCS = importlib.util.find_spec("mkdocs") is not None
# The program, which also writes down each answer that it hands to the ledger.
COUNTING = """#!{python}
from sami_eval.cli import main
from sami_eval.ledger.store import Ledger
add = Ledger.add_completions
def counted(ledger, rows):
    rows = list(rows)
    with open({drawn!r}, "a") as file:
        file.writelines(key + "\\n" for key, *_ in rows)
    add(ledger, rows)
Ledger.add_completions = counted
main()
"""


def page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def test_every_page_is_found_from_the_index() -> None:
    linked = set(re.findall(r"\]\(([\w-]+\.md)\)", page("index.md")))
    assert linked == {file.name for file in DOCS.glob("*.md")} - {"index.md"}


def test_the_configuration_page_has_every_key_as_the_code_reads_it() -> None:
    found = configuration.written(page("configuration.md"))
    assert found == page("configuration.md"), "python -m tools.configuration writes it"


def test_the_costs_of_judging_are_those_of_the_price_lists() -> None:
    # `python -m benchmarks.costs judging` prints them.
    assert "\n".join(costs.judging()) in page("costs.md")
    calls, tokens_in, tokens_out = costs.a_pairs_tokens()
    assert f"{calls} calls, {tokens_in:,} tokens in and {tokens_out:,} out" in page("costs.md")


def test_the_dollars_of_large_runs_are_those_of_the_price_lists() -> None:
    # `python -m benchmarks.large_runs` prints the table.
    cells = [
        [c.strip() for c in line.split("|")[1:-1]] for line in page("large_runs.md").split("\n")
    ]
    rows = {row[0]: row[1:] for row in cells if len(row) == 3}
    n = [int(one.replace(",", "")) for one in rows["judgments"]]
    assert n == [10 * 1_000 * 2 * 2, 45 * 1_000 * 2 * 2]
    read, written = (
        [int(one.replace(",", "")) for one in rows[f"tokens {what}"]]
        for what in ("read", "written")
    )
    judges = [name for name in rows if name.endswith("and by batch jobs")]
    assert len(judges) == 3
    for name in judges:
        found = [
            large_runs.dollars(name.split("`")[1], Usage(*each))
            for each in zip(read, written, strict=True)
        ]
        assert rows[name] == found


@pytest.mark.slow
def test_the_memory_of_training_is_what_a_dry_run_reckons() -> None:
    assert "\n".join(costs.memory()) in page("costs.md")


@pytest.mark.slow
@pytest.mark.skipif(not HAS_MKDOCS, reason="mkdocs is not installed: make docs does that")
def test_the_site_builds_without_a_link_that_leads_nowhere(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "-d", str(tmp_path / "site")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    made = {file.stem for file in (tmp_path / "site").glob("*.html")}
    assert {file.stem for file in DOCS.glob("*.md")} | {"commands"} <= made


def test_the_image_copies_all_that_the_package_is_built_from() -> None:
    lines = (ROOT / "Dockerfile").read_text("utf-8").splitlines()
    copied = {name for line in lines if line.startswith("COPY ") for name in line.split()[1:-1]}
    kept = (ROOT / ".dockerignore").read_text("utf-8").split("\n*\n")[1].splitlines()
    assert {line.removeprefix("!") for line in kept if line.startswith("!")} == copied
    assert [name for name in copied if not (ROOT / name).exists()] == []
    built = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    project, wheel = built["project"], built["tool"]["hatch"]["build"]["targets"]["wheel"]
    needed = {project["readme"], *project["license-files"], *wheel["packages"]}
    assert needed | set(wheel["force-include"]) | {"pyproject.toml", "constraints.txt"} == copied


def slurm_folder(folder: Path) -> int:
    """The script of docs/slurm.md, two pairs that share `base`, and a program that counts.

    Returns how many answers `base` has to give.
    """
    script = re.search(r"```bash\n(#!/bin/bash\n# pairs\.sh:.*?)```", page("slurm.md"), re.S)
    assert script is not None
    (folder / "pairs.sh").write_text(script[1], encoding="utf-8")
    (folder / "pairs.txt").write_text("base a.jsonl\nbase b.jsonl\n", encoding="utf-8")
    asked = embedded.prompts("evaluation")
    for name in ("a", "b"):
        rows = [{"prompt_id": one.id, "model": name, "turns": list(one.turns)} for one in asked]
        write_rows(folder / f"{name}.jsonl", *rows)
    typed = folder / "bin" / "sami-eval"
    typed.parent.mkdir()
    text = COUNTING.format(python=sys.executable, drawn=str(folder / "drawn.txt"))
    typed.write_text(text, encoding="utf-8")
    typed.chmod(0o755)
    return 4 * len(asked[0].turns)


@pytest.mark.slow
def test_two_tasks_of_the_slurm_script_draw_each_answer_once(tmp_path: Path) -> None:
    n_answers = slurm_folder(tmp_path)
    path = f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}"
    tasks = [
        subprocess.Popen(
            ["bash", "pairs.sh", "--limit", "4", "--quiet"],
            cwd=tmp_path,
            env={**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "SLURM_ARRAY_TASK_ID": task},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for task in ("1", "2")
    ]
    said = [task.communicate()[1] for task in tasks]
    assert [task.returncode for task in tasks] == [0, 0], said
    drawn = (tmp_path / "drawn.txt").read_text("utf-8").split()
    assert len(drawn) == len(set(drawn)) == n_answers
    assert {file.name for file in (tmp_path / "runs").iterdir()} == {"pair-1", "pair-2"}
