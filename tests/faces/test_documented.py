"""docs/python.md and the notebook, run as they are written."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests import ROOT
from tests.kernel import cells, kernel

PAGE = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
NOTEBOOK = ROOT / "docs" / "notebooks" / "first.ipynb"
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE, re.S | re.M)
LONG = "# A minute"


def run(blocks: list[str]) -> dict[str, Any]:
    """The names that the blocks leave, run one after the other."""
    names: dict[str, Any] = {}
    for block in blocks:
        exec(compile(block, "docs/python.md", "exec"), names)
    return names


def test_the_pages_examples_run_as_they_are_written(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    left = run([block for block in BLOCKS if not block.startswith(LONG)])
    assert left["result"].glance.state == "better"
    assert capsys.readouterr().out == left["result"].verdict + "\n"
    assert left["page"].is_file()


@pytest.mark.slow
def test_the_pages_long_example_runs_as_it_is_written(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    left = run(["import sami_eval", *(block for block in BLOCKS if block.startswith(LONG))])
    assert Path(left["adapter"].adapter).is_dir()
    assert list(left["sampled"].to_pandas()["contender"]) == ["base", "base", "sft", "sft"]


def test_every_name_of_a_result_on_the_page_is_there(folder: Path) -> None:
    from sami_eval.faces.result import Result

    named = set(re.findall(r"`result\.(\w+)", PAGE))
    assert named >= {"to_pandas", "html", "open", "save", "verdict"}
    assert named - {"place"} <= set(dir(Result))


def test_the_notebook_is_kept_without_outputs() -> None:
    held = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    code = [one for one in held["cells"] if one["cell_type"] == "code"]
    assert len(code) >= 8
    assert all(one["outputs"] == [] and one["execution_count"] is None for one in code)


def test_every_cell_of_the_notebook_runs(tmp_path: Path) -> None:
    with kernel(tmp_path) as one:
        ran = [one.run(code) for code in cells(NOTEBOOK)]
        assert [cell.error for cell in ran] == [""] * len(ran)
        assert one.run("result.glance.state").value == "'better'"
        assert one.run("len(result.to_pandas('questions'))").value == "12"
    (shown,) = ran[2].of_kind("execute_result")
    assert "counted is better than plain" in shown["data"]["text/html"]
    assert ran[-1].of_kind("stream")[0]["text"].endswith("did you mean `limit`?\n")
    assert (tmp_path / "report.html").is_file()
