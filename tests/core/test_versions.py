"""A run says which code computed it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from sami_eval.core import versions as module
from sami_eval.core.versions import versions


def git(folder: Path, *arguments: str) -> None:
    who = ["-c", "user.name=n", "-c", "user.email=e@example.org"]
    subprocess.run(["git", "-C", str(folder), *who, *arguments], check=True, capture_output=True)


def test_a_checkout_names_its_commit_and_marks_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CHECKOUT", tmp_path)
    assert "commit" not in versions()
    (tmp_path / "a").write_text("1")
    git(tmp_path, "init")
    git(tmp_path, "add", "a")
    git(tmp_path, "commit", "-m", "one")
    clean = versions()["commit"]
    assert len(clean) == 12
    (tmp_path / "a").write_text("2")
    assert versions()["commit"] == clean + "+"
