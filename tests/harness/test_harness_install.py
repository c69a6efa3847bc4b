"""`sami-eval tasks`: where lm-eval finds our tasks, for each way lm-eval can be installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import lm_eval
import pytest

from sami_eval.harness import install
from tests import ROOT

REAL = Path(lm_eval.__file__).parent
KEPT_TASKS = ("arc", "gsm8k")  # its 14,000 task files take long to copy and to index

# An editable install of a package beside its finder: `sys.meta_path` gets it last, as setuptools'.
FINDER = """
import importlib.machinery, importlib.util, sys

class Finder:
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name == "lm_eval":
            return importlib.util.spec_from_file_location(
                name, {init!r}, submodule_search_locations=[{package!r}]
            )

sys.meta_path.append(Finder)
"""
# Python with nothing of its own but the standard library, and one folder of distributions.
RUN = "import site; site.addsitedir({site!r}); {code}"
CLI = "import sys; sys.argv = ['sami-eval', *{words!r}]; from sami_eval.cli import main; main()"
FIND = (
    "from lm_eval.tasks import TaskManager; print(sorted(n for n in TaskManager().all_tasks"
    " if n in {names!r}))"
)

Run = Callable[[str], subprocess.CompletedProcess[str]]


def copy_lm_eval(to: Path) -> Path:
    """A real lm-eval with a few of its tasks."""

    def ignored(folder: str, names: list[str]) -> list[str]:
        if Path(folder) != REAL / "tasks":
            return ["__pycache__"]
        kept = (*KEPT_TASKS, *(name for name in names if name.endswith(".py")))
        return [name for name in names if name not in kept]

    return Path(shutil.copytree(REAL, to / "lm_eval", ignore=ignored))


def site_without_lm_eval(folder: Path) -> Path:
    """A site folder with links to all that is installed here but lm-eval and ourselves."""
    folder.mkdir()
    for one in REAL.parent.iterdir():
        if not one.name.startswith(("lm_eval", "sami_eval", "_", "distutils-precedence")):
            (folder / one.name).symlink_to(one)
    (folder / "sami_eval").symlink_to(ROOT / "sami_eval")
    (folder / "lm_eval-0.4.13.dist-info").symlink_to(
        next(REAL.parent.glob("lm_eval-*.dist-info")), target_is_directory=True
    )
    return folder


def runner(site: Path, path: str = "") -> Run:
    def run(code: str) -> subprocess.CompletedProcess[str]:
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
        python = getattr(sys, "_base_executable", sys.executable)
        return subprocess.run(
            [python, "-S", "-c", RUN.format(site=str(site), code=code)],
            capture_output=True,
            text=True,
            env={**environment, **({"PYTHONPATH": path} if path else {})},
        )

    return run


def normal(tmp_path: Path) -> tuple[Run, Path]:
    site = site_without_lm_eval(tmp_path / "site")
    return runner(site), copy_lm_eval(site)


def editable(tmp_path: Path) -> tuple[Run, Path]:
    site = site_without_lm_eval(tmp_path / "site")
    package = copy_lm_eval(tmp_path / "checkout")
    finder = FINDER.format(init=str(package / "__init__.py"), package=str(package))
    (site / "lm_eval_finder.py").write_text(finder)
    (site / "__editable__.lm_eval.pth").write_text("import lm_eval_finder\n")
    return runner(site), package


def elsewhere(tmp_path: Path) -> tuple[Run, Path]:
    site = site_without_lm_eval(tmp_path / "site")
    package = copy_lm_eval(tmp_path / "other")
    return runner(site, str(package.parent)), package


@pytest.mark.parametrize("kind", [normal, editable, elsewhere])
def test_install_and_remove_leave_lm_eval_as_it_was(
    tmp_path: Path, kind: Callable[[Path], tuple[Run, Path]]
) -> None:
    run, package = kind(tmp_path)
    before = sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*.yaml"))
    done = run(CLI.format(words=["tasks", "install"]))
    assert done.returncode == 0, done.stderr
    copies = {path.name for path in (package / "tasks" / "sami_eval").iterdir()}
    assert copies == {path.name for path in (ROOT / "tasks").glob("*.yaml")}
    names = sorted(path.stem for path in (ROOT / "tasks").glob("*.yaml"))
    found = run(FIND.format(names=names))
    assert found.stdout.strip() == str(names), found.stderr
    removed = run(CLI.format(words=["tasks", "remove"]))
    assert removed.returncode == 0, removed.stderr
    assert sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*.yaml")) == before
    assert not (package / "tasks" / "sami_eval").exists()
    assert not (tmp_path / "site" / "lm_eval").exists() or kind is normal


def test_a_folder_that_hides_lm_eval_is_named(tmp_path: Path) -> None:
    run, _ = editable(tmp_path)
    (tmp_path / "site" / "lm_eval" / "tasks").mkdir(parents=True)
    done = run(CLI.format(words=["tasks", "install"]))
    assert done.returncode == 2
    assert f"`{tmp_path / 'site' / 'lm_eval'}` is no lm-eval" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.fixture
def target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of lm-eval's tasks to write to."""
    monkeypatch.setattr(install, "lm_eval_tasks", lambda: tmp_path)
    return tmp_path / install.FOLDER


def test_installing_twice_writes_nothing(target: Path) -> None:
    install.install()
    before = {path: path.stat().st_mtime_ns for path in target.iterdir()}
    install.install()
    assert {path: path.stat().st_mtime_ns for path in target.iterdir()} == before
    assert install.installed().state == "installed"


def test_an_older_copy_is_stale_until_installed_again(target: Path) -> None:
    install.install()
    (target / "mtbench_turn1.yaml").write_text(install.MARK + "task: old\n")
    (target / "gone.yaml").write_text(install.MARK + "task: gone\n")
    assert install.installed().state == "stale"
    install.install()
    assert install.installed().state == "installed"
    assert not (target / "gone.yaml").exists()


def test_what_an_interrupted_install_left_is_removed(target: Path) -> None:
    install.install()
    (target / ".mtbench_turn1.yaml.x1").write_text(install.MARK)
    assert install.remove() == target
    assert not target.exists()
    assert install.remove() is None


def test_a_stranger_in_our_folder_stays(target: Path) -> None:
    from sami_eval.core.errors import SamiEvalError

    install.install()
    (target / "mine.yaml").write_text("task: mine\n")
    with pytest.raises(SamiEvalError, match=r"also holds `mine\.yaml`"):
        install.remove()
    assert [path.name for path in target.iterdir()] == ["mine.yaml"]


@pytest.mark.parametrize("path", sorted((ROOT / "tasks").glob("*.yaml")), ids=lambda p: p.stem)
def test_each_task_file_loads_and_names_itself(path: Path) -> None:
    from lm_eval.tasks._yaml_loader import load_yaml

    # lm-eval passes over a file it cannot read and says no more than "Tasks not found".
    stated = load_yaml(path, resolve_func=True)
    assert stated["task"] == path.stem
    assert isinstance(stated["class"], type)
    assert "tag" not in stated  # a built-in tag here would replace it for everybody
