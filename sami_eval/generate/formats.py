"""How a model is spoken to: its tokenizer, its template, where its answers end."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sami_eval.core.errors import SamiEvalError, UsageError
from sami_eval.core.types import Model
from sami_eval.data import chat
from sami_eval.generate import card, peft_folder
from sami_eval.generate.loading import own_code, quiet, trusts_code

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedTokenizerBase

# What holds a tokenizer's words; without one of them there is none.
VOCABULARIES = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt", "spiece.model")
GENERIC = ("PreTrainedTokenizerFast", "TokenizersBackend")


@dataclass(frozen=True, slots=True)
class Format:
    """A model's prompt format.

    template: overrides the tokenizer's own chat template; None leaves it.
    stop: strings an answer is cut at. ends: end-of-sequence token ids.
    context: tokens of prompt and answer the base can hold; None where it does not say.
    """

    tokenizer: PreTrainedTokenizerBase
    template: str | None
    stop: tuple[str, ...]
    ends: frozenset[int]
    context: int | None

    def render(
        self, messages: chat.Messages, literal: bool = False, answered: bool = False
    ) -> tuple[int, ...]:
        """Token ids of a conversation; literal, answered: as chat.render has them."""
        return chat.render(self.tokenizer, messages, self.template, literal, answered)

    @property
    def has_template(self) -> bool:
        """Whether conversations have a form of the model's own."""
        return self.template is not None or self.tokenizer.chat_template is not None

    @property
    def pad_id(self) -> int:
        """What prompts are padded with; it is masked, so any id will do."""
        return int(self.tokenizer.pad_token_id or 0)


def format_of(model: Model) -> Format:
    """The format of a local model; an adapter's own (its tokenizer, its card) wins."""
    return _format(
        model.base,
        model.revision,
        model.adapter,
        model.chat_template,
        model.tokenizer,
        trusts_code(),
        model.fingerprint,
    )


def tokenizer_of(base: Model) -> PreTrainedTokenizerBase:
    """A base's own tokenizer, read anew: training sets its padding."""
    return _tokenizer(base.tokenizer or base.base, base.revision, None)


def config_of(base: str, revision: str | None) -> PreTrainedConfig:
    """A base's configuration as transformers reads it.

    Raises UsageError for one that only the model's own code can read, where that may not run.
    """
    from transformers import AutoConfig

    _check_code(base, read_model_json(base, revision, "config.json"), trusts_code())
    try:
        with quiet():
            return AutoConfig.from_pretrained(
                base, revision=revision, trust_remote_code=trusts_code()
            )
    except (OSError, ValueError, ImportError) as error:
        reason = str(error).strip().split("\n")[0]
        raise UsageError(f"cannot read `{base}`: {reason}", "sami-eval doctor") from None


def is_quantised(model: Model) -> bool:
    """Whether a local model's weights are stored quantised."""
    config = read_model_json(model.base, model.revision, "config.json")
    return config.get("quantization_config") is not None


@functools.lru_cache(maxsize=64)
def _format(
    base: str,
    revision: str | None,
    adapter: str | None,
    chat_template: str | None,
    words: str | None,
    trusting: bool,
    fingerprint: str,  # a relative path, or a folder written anew, may mean another model by now
) -> Format:
    if adapter is not None:  # what can be told without torch is told before anything is asked
        peft_folder.check_init(Path(adapter))
        peft_folder.tensors(Path(adapter))
    config = read_model_json(base, revision, "config.json")
    _check_code(base, config, trusting)
    config = {**config, **config.get("text_config", {})}
    tokenizer = _tokenizer(words or base, None if words else revision, adapter)
    size = config.get("vocab_size")
    if adapter is not None and size is not None and len(tokenizer) > size:
        raise SamiEvalError(
            f"adapter `{adapter}` has {len(tokenizer)} tokens, its base only {size}",
            "adapters with new tokens are not supported: merge it into its base first",
        )
    known = (card.read(Path(adapter)) or {}).get("prompt", {}) if adapter is not None else {}
    template = chat_template or known.get("chat_template")
    stop = known.get("stop") or chat.stop_strings(tokenizer, template)
    said = read_model_json(base, revision, "generation_config.json").get("eos_token_id")
    ends = _several(said if said is not None else config.get("eos_token_id"))
    names = [tokenizer.eos_token, known.get("eos_token")]
    ends += [tokenizer.convert_tokens_to_ids(name) for name in names if name is not None]
    return Format(
        tokenizer, template, tuple(stop), frozenset(ends), config.get("max_position_embeddings")
    )


def _check_code(base: str, config: Mapping[str, Any], trusting: bool) -> None:
    """Refuse a model that only its own code can run, where that is not allowed."""
    if trusting or "auto_map" not in config:
        return
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES

    if config.get("model_type") not in CONFIG_MAPPING_NAMES:
        raise own_code(base)


def _several(ids: object) -> list[int]:
    return [one for one in (ids if isinstance(ids, list) else [ids]) if isinstance(one, int)]


def read_model_json(base: str, revision: str | None, name: str) -> dict[str, Any]:
    """A JSON file of a local or cached model; empty where it has none.

    Read without transformers' config classes, whose import takes seconds.
    """
    path = Path(base) / name
    if not Path(base).is_dir():
        from huggingface_hub import hf_hub_download
        from huggingface_hub.errors import EntryNotFoundError

        try:
            path = Path(hf_hub_download(base, name, revision=revision))
        except EntryNotFoundError:
            return {}
    if not path.is_file():
        return {}
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise UsageError(
            f"not a model's settings: {error}", "sami-eval doctor", str(path)
        ) from None


def _tokenizer(base: str, revision: str | None, adapter: str | None) -> PreTrainedTokenizerBase:
    own = adapter is not None and has_words(Path(adapter))
    source, revision = (str(adapter), None) if own else (base, revision)
    stated = read_model_json(source, revision, "tokenizer_config.json")
    if Path(source).is_dir() and not has_words(Path(source)) and "auto_map" not in stated:
        raise UsageError(
            f"`{source}` has no tokenizer",
            "copy tokenizer.json, tokenizer_config.json and chat_template.jinja of the model it "
            "was made from into it (a contender takes them from the --base that is named)",
        )
    try:
        if stated.get("tokenizer_class") in GENERIC:
            # AutoTokenizer finds the same class, but its import takes 4 s, torch included.
            from transformers import PreTrainedTokenizerFast

            return PreTrainedTokenizerFast.from_pretrained(source, revision=revision)
        from transformers import AutoTokenizer

        with quiet():
            return AutoTokenizer.from_pretrained(
                source, revision=revision, trust_remote_code=trusts_code()
            )
    except (OSError, ValueError, ImportError) as error:
        if "auto_map" in stated and not trusts_code():
            raise own_code(source) from None
        reason = str(error).strip().split("\n")[0]
        raise UsageError(
            f"cannot read the tokenizer of `{source}`: {reason}", "sami-eval doctor"
        ) from None


def has_words(folder: Path) -> bool:
    """Whether a folder holds a tokenizer's vocabulary."""
    known = (folder / name for name in VOCABULARIES)
    return any(path.is_file() for path in known) or any(folder.glob("*.tiktoken"))
