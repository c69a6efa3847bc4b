"""Prompts and models to responses: engines hf, vllm and openai behind one protocol."""

from sami_eval.generate.complete import complete
from sami_eval.generate.engine import Engine, EngineChoice, Engines, parse_arguments, request_key
from sami_eval.generate.formats import Format, format_of
from sami_eval.generate.respond import Settings, respond, temperature_of

__all__ = [
    "Engine",
    "EngineChoice",
    "Engines",
    "Format",
    "Settings",
    "complete",
    "format_of",
    "parse_arguments",
    "request_key",
    "respond",
    "temperature_of",
]
