"""The data of sami-eval: what flows from prompts to one honest comparison.

prompts --generate--> responses --judge--> verdicts --compare--> Comparison
constitutions x prompts --contrast--> contrasts --align METHOD--> adapter --> a Model

What a comparison finds is in `core/comparison.py`. `None` means "not known", never "zero" and never
"tie".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Annotated, Any, Literal

from sami_eval.core.servers import Allowance
from sami_eval.core.settings import Amount, Temperature
from sami_eval.core.shape import Id, Name, Whole, Within

ALONE = ("single", "reward")  # kinds of judges that see one answer at a time
MOST_WEIGHT = 100  # of a graded verdict
MOST_TURNS = 1000  # of one conversation; more is a slip, and would be made room for

# Of a file, whose turns count from 1.
Turn = Annotated[int, Within(least=1, most=MOST_TURNS), Whole("1, 2, ...")]

Winner = Literal["a", "b", "tie"]
Order = Literal["a", "b"]

SERVED = ("openai", "azure")  # engines of models that are asked at a server


@dataclass(frozen=True, slots=True)
class Prompt:
    """One question: the user's messages, in order, and what is known about good answers.

    turns: user messages, 1 or 2 in MT-Bench.
    history: what was said before them and is given: a user's message, its answer, and so on in
        turn. Nobody answers it again, and nobody is judged by it.
    checklist: what a judge may look at in answers to this very question.
    reference: one reference answer a turn, or None; an empty string is "no reference this turn".
    principles: the constitution's principles as texts, in their weak (evaluation) phrasing.
    temperature: the question's own sampling temperature; overrides its category's.
    checks: how a program finds each principle met (`data/checks.py`), "" where none does; empty
        where no principle has one.
    """

    id: Name
    category: Name
    turns: tuple[str, ...]
    reference: tuple[str, ...] | None = None
    principles: tuple[str, ...] = ()
    temperature: Temperature | None = None
    checks: tuple[str, ...] = ()
    history: tuple[str, ...] = ()
    checklist: tuple[str, ...] = ()


_SOME = ("checks", "history", "checklist")


def prompt_fields(prompt: Prompt) -> dict[str, Any]:
    """A prompt's fields as files and keys hold them, some of them only where it has any."""
    every = ((one.name, getattr(prompt, one.name)) for one in fields(prompt))
    return {name: held for name, held in every if held or name not in _SOME}


@dataclass(frozen=True, slots=True)
class Model:
    """Something that answers prompts: a base with or without an adapter, a server, or a record.

    name: how tables call it, e.g. "sft+sami".
    base: model folder, hub id, server-side model name, or the recorded file's path.
    adapter: PEFT folder, or None.
    engine: "local" (vLLM or transformers), "openai" (a server), "azure" (a deployment of Azure
        OpenAI) or "recorded" (a file of answers).
    fingerprint: SHA-256 of what the answers depend on besides prompt and sampling: base revision,
        adapter weights and adapter settings. Renaming a model does not change it.
    base_url: server address for "openai"; None is the client's default.
    tokenizer: folder of a tokenizer that stands in for one the base lacks.
    key_variable: environment variable with the server's key; None: OPENAI_API_KEY where the user
        named the address or it is OpenAI's own, no key else.
    source: the .gguf file that the folder `base` was converted from.
    replicas: addresses that are asked in turn, base_url the first of them; empty where it is one.
    allowance: what its server is asked at most.
    request: further fields of every request, as JSON; "" for none.
    thoughts: room for thoughts beside an answer's tokens, where that was said.
    step: optimizer steps it was trained for, where it is named as a checkpoint of a training.
    """

    name: str
    base: str
    adapter: str | None = None
    engine: Literal["local", "openai", "azure", "recorded"] = "local"
    revision: str | None = None
    chat_template: str | None = None
    fingerprint: str = ""
    base_url: str | None = None
    tokenizer: str | None = None
    key_variable: str | None = None
    source: str | None = field(default=None, compare=False)
    replicas: tuple[str, ...] = ()
    allowance: Allowance | None = field(default=None, compare=False)
    request: str = ""
    thoughts: int | None = None
    step: int | None = field(default=None, compare=False)

    @property
    def named(self) -> str:
        """The base as tables and messages call it: as the user did."""
        return self.source or self.base


@dataclass(frozen=True, slots=True)
class Principle:
    """One rule of a constitution, in three phrasings.

    id: e.g. "writing.1". categories: prompt categories it is relevant for; "*" is every one.
    weak: shown at evaluation. strong and antithesis: contrasts are written under these.
    more_strong, more_antitheses: further phrasings, of which a contrast draws one.
    check: what a program finds met where an answer meets the principle (`data/checks.py`).
    """

    id: str
    categories: tuple[str, ...]
    weak: str
    strong: str
    antithesis: str
    more_strong: tuple[str, ...] = ()
    more_antitheses: tuple[str, ...] = ()
    check: str | None = None


