"""Contrasts of the embedded base, written once into a folder and trained on."""

from __future__ import annotations

from pathlib import Path

from sami_eval import embedded
from sami_eval.align import adapters, align
from sami_eval.core.config import Config
from sami_eval.core.progress import silent
from sami_eval.core.types import Contrast, Model
from sami_eval.data.constitutions import read_constitution
from sami_eval.generate import EngineChoice
from sami_eval.generate.models import resolve_base
from sami_eval.generate.tools import Tools
from sami_eval.ledger.store import Ledger


def base() -> Model:
    return resolve_base(None, Config(Path.cwd()))


def write(folder: Path, split: str, limit: int) -> list[Contrast]:
    """Accepted contrasts of prompts drawn from a split."""
    settings = adapters.ContrastPlan(
        limit=limit, sampling=adapters.EMBEDDED_SAMPLING, engine=EngineChoice("hf")
    )
    principles = read_constitution(embedded.CONSTITUTION)
    with Ledger(folder / "ledger.db") as ledger:
        tools = Tools(Config(folder), ledger, silent())
        written = adapters.contrasts_of(
            base(), embedded.prompts(split), principles, settings, tools
        )
    return [contrast for contrast in written if contrast.rejected is None]


def train(folder: Path, recipe: str, contrasts: list[Contrast], **changes: object) -> Model:
    return align(recipe, contrasts, base(), adapters=folder / "adapters", changes=changes)


def load(model: Model):  # type: ignore[no-untyped-def]
    """The network as transformers and PEFT load it, ready to be read."""
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    plain = AutoModelForCausalLM.from_pretrained(model.base)
    return (PeftModel.from_pretrained(plain, model.adapter) if model.adapter else plain).eval()
