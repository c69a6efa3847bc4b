"""What a vLLM server's workers note of the adapters they load.

A copy of this file lies in a server's own folder (`--worker-extension-cls`): vLLM may stand in an
environment without us. Each worker imports it before it loads anything.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from vllm.lora.model_manager import LoRAModelManager

_activate = LoRAModelManager.activate_adapter


def _activate_and_note(self: Any, number: int) -> Any:
    """As vLLM 0.32 has it, which passes over layers that fit nothing; they are written down."""
    done = _activate(self, number)
    unused = sorted(set(self.get_adapter(number).loras) - set(self.modules))
    note = Path(__file__).with_name(f"{number}.{os.getpid()}.unused")
    note.write_text(json.dumps(unused), encoding="utf-8")
    return done


LoRAModelManager.activate_adapter = _activate_and_note


class NotedLoras:
    """Nothing: its module does the work."""
