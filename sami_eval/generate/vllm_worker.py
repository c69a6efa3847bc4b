"""What a vLLM worker is asked about its adapters; it runs in vLLM's own processes."""

from __future__ import annotations

from typing import Any


class AppliedLoras:
    """Methods that vLLM adds to its worker (`worker_extension_cls`)."""

    model_runner: Any

    def unused_loras(self, number: int) -> list[str]:
        """Layers of a loaded adapter that stand for no layer of the network.

        vLLM 0.32 passes over them without a word (lora/model_manager.py, activate_adapter).
        """
        manager = self.model_runner.lora_manager._adapter_manager
        return sorted(set(manager.get_adapter(number).loras) - set(manager.modules))
