"""Judges that are programs: MODULE:FUNCTION, ours or of a Python file beside the judge's.

    def compare(prompt, turn, a, b): ...

    prompt: core.types.Prompt. turn: from 0. a, b: core.types.Response, whose `turns[turn]` is the
        answer; a stands first.
    Returns "a", "b" or "tie", or with a reason ("a", "why"); (None, "why") is no verdict.

It is asked in both orders, so that one which prefers what stands first decides nothing. A function
`check_prompts(prompts)` beside it is called before anything is spent: what it returns, a list of
texts, is said, and a UsageError it raises ends the run.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Final

from sami_eval.core.errors import SamiEvalError, UsageError, shown
from sami_eval.core.files import Toml, read_text
from sami_eval.core.source import fault, import_as_written, parsed, sources
from sami_eval.core.types import Judge, Order, Prompt, Response, Verdict, Winner
from sami_eval.judge.requests import Turn
from sami_eval.judge.verdicts import WINNERS
from sami_eval.ledger.store import key

OURS: Final = "sami_eval."
HINT = 'write program = "brevity:compare" for the function compare of brevity.py beside this file'
RETURNS = 'return "a", "b" or "tie", or with a reason ("a", "why"); (None, "why") is no verdict'
SWAPPED: Mapping[Winner, Winner] = {"a": "b", "b": "a", "tie": "tie"}


@dataclass(frozen=True, slots=True)
class Program:
    """A program that was imported. compare: as this module says."""

    compare: Callable[[Prompt, int, Response, Response], object]
    check_prompts: Callable[[Sequence[Prompt]], Sequence[str]] | None


def source_of(file: Toml) -> str:
    """SHA-256 of a program that a judge file names, with the user's own modules that it imports.

    Nothing is run. Ours: of all that it may use, its folder and the layers below. Raises
    UsageError where there is none.
    """
    program = file.data.get("program")
    if not isinstance(program, str) or not all(program.partition(":")):
        said = "missing" if program is None else shown(program)
        file.bad(("program",), f"`program` is {said}", HINT)
    module = program.partition(":")[0]
    path = module_file(module, file.path)
    if not path.is_file():
        file.bad(("program",), f"`program` is `{program}`: no file `{path}`", HINT)
    text = read_text(path, HINT)
    try:
        parsed(text)
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None)
        where = f"{path}:{line}" if line else str(path)
        raise UsageError(f"not Python: {error}", HINT, where) from None
    if not module.startswith(OURS):
        return key("program", program, *sources(path))
    package = Path(__file__).resolve().parents[1]
    used = {path.parent, package / "data", package / "stats"}
    files = sorted(one for folder in used for one in folder.glob("*.py"))
    return key("program", program, *(one.read_text("utf-8") for one in files))


def module_file(module: str, judge_file: Path) -> Path:
    """Where a module lies: in the package, or beside the judge's file."""
    if module.startswith(OURS):
        package = Path(__file__).resolve().parents[1]
        return package.joinpath(*module.split(".")[1:]).with_suffix(".py")
    return judge_file.parent / f"{module}.py"


def load(judge: Judge) -> Program:
    """The judge's program, imported now; another's than ours is said to be run before it is.

    Raises UsageError where it has no such function.
    """
    return _load(judge.name, judge.program, Path(judge.source).resolve(), judge.sha256)


@cache
def _load(name: str, program: str, judge_file: Path, sha256: str) -> Program:
    """sha256: another source is another program, in the same process too."""
    module_name, _, function = program.partition(":")
    path = module_file(module_name, judge_file)
    module = (
        importlib.import_module(module_name)
        if module_name.startswith(OURS)
        else _import(name, path)
    )
    compare = getattr(module, function, None)
    if not callable(compare):
        hint = f"define {function}(prompt, turn, a, b)"
        raise UsageError(f"judge `{name}`: `{path}` has no function `{function}`", hint, str(path))
    return Program(compare, getattr(module, "check_prompts", None))


def running(name: str, path: Path) -> str:
    """What to say before a user's file is run: it is code."""
    return f"judge `{name}`: the code of {path} is run"


def _import(name: str, path: Path) -> ModuleType:
    if path.suffix != ".py":
        raise UsageError(f"`{path}` is no Python file", HINT)
    print(running(name, path), file=sys.stderr, flush=True)  # --quiet is about progress alone
    try:
        return import_as_written(f"sami_eval_judge_{path.stem}", path)
    except SamiEvalError:
        raise
    except Exception as error:  # code of theirs raises whatever it pleases
        raise UsageError(f"judge `{name}`: cannot import: {fault(error)}", "", str(path)) from error


def notes(judge: Judge, prompts: Sequence[Prompt]) -> tuple[str, ...]:
    """What a judge's program says of the prompts; the program is imported.

    Raises UsageError where it cannot judge them.
    """
    check = load(judge).check_prompts
    return () if check is None else tuple(check(prompts))


def verdict(judge: Judge, turn: Turn, first: Order) -> Verdict:
    """The program's verdict on a turn in one order.

    Raises UsageError, with the prompt's id, where it raises or returns what is no verdict.
    """
    a, b = (turn.a, turn.b) if first == "a" else (turn.b, turn.a)
    winner, why = _asked(judge, turn, a, b)
    if first == "b" and winner is not None:
        winner = SWAPPED[winner]
    names = judge.name, turn.a.model, turn.b.model
    reason = (why or "no verdict") if winner is None else None
    place = turn.prompt.id, turn.turn
    return Verdict(*place, *names, first, 0, winner, reason=reason, text=why)


def _asked(judge: Judge, turn: Turn, a: Response, b: Response) -> tuple[Winner | None, str]:
    where = f"judge `{judge.name}`, prompt `{turn.prompt.id}`, turn {turn.turn + 1}"
    try:
        said = load(judge).compare(turn.prompt, turn.turn, a, b)
    except SamiEvalError:
        raise
    except Exception as error:  # code of theirs raises whatever it pleases
        raise UsageError(f"{where}: {judge.program} raised {fault(error)}", RETURNS) from error
    winner, why = said if isinstance(said, tuple) and len(said) == 2 else (said, "")
    nothing = winner is None and isinstance(said, tuple) and bool(why)
    known = WINNERS.get(winner) if isinstance(winner, str) else None
    if not isinstance(why, str) or not (nothing or known):
        raise UsageError(f"{where}: {judge.program} returned {shown(said)}", RETURNS)
    return known, why