@dataclass(frozen=True, slots=True)
class Response:
    """A model's answer to a prompt.

    turns: assistant messages, same length as the prompt's turns.
    token_ids: the generated ids a turn, end-of-sequence token included where it was generated;
        empty where the ids are not known (a server, a record).
    finished: per turn, whether the model ended by itself; None where not known.
    n_tokens: per turn; None where not known.
    thoughts: per turn, what was thought before it: no part of the answer. Empty where none was.
    """

    prompt_id: Id
    model: str
    turns: tuple[str, ...]
    token_ids: tuple[tuple[Amount, ...], ...] = ()
    sample: Amount = 0
    finished: tuple[bool | None, ...] = ()
    n_tokens: tuple[Amount | None, ...] = ()
    thoughts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Form:
    """How a judge is shown what a prompt may have any number of; {i} counts, {text} is the text.

    user, assistant: a message of the history, and its answer. point: of a checklist. What is
    between them parts each from the next.
    frames: an expression that a template's marker lines match; "": any that begins with a sign.
    """

    user: str = "<<<earlier message {i}>>>\n{text}\n<<<end of earlier message {i}>>>"
    assistant: str = "<<<earlier answer {i}>>>\n{text}\n<<<end of earlier answer {i}>>>"
    between: str = "\n\n"
    point: str = "{i}. {text}"
    between_points: str = "\n"
    frames: str = ""


@dataclass(frozen=True, slots=True)
class Judge:
    """Who compares two responses, read from `judges/*.toml`.

    kind: "pairwise" (a language model compares), "single" (it grades 1-10), "program", "reward" (a
        classifier scores each answer).
    label: of a classifier with several, the one whose number is the reward.
    program: of that kind "MODULE:FUNCTION", ours, or of a Python file beside the judge's.
    templates: user-message templates by name: "one", "two", and "more" of any later turn; each with
        "-reference" where it shows one.
    patterns: verdict -> regular expressions over the judge's reply; the last match wins. Of a
        graded judge the verdicts are "A>>B", "A>B", "A=B", "B>A" and "B>>A".
    weights: of a graded judge, how often each of those counts under the average rule; else empty.
    sha256: of what the judge is asked (system, templates, sampling), not of patterns or comments;
        of a program, of its source.
    systems: system messages by template name, where a template has one of its own.
    by_category: system messages by the prompt's category, before all others.
    sections: what stands above a template where the prompt has a "history" or a "checklist".
    form: how a conversation and a checklist are written out.
    tokens: "a" and "b" -> tokens whose probabilities are the verdict; empty: its words are.
    top_logprobs: of how many tokens the log-probabilities are asked for.
    request: further fields of every request, as JSON. thoughts: room for thoughts beside
        max_tokens; None: some for a model that is seen to think.
    """

    name: str
    kind: Literal["pairwise", "single", "program", "reward"]
    model: str | None
    system: str
    templates: Mapping[str, str]
    patterns: Mapping[str, tuple[str, ...]]
    temperature: float
    max_tokens: int
    sha256: str
    principles: bool = False
    source: str = ""
    description: str = ""
    systems: Mapping[str, str] = field(default_factory=dict)
    tokens: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    top_logprobs: int = 0
    program: str = ""
    weights: Mapping[str, int] = field(default_factory=dict)
    request: str = ""
    thoughts: int | None = None
    label: str | None = None
    by_category: Mapping[str, str] = field(default_factory=dict)
    sections: Mapping[str, str] = field(default_factory=dict)
    form: Form = Form()

    @property
    def rates_alone(self) -> bool:
        """Whether it sees each answer by itself: there is no order to swap then."""
        return self.kind in ALONE


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens a judgment took, as the server reported them.

    cached_tokens, written_tokens: of the prompt's, those it had in a cache, and those it put into
        one; the ledger keeps neither.
    """

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    written_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Verdict:
    """One judgment of one turn in one order.

    a, b: names of the contenders; `first` says which of them the judge saw first, None where that
        was not recorded.
    winner: already mapped back to a and b; None = no verdict, for `reason`.
    score: probability that a is better (logprobs), or the rating difference; None without.
    ratings: of a and b, where each was rated on its own.
    grade: how often a graded verdict counts under the average rule; None of one that is not.
    text: the judge's words. from_ledger: not asked again in this run.
    thoughts: what the judge thought before it spoke: no part of its words, never read.
    """

    prompt_id: Name
    turn: Annotated[int, Within(least=0, below=MOST_TURNS)]
    judge: Name
    a: Name
    b: Name
    first: Order | None
    repeat: Amount
    winner: Winner | None
    score: float | None = None
    reason: str | None = None
    text: str = ""
    model_reported: str | None = None
    usage: Usage | None = None
    from_ledger: bool = False
    ratings: tuple[float | None, float | None] | None = None
    grade: Annotated[int, Within(least=1, most=MOST_WEIGHT)] | None = None
    thoughts: str = ""


@dataclass(frozen=True, slots=True)
class Contrast:
    """One prompt answered under N >= 2 constitutions.

    responses[i] was written under constitutions[i]. principles[i] holds, for constitution i, the
    ids of its principles with a sign: "+writing.1" strong phrasing, "-writing.1" antithesis.
    """

    prompt: Prompt
    constitutions: tuple[str, ...]
    responses: tuple[Response, ...]
    principles: tuple[tuple[str, ...], ...] = ()
    rejected: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
