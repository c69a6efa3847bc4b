"""Prompts and models to responses: what a spec means, and the engines hf, vllm, serve and server.

Layer 2: imports data, ledger, server, embedded and below; judge, align and all above may import it.
"""

from sami_eval.generate.complete import complete
from sami_eval.generate.engine import (
    Engine,
    EngineChoice,
    batch_of,
    chosen_engine,
    parse_arguments,
    request_key,
)
from sami_eval.generate.engines import Engines
from sami_eval.generate.formats import Format, format_of
from sami_eval.generate.respond import GenerateSettings, respond, temperature_of

__all__ = [
    "Engine",
    "EngineChoice",
    "Engines",
    "Format",
    "GenerateSettings",
    "batch_of",
    "chosen_engine",
    "complete",
    "format_of",
    "parse_arguments",
    "request_key",
    "respond",
    "temperature_of",
]
