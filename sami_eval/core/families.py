"""Which family a model is of, by its id alone: who trained it. What no rule names is of none."""

from __future__ import annotations

import re
from typing import Final

from sami_eval.core.types import SERVED, Model

# A whole id: a vendor's own, the hub's, or OpenRouter's, in any case.
RULES: Final = {
    "OpenAI": r"(openai/)?(gpt-\d[\w.:-]*|gpt-oss-[\w.:-]+|chatgpt-[\w.:-]+|o[134](-[\w.:-]+)?)",
    "Anthropic": r"(anthropic/)?claude-[\w.:-]+",
    "Google": r"(google/)?(gemini|gemma)-[\w.:-]+",
    "Meta": r"(meta-llama/)?(meta-)?llama-[\w.:-]+",
    "Mistral": r"(mistralai/)?(mistral|mixtral|ministral|magistral)-[\w.:-]+",
    "Qwen": r"(qwen/)?(qwen|qwq)[\w.:-]+",
    "DeepSeek": r"(deepseek(-ai)?/)?deepseek-[\w.:-]+",
    "xAI": r"(x-ai/)?grok-[\w.:-]+",
    "Moonshot": r"(moonshotai/)?kimi-[\w.:-]+",
    "Zhipu": r"(z-ai/|zai-org/)?glm-[\w.:-]+",
}
_IDS: Final = {name: re.compile(rule, re.I) for name, rule in RULES.items()}


def family_of(model: Model) -> str | None:
    """The family of what answers; None where its id, a folder or a record's name tells none.

    An adapter is of its base's family; a record is of the family of the model it is named after.
    """
    known = model.engine in SERVED or model.engine == "local"
    name = model.base if known else model.name
    return next((family for family, rule in _IDS.items() if rule.fullmatch(name)), None)
