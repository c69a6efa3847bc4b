"""The command line: one short function a command; data to stdout, the rest to stderr.

Layer 6: imports all below; nothing but `python -m sami_eval` imports it.
"""

from __future__ import annotations

import contextlib
import copy
import difflib
import errno
import logging
import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType, TracebackType

import typer
from typer.models import CommandInfo

from sami_eval.cli import (
    again,
    agreement,
    align,
    cancel,
    compare,
    contrast,
    doctor,
    init,
    lm_eval,
    ls,
    new,
    new_task,
    passk,
    power,
    push,
    reproduce,
    schema,
    show,
    tasks,
    train,
)
from sami_eval.cli.flags import Command
from sami_eval.cli.help import Grouped, Listing
from sami_eval.core.errors import SamiEvalError, UsageError, report_error
from sami_eval.core.terminal import shown_streams
from sami_eval.core.versions import __version__

# typer carries click inside from 0.26 on and stands on the click package before; either way its own
# exceptions lead to click's.
_ClickError: type[typer.BadParameter] = next(  # one of them: they share `message`
    one for one in typer.BadParameter.__mro__ if one.__name__ == "ClickException"
)
INTERRUPTED = 130
NAME_ERRORS = (errno.ENAMETOOLONG, errno.ELOOP, errno.ENOTDIR, errno.EISDIR)
NAME_HINT = "give another name or place"
MOST_SHOWN = 80
DISK_ERRORS = (errno.ENOSPC, errno.EROFS, errno.EDQUOT, errno.EACCES, errno.EPERM)

app = typer.Typer(
    name="sami-eval",
    help="Did this adapter make the model better, or is it noise?",
    cls=Listing,
    no_args_is_help=True,
    add_completion=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 200},
)
app.command(cls=Grouped)(Command(init.init))
app.command(cls=Grouped)(Command(compare.compare))
app.command(cls=Grouped)(Command(passk.passk))
app.command(cls=Grouped)(Command(train.train))
app.command(cls=Grouped)(Command(align.align))
app.command(cls=Grouped)(Command(contrast.contrast))
app.command(cls=Grouped)(Command(show.show))
app.command(cls=Grouped)(Command(push.push))
app.command(cls=Grouped)(Command(again.again))
app.command(cls=Grouped)(Command(ls.ls))
app.command(cls=Grouped)(Command(cancel.cancel))
app.command(cls=Grouped)(Command(power.power))
app.command(cls=Grouped)(Command(agreement.agreement))
app.command(cls=Grouped)(Command(doctor.doctor))
app.add_typer(reproduce.app, name="reproduce")
app.add_typer(new.judge_app, name="judge")
app.add_typer(new.constitution_app, name="constitution")
app.add_typer(new_task.app, name="task")
app.command(cls=Grouped)(Command(schema.schema))
app.command(cls=Grouped)(Command(tasks.tasks))
app.command("lm-eval", context_settings=lm_eval.SETTINGS)(lm_eval.lm_eval)


def commands() -> dict[str, Command]:
    """Every command with flags of ours, by what is typed for it."""
    groups = [(f"{one.name} ", one.typer_instance) for one in app.registered_groups]
    return {
        prefix + (one.name or _name(one)): one.callback
        for prefix, of in [("", app), *groups]
        if of is not None
        for one in of.registered_commands
        if isinstance(one.callback, Command)
    }


def _version(value: bool) -> None:
    if value:
        print(f"sami-eval {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Print the version."
    ),
) -> None:
    """Did this adapter make the model better, or is it noise?"""


def _verbose() -> bool:
    return any(argument in ("-v", "--verbose") for argument in sys.argv[1:])


