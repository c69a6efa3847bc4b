"""A `vllm serve` of our own: started, waited for, and ended with us, however we end."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from sami_eval.core.errors import SamiEvalError, UsageError
from sami_eval.core.progress import Progress
from sami_eval.generate.vllm import ENVIRONMENT, ROOM

HERE = Path(__file__).parent
NOTES = "vllm_served"  # the module that its workers import
HOST = "127.0.0.1"
SAY_EVERY_S = 30.0
LOOK_EVERY_S = 0.5
LONGEST_WORDS = 400
END_WITHIN_S = 30.0  # the guard waits 10 s twice
# What is decided here, or would take the server out of our hands.
OURS = frozenset(
    (
        *("model", "host", "port", "uds", "root_path", "api_key", "served_model_name", "config"),
        *("lora_modules", "worker_extension_cls", "generation_config", "headless", "grpc"),
        *("ssl_keyfile", "ssl_certfile", "ssl_ca_certs", "uvicorn_log_level"),
    )
)
# Before a line's own words: "(EngineCore pid=7) ERROR 11-29 21:00:00 [core.py:9]".
_PREFIX = re.compile(r"^(?:\([^)]*\) ?)*(?:[A-Z]+ [\d-]+ [\d:]+ \[[^\]]*\] ?)?")
_ERROR = re.compile(r"(?:[\w.]*(?:Error|Exception)|.*\berror): ")
_ELSEWHERE = "See root cause above"  # vLLM's last error, which names none


class VllmServer:
    """The server of one base and its adapters.

    names: how it calls the base and each adapter, in order. context: tokens of prompt and answer.
    guard: the process that it ends with.
    """

    def __init__(
        self, settings: Mapping[str, Any], adapters: Sequence[str], progress: Progress
    ) -> None:
        """Start it and wait until it answers. Raises SamiEvalError where it ends instead."""
        program, port = _program(), _free_port()
        self.folder = Path(tempfile.mkdtemp(prefix="sami-eval-serve-"))
        self.log = self.folder / "log.txt"
        self.url = f"http://{HOST}:{port}/v1"
        # No other server has these names, whoever may have taken the port meanwhile.
        kinds = ["base", *(f"adapter{i}" for i in range(1, len(adapters) + 1))]
        self.names = [f"{kind}{self.folder.name.rpartition('-')[2]}" for kind in kinds]
        own = {"host": HOST, "port": port, "served_model_name": self.names[0]}
        if adapters:
            shutil.copy(HERE / f"{NOTES}.py", self.folder)
            own["worker_extension_cls"] = f"{NOTES}.NotedLoras"
        command = [program, "serve", *_flags({**settings, **own})]
        named = zip(self.names[1:], map(os.path.abspath, adapters), strict=True)
        rows = [json.dumps({"name": name, "path": path}) for name, path in named]
        command += ["--lora-modules", *rows] if rows else []
        self.guard = _guarded(command, self.log, self.folder)
        with ExitStack() as opened:
            opened.callback(self.close)
            progress.say(f"starting `vllm serve` at {HOST}:{port} (minutes for a large model)")
            self.context = self._wait(progress)
            opened.pop_all()

    @property
    def is_alive(self) -> bool:
        """Whether it has not ended."""
        return self.guard.poll() is None

    def check(self, then: str = "what is done is kept: run the same command again") -> None:
        """Raise SamiEvalError with its last words where it has ended. then: what to do."""
        if not self.is_alive:
            raise SamiEvalError(
                f"`vllm serve` has ended (code {self.guard.returncode}): {last_words(self.log)}",
                f"{then}; all it wrote: {self.log}",
            )

    def unused(self) -> Iterator[tuple[int, list[str]]]:
        """The place of each adapter, and those of its layers that no worker has found a use for.

        Raises SamiEvalError where no worker has said so: another vLLM may load them otherwise.
        """
        for i in range(1, len(self.names)):
            notes = [
                json.loads(one.read_text("utf-8")) for one in self.folder.glob(f"{i}.*.unused")
            ]
            if not notes:
                raise SamiEvalError(
                    "this vLLM does not say whether it uses an adapter whole",
                    "--engine vllm, or pip install 'sami-eval[vllm]' for the version that is known",
                )
            # A worker may hold a part of the layers.
            yield i - 1, sorted(set.intersection(*map(set, notes)))

    def close(self) -> None:
        """End it and all that it has started; what it wrote stays where it ended by itself."""
        has_ended = not self.is_alive
        if self.guard.stdin is not None:
            self.guard.stdin.close()
        try:
            self.guard.wait(END_WITHIN_S)
        except subprocess.TimeoutExpired:
            self.guard.kill()
        if not has_ended:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _wait(self, progress: Progress) -> int:
        """Wait until it knows our names; how many tokens a prompt and its answer may have."""
        begun = said = time.monotonic()
        while True:
            self.check("`--engine-arg` goes to it; --engine vllm needs no server")
            if (context := self._context()) is not None:
                progress.say(f"`vllm serve` answers after {time.monotonic() - begun:.0f} s")
                return context
            if time.monotonic() - said >= SAY_EVERY_S:
                said = time.monotonic()
                progress.say(f"`vllm serve` starts, {said - begun:.0f} s; its log: {self.log}")
            time.sleep(LOOK_EVERY_S)

    def _context(self) -> int | None:
        """None while it does not answer."""
        # A proxy of the environment's is no way to this very machine.
        ask = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with ask.open(f"{self.url}/models", timeout=10) as answer:
                rows = {row["id"]: row for row in json.load(answer)["data"]}
        except (OSError, ValueError, LookupError, TypeError):  # another's server, it may be
            return None
        return int(rows[self.names[0]]["max_model_len"]) if set(self.names) <= set(rows) else None


def _program() -> str:
    """The `vllm` of this environment, else the one that is found. Raises UsageError for none."""
    beside = Path(sys.executable).with_name("vllm")
    program = str(beside) if os.access(beside, os.X_OK) else shutil.which("vllm")
    if program is None:
        raise UsageError(
            "`vllm` is not installed: `--engine serve` starts it", "pip install 'sami-eval[vllm]'"
        )
    return program


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _flags(settings: Mapping[str, Any]) -> Iterator[str]:
    """Settings as they are typed; the model stands in front, without a name."""
    yield str(settings["model"])
    for name, value in settings.items():
        if name == "model":
            continue
        flag = name.replace("_", "-")
        if isinstance(value, bool):
            yield f"--{flag}" if value else f"--no-{flag}"
        elif value is not None:
            text = value if isinstance(value, str) else json.dumps(value)
            yield f"--{flag}={text}"


def _guarded(command: Sequence[str], log: Path, folder: Path) -> subprocess.Popen[bytes]:
    """Start a command that ends with this process; all it writes goes into the log."""
    own = {"PYTHONPATH": os.pathsep.join(filter(None, [str(folder), os.getenv("PYTHONPATH")]))}
    environment = {**ENVIRONMENT, **ROOM, **os.environ, **own}
    environment.pop("VLLM_API_KEY", None)  # nobody else is to be kept out, and we would be
    guard = [sys.executable, "-I", str(HERE / "guard.py")]
    with log.open("wb") as lines:
        return subprocess.Popen(
            [*guard, *command],
            stdin=subprocess.PIPE,
            stdout=lines,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,  # Ctrl-C is ours
        )


def last_words(log: Path) -> str:
    """The last error in a log that says what happened, else its last line."""
    lines = _lines(log)
    errors = [line for line in lines if _ERROR.match(line) and _ELSEWHERE not in line]
    return (errors or lines or ["it said nothing"])[-1][-LONGEST_WORDS:]


def _lines(log: Path) -> list[str]:
    text = log.read_text(encoding="utf-8", errors="replace")
    lines = (_PREFIX.sub("", line).strip() for line in text.splitlines())
    return [line for line in lines if line]
