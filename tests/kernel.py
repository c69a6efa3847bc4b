"""A notebook's kernel, run as a notebook runs it: cells in, outputs out."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests import ROOT

PATIENCE_S = 120


@dataclass
class Ran:
    """What a cell gave: messages by kind, and how it ended."""

    status: str = ""
    error: str = ""
    value: str = ""
    said: list[dict[str, Any]] = field(default_factory=list)

    def of_kind(self, kind: str) -> list[dict[str, Any]]:
        """The contents of the messages of a kind."""
        return [one["content"] for one in self.said if one["msg_type"] == kind]


class Kernel:
    """One that runs."""

    def __init__(self, manager: Any, client: Any) -> None:
        self.manager, self.client = manager, client

    def run(self, code: str, seen: Callable[[dict[str, Any]], None] = lambda one: None) -> Ran:
        """Run a cell to its end. seen: gets every message as it comes."""
        ran = Ran()

        def hook(message: dict[str, Any]) -> None:
            ran.said.append(message)
            seen(message)

        reply = self.client.execute_interactive(code, output_hook=hook, timeout=PATIENCE_S)
        content = reply["content"]
        ran.status, ran.error = content["status"], content.get("ename", "")
        for one in ran.of_kind("execute_result"):
            ran.value = one["data"]["text/plain"]
        return ran


@contextmanager
def kernel(folder: Path) -> Iterator[Kernel]:
    """A kernel in a folder, ended afterwards."""
    from jupyter_client.manager import KernelManager

    manager = KernelManager(kernel_name="python3")
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "IPYTHONDIR": str(folder / ".ipython"),
        "OMP_NUM_THREADS": "1",
    }
    manager.connection_file = str(folder / "kernel.json")
    manager.start_kernel(cwd=str(folder), env=environment)
    client = manager.blocking_client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=PATIENCE_S)
        yield Kernel(manager, client)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
        manager.cleanup_resources()


def cells(notebook: Path) -> list[str]:
    """The code of a notebook, cell by cell."""
    held = json.loads(notebook.read_text(encoding="utf-8"))
    return ["".join(one["source"]) for one in held["cells"] if one["cell_type"] == "code"]