def _unforeseen(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    text = " ".join(str(error).split())[:300]
    with shown_streams():
        if _verbose():
            sys.__excepthook__(kind, error, trace)
            return
        report_error(
            SamiEvalError(
                f"this is a bug in sami-eval: {kind.__name__}: {text}",
                "run the same command with -v and report what it prints; nothing stored is lost",
            )
        )


def _mistake(error: typer.BadParameter, arguments: list[str]) -> UsageError:
    """What was typed wrong, and the help of the command that is there."""
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "sami-eval"
    known = getattr(getattr(context, "command", None), "commands", None)
    typed = arguments[len(path.split()) - 1 :]
    if not known or not typed or typed[0].startswith("-"):
        return UsageError(_with_value(error, arguments), f"{path} --help")
    close = difflib.get_close_matches(typed[0], list(known), n=1)
    meant = f"did you mean `{path} {close[0]}`? " if close else ""
    return UsageError(f"no command `{typed[0]}`", f"{meant}{path} --help lists them all")


def _with_value(error: typer.BadParameter, arguments: list[str]) -> str:
    """The message behind the flag as it was typed: `--limit 0`: must be at least 1."""
    names = getattr(getattr(error, "param", None), "opts", [])
    for name, value in zip(arguments, [*arguments[1:], ""], strict=True):
        flag, equals, rest = name.partition("=")
        if flag in names:
            typed = f"{flag} {rest if equals else value}"
            return f"`{typed}`: {error.message.removeprefix('Value error, ')}"
    return error.format_message()


def _terminated(number: int, frame: FrameType | None) -> None:
    """SIGTERM is Ctrl-C: what was answered is stored, and leases are given back."""
    if callable(signal.getsignal(signal.SIGINT)):
        signal.raise_signal(signal.SIGINT)
    else:  # ignored, as in a job of the background
        raise KeyboardInterrupt


def main() -> None:
    """Run the command line and exit with its code."""
    sys.excepthook = _unforeseen
    signal.signal(signal.SIGTERM, _terminated)
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    # peft imports it where it is installed, and it then tells what it could do faster.
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    sys.exit(run(sys.argv[1:]))


def _stop_writing() -> None:
    """Nobody reads stdout, or it cannot be written: Python's last flush goes nowhere."""
    with contextlib.suppress(OSError, ValueError):  # a stream of a test has no number
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _cut(name: str) -> str:
    return name if len(name) <= MOST_SHOWN else f"{name[: MOST_SHOWN - 3]}..."


def run(arguments: list[str]) -> int:
    """Run one command; returns the exit code."""
    with shown_streams():
        return _run(arguments)


def _asked(whole: typer.Typer, arguments: list[str]) -> typer.Typer:
    """The commands, those that nobody typed without their flags, which would cost a start time."""
    asked = copy.copy(whole)
    asked.registered_commands = [
        one if (one.name or _name(one)) in arguments else _bare(one)
        for one in whole.registered_commands
    ]
    asked.registered_groups = [copy.copy(one) for one in whole.registered_groups]
    for one in asked.registered_groups:
        if one.typer_instance is not None:
            one.typer_instance = _asked(one.typer_instance, arguments)
    return asked


def _completed() -> list[str]:
    """What is typed so far, where a shell asks how it may go on: it stands in a variable."""
    typed = os.environ.get("COMP_WORDS") or os.environ.get("_TYPER_COMPLETE_ARGS") or ""
    return typed.split()


def _name(info: CommandInfo) -> str:
    return getattr(info.callback, "__name__", "")


def _bare(info: CommandInfo) -> CommandInfo:
    return CommandInfo(info.name or _name(info), callback=lambda: None, help=info.callback.__doc__)


def _check_once(arguments: Sequence[str]) -> None:
    """Refuse two files of settings: the last would be read alone, and they do not add up."""
    files = [one for one in arguments if one.partition("=")[0] == "--config"]
    if len(files) > 1 and arguments[0] != "lm-eval":
        raise UsageError("`--config` is given twice", "put what both say into one file")


def _run(arguments: list[str]) -> int:
    try:
        _check_once(arguments)
        # Calling the app itself would put typer's excepthook in the place of ours.
        program = typer.main.get_command(_asked(app, arguments or _completed()))
        code = program.main(arguments or ["--help"], prog_name="sami-eval", standalone_mode=False)
        sys.stdout.flush()
    except SamiEvalError as error:
        if _verbose() and not isinstance(error, UsageError):
            import traceback

            traceback.print_exc()
        report_error(error)
        return error.exit_code
    except _ClickError as error:
        report_error(_mistake(error, arguments))
        return error.exit_code
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except BrokenPipeError:
        _stop_writing()
        return 0
    except OSError as error:
        if error.errno == errno.ENOENT and error.filename is None:  # as `Path.cwd` fails alone
            report_error(UsageError("the folder you are in is gone", "cd to one that is there"))
            return UsageError.exit_code
        if error.errno in NAME_ERRORS:
            report_error(UsageError(f"`{_cut(str(error.filename))}`: {error.strerror}", NAME_HINT))
            return UsageError.exit_code
        if error.errno not in DISK_ERRORS:
            raise
        if error.filename is None:
            _stop_writing()
        where = f"`{error.filename}`" if error.filename else "the disk"
        hint = "free the disk or choose another place, then run the same command: it resumes"
        report_error(SamiEvalError(f"cannot write {where}: {error.strerror}", hint))
        return 1
    if code == INTERRUPTED:  # newer typer turns Ctrl-C into this code by itself
        print("\nstopped; what was finished is stored: the same command resumes", file=sys.stderr)
    return code if isinstance(code, int) else 0
