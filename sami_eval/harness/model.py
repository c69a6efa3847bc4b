"""lm-eval's `--model sami-eval`: our engines, ledger and adapters under lm-eval's tasks.

--model_args: model (any spec of `sami-eval compare`; by default the base), models=[a,b] (several on
one base, each running every task), base, engine (auto, vllm, serve or hf), and engine arguments
such as dtype=float32 or max_model_len=4096. `pretrained` is another name for base. `base` and
`engine` of sami-eval.toml stand in for those that are not given.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

# lm-eval fills an empty registry with its own models: not after ours has gone in.
import lm_eval.models  # noqa: F401
from lm_eval.api.instance import Instance
from lm_eval.api.model import LM
from lm_eval.api.registry import register_model

from sami_eval.align.chain import existing
from sami_eval.core.calls import Request, Sampling
from sami_eval.core.config import find_config
from sami_eval.core.errors import UsageError
from sami_eval.core.progress import terminal
from sami_eval.core.types import Model
from sami_eval.data import chat
from sami_eval.generate import EngineChoice, Engines, complete, format_of, models
from sami_eval.generate.engine import ground_of
from sami_eval.generate.loading import trust
from sami_eval.generate.standing import on_embedded
from sami_eval.harness.asked import MODEL_OF
from sami_eval.harness.dialogue import Dialogue
from sami_eval.ledger.store import Ledger

NAME = "sami-eval"
TOY = "no model is named: the embedded base answers, a toy (--model_args model=... or base=...)"
DEFAULT_DEVICE = "cuda:0"  # lm-eval's, asked for or not; our engines find a GPU by themselves
# What lm-eval itself hands over; our engines choose their own batches.
_NOT_OURS = ("batch_size", "max_batch_size", "trust_remote_code")
_MAX_TOKENS = ("max_gen_toks", "max_new_tokens", "max_tokens", "max_completion_tokens")
_SAMPLING = ("until", "do_sample", "temperature", "top_p", "seed", *_MAX_TOKENS)


def specs_of(arguments: Mapping[str, Any]) -> list[str]:
    """The models a run is for, as they were named: `models`, else `model`, else the base."""
    several = arguments.get("models")
    if several is None:
        return [str(arguments.get("model", "base"))]
    if isinstance(several, str):
        several = [one.strip(" '\"") for one in several.strip("[]").split(",")]
    specs = [str(one) for one in several]
    if not all(specs) or len(set(specs)) < len(specs):
        raise UsageError(f"`models={several}` names one twice or none", "models=[base,sft,sami]")
    return specs


def labels_of(specs: Sequence[str]) -> list[str]:
    """What a task's copy for each model ends in; a path's last part, since it names files."""
    short = [spec.rstrip("/").rpartition("/")[2] for spec in specs]
    return short if len(set(short)) == len(short) else [spec.replace("/", "-") for spec in specs]


@register_model(NAME)
class SamiEvalLM(LM):  # type: ignore[misc]
    """Generates for all tasks at once: each prompt tokenised once, every adapter in one engine.

    Answers come from the ledger where it has them, so a killed run resumes.
    """

    def __init__(self, **arguments: Any) -> None:
        super().__init__()
        known = {name: arguments.pop(name, None) for name in ("model", "models", "base", "engine")}
        base = known["base"] or arguments.pop("pretrained", None)
        named = base or known["model"] or known["models"]
        for name in _NOT_OURS:
            arguments.pop(name, None)
        if arguments.get("device") in (None, DEFAULT_DEVICE):
            arguments.pop("device", None)
        specs = specs_of({name: value for name, value in known.items() if value is not None})
        config = find_config(Path.cwd())
        base = config.choice("base", base)
        each = models.resolve_each(specs, base, config=config, ensure=existing(config))
        found = [_the_one(spec, one) for spec, one in zip(specs, each, strict=True)]
        self._models = dict(zip(labels_of(specs), found, strict=True))
        self._first = found[0]
        if len({ground_of(model) for model in self._models.values()}) > 1:
            raise UsageError(f"`models={specs}` stand on several bases", "one run a base")
        choice = {name: str(value) for name, value in arguments.items()}
        trust(choice)
        self._progress = terminal()
        if not named and on_embedded(self._first):
            self._progress.say(TOY)
        engine = config.choice("engine", known["engine"]) or "auto"
        self._engines = Engines(EngineChoice(engine, choice), self._progress)
        self._ledger_path = config.ledger_path
        self._chat = False

    @property
    def tokenizer_name(self) -> str:
        """What lm-eval keys its request cache by."""
        return self._first.fingerprint

    def chat_template(self, chat_template: bool | str = False) -> str:
        """The template in use, for lm-eval's records."""
        form = format_of(self._first)
        return str(form.template or form.tokenizer.chat_template or "")

    def apply_chat_template(
        self, chat_history: Sequence[Mapping[str, str]], add_generation_prompt: bool = True
    ) -> str:
        """A conversation as the model's prompt: its own template, else our plain format."""
        forms = {label: format_of(model) for label, model in self._models.items()}
        if len({form.template for form in forms.values()}) > 1:
            raise UsageError(
                f"`{', '.join(forms)}` have different chat templates", "one run a template"
            )
        self._chat = True
        messages = tuple((one["role"], one["content"]) for one in chat_history)
        form = forms[next(iter(forms))]
        return chat.render_text(form.tokenizer, messages, form.template)

    def generate_until(self, requests: list[Instance], disable_tqdm: bool = False) -> list[str]:
        """The answers, in order; of a dialogue the first one, and all of them left in it."""
        first = self._complete([(one, str(one.args[0])) for one in requests])
        talks: list[tuple[Dialogue, tuple[str, ...]]] = [
            (one, (text,))
            for one, text in zip(requests, first, strict=True)
            if isinstance(one, Dialogue)
        ]
        while talks := [(one, said) for one, said in talks if one.has_next(said)]:
            texts = self._complete([(one, one.next_context(said)) for one, said in talks])
            talks = [(one, (*said, text)) for (one, said), text in zip(talks, texts, strict=True)]
            for one, said in talks:
                one.answers = (*one.said, *said)
        return first

    def _complete(self, asked: Sequence[tuple[Instance, str]]) -> list[str]:
        if not asked:
            return []
        ids: dict[tuple[str, str], tuple[int, ...]] = {}
        seen: dict[object, int] = {}
        requests = []
        for instance, context in asked:
            model, sampling = self._model_of(instance), sampling_asked(instance.args[1])
            prompt = (model.name, context)
            if prompt not in ids:
                ids[prompt] = self._encode(model, context)
            # Equal requests are the samples of one problem: each draws its own random numbers.
            sample = seen.get((prompt, sampling), 0)
            seen[prompt, sampling] = sample + 1
            messages = (("user", context),)
            requests.append(Request(model, messages, ids[prompt], sampling, sample))
        with Ledger(self._ledger_path, say=self._progress.say) as ledger:
            done = complete(requests, ledger, self._engines, self._progress)
        return [completion.text for completion in done]

    def _model_of(self, instance: Instance) -> Model:
        _, _, label = str(instance.task_name or "").partition(MODEL_OF)
        return self._models.get(label, self._first)

    def _encode(self, model: Model, context: str) -> tuple[int, ...]:
        tokenizer = format_of(model).tokenizer
        # A chat template writes its own special tokens; a completion prompt has none yet.
        written = self._chat or bool(
            tokenizer.bos_token and context.startswith(tokenizer.bos_token)
        )
        return tuple(tokenizer(context, add_special_tokens=not written)["input_ids"])

    def loglikelihood(self, requests: list[Instance]) -> list[tuple[float, bool]]:
        """Not offered."""
        raise _generates_only(requests)

    def loglikelihood_rolling(self, requests: list[Instance]) -> list[float]:
        """Not offered."""
        raise _generates_only(requests)


