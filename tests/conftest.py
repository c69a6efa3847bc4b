"""Fixtures shared by the tests: small literal inputs, no network, no downloads."""

from __future__ import annotations

import gc
import os
import signal
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests import processes

# Where the tests run in the background, SIGINT is ignored and every child would inherit that: the
# tests of Ctrl-C send it.
signal.signal(signal.SIGINT, signal.default_int_handler)
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Trackio reads it once, when it is imported; nothing of a test's belongs beside a user's runs.
os.environ.setdefault("TRACKIO_DIR", tempfile.mkdtemp(prefix="trackio-"))

# Noisy machines: an example that takes long says nothing about what is tested.
settings.register_profile("noisy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("noisy")


def pytest_configure(config: pytest.Config) -> None:
    if config.option.markexpr == "slow":
        processes.import_models_too()


_modules = 0


def pytest_runtest_teardown() -> None:
    """Spare the garbage collector what libraries hold, as soon as they are imported.

    Every training and every model that is put away collects: 0.3 s each where torch, transformers
    and their likes are looked through anew.
    """
    global _modules
    if len(sys.modules) > _modules + 50:
        _modules = len(sys.modules)
        gc.collect()
        gc.freeze()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in, and none of the keys and addresses of whoever runs the tests."""
    monkeypatch.chdir(tmp_path)
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "SAMI_EVAL_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path