def _the_one(spec: str, found: Sequence[Model]) -> Model:
    if len(found) != 1 or found[0].engine != "local":
        raise UsageError(
            f"`{spec}` is not one local model", "a recipe, an adapter, a folder or a hub id"
        )
    return found[0]


def _generates_only(requests: Sequence[Instance]) -> UsageError:
    return UsageError(
        f"task `{requests[0].task_name}` scores given texts, and --model {NAME} only generates",
        "lm_eval --model hf or --model vllm",
    )


def sampling_asked(arguments: Mapping[str, Any]) -> Sampling:
    """lm-eval's generation arguments as ours. Raises UsageError for one we do not have."""
    unknown = sorted(set(arguments) - set(_SAMPLING))
    if unknown:
        raise UsageError(
            f"--model {NAME} has no generation argument `{unknown[0]}`",
            f"known: {', '.join(_SAMPLING)}",
        )
    until = arguments.get("until") or ()
    temperature = _number(arguments, "temperature", 0.0, lambda x: x >= 0)
    limits = [name for name in _MAX_TOKENS if arguments.get(name) is not None]
    return Sampling(
        temperature=temperature if arguments.get("do_sample", temperature > 0) else 0.0,
        top_p=_number(arguments, "top_p", 1.0, lambda x: 0 < x <= 1),
        max_tokens=int(_number(arguments, (limits or _MAX_TOKENS)[0], 256, lambda x: x >= 1)),
        stop=(until,) if isinstance(until, str) else tuple(until),
        seed=int(_number(arguments, "seed", 0, lambda x: True)),
    )


def _number(
    arguments: Mapping[str, Any], name: str, default: float, fits: Callable[[float], bool]
) -> float:
    value = arguments.get(name)
    if value is None:
        return default
    if not isinstance(value, int | float) or not math.isfinite(value) or not fits(value):
        raise UsageError(f"`{name}={value}` is out of range", f"--gen_kwargs {name}={default}")
    return value
