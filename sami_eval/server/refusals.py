"""What a server refuses, read from any body an error comes in, and what can be sent instead.

Servers say the same in their own words and forms: an object, a list, FastAPI's `detail`, a plain
text, a page of HTML. What they agree on is that they name what they do not take.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace

from sami_eval.core.errors import KeyMissingError, SamiEvalError
from sami_eval.server.dialect import AT_MOST, LOGPROBS, SYSTEM, WARMER

CONTENT_FILTER = "content filter"
TOO_LONG = "too long for the model"
RESUMES = "what is done is kept: run the same command again later"

_ABOUT_THE_REQUEST = (400, 403, 405, 406, 409, 415, 422, 500, 501)
_SAYS = ("message", "msg", "detail", "details", "error", "errors", "title", "description", "reason")
_ECHOES = ("input", "request", "body", "payload", "ctx", "url", "doc_url", "request_id", "id")
_WAITS = ("retryDelay", "retry_delay", "retry_after", "retry_after_seconds", "estimated_time")
_ECHO = 4  # words in a row that are no accident
_WORD = re.compile(r"\w+")
_DEEPEST = 12  # parts within parts that an error is looked for in
_LONGEST = 20_000  # characters of an error that are looked at

_TOO_LONG = re.compile(
    r"context.?(length|window|size)|maximum (context|model|input|prompt) length|too long"
    r"|too many (input )?tokens|token count.*exceeds|tokens.*must be <=|input length"
    r"|reduce (the|your) (length|prompt|input)|exceeds? the (available|maximum) context"
    r"|(?:prompt|sequence) length.{0,30}(?:exceed|greater|larger|longer)|tokens? exceeds?\b"
    r"|max_(?:model_len|seq_len|num_tokens|input_len)|must have less than \d+ tokens"
    r"|\+ `?max_(?:new_)?tokens\b.{0,20}exceed|request too large|超长|(?:长度|tokens?)超(?:过|出)",
    re.I,
)
_KEY = re.compile(
    r"api[ _-]?key[ _](?:is |not |was )*(?:valid|invalid|incorrect|expired|not found)"
    r"|(?:invalid|incorrect|expired|missing) (?:x-)?api[ _-]?key",
    re.I,
)
_MONEY = re.compile(
    r"insufficient[ _](?:account )?(?:balance|funds|credits?)|credit balance is too low"
    r"|balance is (?:insufficient|not enough|too low)|not enough (?:credits|balance|funds)"
    r"|out of credits|billing[ _]hard[ _]limit|arrearage|余额不足|欠费",
    re.I,
)
_MODEL = re.compile(
    r"\bmodel\b[^.\n]{0,60}\b(?:(?:does )?not exist|not found|is unknown)\b"
    r"|\b(?:unknown|invalid|no such) model\b|not a valid model",
    re.I,
)
_FILTER = re.compile(
    r"content.{0,4}(filter|policy|policies|management|exists risk|moderation|violation)"
    r"|data.?inspection|inappropriate|responsible.?ai|high.?risk|usage polic|prohibited.?content"
    r"|safety (system|filter|setting|reason|check|polic)|blocked.{0,20}safety"
    r"|sensitive (content|word|info)|blocklist|moderation|\bflagged\b|guardrail|敏感|违规|不安全",
    re.I,
)
_REGION = re.compile(
    r"unsupported.country"
    r"|\b(?:country|region|territory|location)\b.{0,40}\bnot (?:supported|available)",
    re.I,
)
_POSITIVE = re.compile(
    r"positive|greater|above|larger|more than|non.?zero|between|range|at least|minimum"
    r"|> ?=? ?0|0 ?<|\(0|>0",
    re.I,
)
# How a parameter is called where a person or a vendor's own API would call it so.
_CALLED = {
    LOGPROBS: r"(?:top[_ -]?)?log[_ -]?probs?",
    "max_tokens": r"max(?:imum)?[_ -]?(?:completion|output|new)?[_ -]?tokens",
    "top_p": r"top[_ -]?p|nucleus",
    "temperature": r"temperature",
    "seed": r"(?:random[_ -]?)?seed",
    "stop": r"stop(?:[_ -]?sequences?)?",
    SYSTEM: r"system(?:[_ -]?\w+)?|developer[_ -](?:instruction|message|role)s?|roles?",
}
_NAMES = {
    p: re.compile(rf"(?<![A-Za-z0-9_])(?:{n})(?![A-Za-z0-9_])", re.I) for p, n in _CALLED.items()
}
_OF_ROLES = re.compile(r"\brole|system[_ -](?:role|message|prompt|instruction)", re.I)
_OUTPUT = re.compile(rf"{_CALLED['max_tokens']}|(?:completion|output|generated|new) tokens", re.I)
_INPUT = re.compile(r"input(?! should)|prompt|messages", re.I)
_CONTEXT = re.compile(r"context.?length", re.I)  # prompt and answer together are too long
_NUMBER = re.compile(r"(?<![\w.])\d{1,3}(?:,\d{3})+(?![\w])|(?<!\w)(?<!(?<!\.)\.)\d+(?![\w]|\.\d)")


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error in a server's words.

    words: what it says, on one line. said: everything it says, to look for names in.
    named: the parameters it points at by itself. codes: its code, type and status.
    waits: what it says under a name for how long to wait.
    """

    status: int
    words: str
    said: str
    named: tuple[str, ...] = ()
    codes: tuple[str, ...] = ()
    waits: tuple[str, ...] = ()

    @property
    def failure(self) -> str | None:
        """Why this one conversation was turned down, where the error is about the conversation."""
        if self.status == 413 or "context_length_exceeded" in self.codes:
            return TOO_LONG
        if _TOO_LONG.search(self.said):
            return TOO_LONG
        return CONTENT_FILTER if self.is_filter else None

    @property
    def is_filter(self) -> bool:
        """Whether a filter of contents has spoken."""
        return bool(_FILTER.search(" ".join((*self.codes, self.said)).replace("_", " ")))


def read_refusal(status: int, text: str) -> Refusal:
    """The refusal in an error's body."""
    text = text[:_LONGEST]
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        data = _plain(text)
    return refusal_of(status, data)


def refusal_of(status: int, data: object) -> Refusal:
    """The refusal in an error's body that is read already."""
    found = list(_words(data, 0)) or list(_named_leaves(data))
    words = "; ".join(dict.fromkeys(found)) or f"status {status}"
    pointed = [*_fields(data, ("param", "field", "parameter"), 0), *_places(data, 0)]
    codes = tuple(_fields(data, ("code", "type", "status", "innererror"), 0))
    said = " ".join((words, *_leaves(data, 0)))[:_LONGEST]
    waits = tuple(_fields(data, _WAITS, 0))
    return Refusal(status, " ".join(words.split())[:300], said, tuple(pointed), codes, waits)


def without_echo(refusal: Refusal, sent: Mapping[str, object]) -> Refusal:
    """The refusal without the words of the conversation that it repeats: they name nothing."""
    messages = sent.get("messages")
    texts = [str(one["content"]) for one in messages] if isinstance(messages, list) else []
    asked = {run for text in texts for run in _runs(_WORD.findall(text.lower()))}
    words = list(_WORD.finditer(refusal.said))
    echoed: set[int] = set()
    for at, run in enumerate(_runs([one[0].lower() for one in words])):
        echoed.update(range(at, at + _ECHO) if run in asked else ())
    said = list(refusal.said)
    for one in (words[at] for at in echoed):
        said[one.start() : one.end()] = " " * len(one[0])
    return replace(refusal, said="".join(said))


def _runs(words: list[str]) -> Iterator[tuple[str, ...]]:
    """Every few words in a row."""
    return zip(*(words[at:] for at in range(_ECHO)), strict=False)


def _plain(text: str) -> str:
    """A page's title, or its words without tags."""
    title = re.search(r"<title>([^<]*)</title>", text, re.I)
    return title[1] if title else re.sub(r"<[^<>]*>", " ", text)


def _words(data: object, depth: int) -> Iterator[str]:
    """What an error says, outside in; the place of a fault behind it."""
    if isinstance(data, str):
        yield from [" ".join(data.split())] if data.strip() else []
    elif isinstance(data, list) and depth < _DEEPEST:
        for one in data[:5]:
            yield from _words(one, depth + 1)
    elif isinstance(data, dict) and depth < _DEEPEST:
        found = [said for name in _SAYS for said in _words(data.get(name), depth + 1)]
        place = ".".join(str(part) for part in _parts(data.get("loc")))
        yield from [f"{found[0]} ({place})", *found[1:]] if place and found else found


def _leaves(data: object, depth: int) -> Iterator[str]:
    """Every text of an error but what it echoes of the request."""
    if isinstance(data, str):
        yield data
    elif isinstance(data, list) and depth < _DEEPEST:
        for one in data[:50]:
            yield from _leaves(one, depth + 1)
    elif isinstance(data, dict) and depth < _DEEPEST:
        for name, one in list(data.items())[:50]:
            if name not in _ECHOES:
                yield from _leaves(one, depth + 1)


def _named_leaves(data: object) -> Iterator[str]:
    """Every text behind the name it stands under: {"seed": ["not allowed"]}."""
    if isinstance(data, dict):
        for name, one in list(data.items())[:50]:
            inner = one if isinstance(one, dict) else None
            yield from _named_leaves(inner) if inner else (f"{name}: {x}" for x in _leaves(one, 0))


def _fields(data: object, names: Collection[str], depth: int) -> Iterator[str]:
    """Texts and numbers under these names, wherever they stand."""
    if isinstance(data, list | dict) and depth < _DEEPEST:
        for name, one in data.items() if isinstance(data, dict) else enumerate(data[:50]):
            if name in names and isinstance(one, str | int | float):
                yield str(one)
            elif name not in _ECHOES:
                yield from _fields(one, names, depth + 1)


def _places(data: object, depth: int) -> Iterator[str]:
    """The last part of every `loc`: ["body", "seed"] points at seed."""
    if isinstance(data, list | dict) and depth < _DEEPEST:
        if isinstance(data, dict) and (parts := _parts(data.get("loc"))):
            yield str(parts[-1])
        for one in data.values() if isinstance(data, dict) else data[:50]:
            yield from _places(one, depth + 1)


def _parts(loc: object) -> list[object]:
    return [part for part in loc if part != "body"] if isinstance(loc, list) else []


def adaptation(
    refusal: Refusal, sent: Mapping[str, object], adapted: Collection[str]
) -> str | None:
    """What to change of what was sent, a dialect's adaptation; None where it is not known.

    sent: the body. adapted: what was changed already and cannot be changed again.
    """
    if refusal.status not in _ABOUT_THE_REQUEST:
        return None
    if LOGPROBS in sent and _NAMES[LOGPROBS].search(refusal.said):
        return LOGPROBS
    lower = _most_output(refusal.said, sent)
    if lower is not None:
        return f"{AT_MOST}{lower}"
    if _TOO_LONG.search(refusal.said):
        return None
    parameter = _named(refusal, sent)
    change = parameter and _instead(parameter, refusal, sent, adapted)
    return None if change in adapted else change


def _most_output(said: str, sent: Mapping[str, object]) -> int | None:
    """The most tokens of answer the server allows, where it says a number below what was sent."""
    wanted = sent.get("max_tokens") or sent.get("max_completion_tokens")
    if not isinstance(wanted, int) or _CONTEXT.search(said):
        return None
    found: list[int] = []
    before = ""
    for sentence in re.split(r"(?<=[.;!?])\s|\n", said):
        is_named, before = _OUTPUT.search(f"{before} {sentence}"), sentence
        if is_named and not _INPUT.search(sentence):
            numbers = [n for n in _NUMBER.findall(sentence) if len(n) < 12]
            whole = [int(n.replace(",", "")) - _is_outside(n, sentence) for n in numbers]
            found += [n for n in whole if 1 < n < wanted]
    return max(found, default=None)


def _is_outside(number: str, sentence: str) -> bool:
    """Whether a limit is not allowed itself: "less than 1025", "1025 (exclusive)"."""
    below = rf"(?:less|smaller|lower|fewer) than \W*{number}|<\s*{number}|{number}\W*exclusive"
    return re.search(below, sentence, re.I) is not None


def _named(refusal: Refusal, sent: Mapping[str, object]) -> str | None:
    """The parameter a refusal is about: what it points at, else what its words name first."""
    model = str(sent.get("model", ""))
    has = [p for p in _NAMES if _was_sent(p, sent)]
    for pointed in refusal.named:
        exact = [p for p in has if p != SYSTEM and _NAMES[p].fullmatch(pointed.split(".")[-1])]
        if exact:
            return exact[0]
    if refusal.is_filter:
        return None
    # A model's name may hold a parameter's: seed-oss.
    said = re.sub(rf"(?<!\w){re.escape(model)}(?!\w)", " ", refusal.said) if model else refusal.said
    places = {p: match.start() for p in has if (match := _NAMES[p].search(said))}
    if refusal.status == 500 and not _OF_ROLES.search(said):
        places.pop(SYSTEM, None)  # "internal system error"
        places.pop("stop", None)
    # Their words are common ones: they count where no other name stands.
    plain = [p for p in places if p not in (SYSTEM, "stop")] or list(places)
    first = min(plain, key=places.__getitem__, default=None)
    # Of two that do not go together, this one costs less to leave out.
    return "top_p" if first == "temperature" and "top_p" in places else first


def _was_sent(parameter: str, sent: Mapping[str, object]) -> bool:
    if parameter == SYSTEM:
        messages = sent.get("messages")
        return isinstance(messages, list) and messages[0]["role"] == "system"
    return parameter in sent or (parameter == "max_tokens" and "max_completion_tokens" in sent)


def _instead(
    parameter: str, refusal: Refusal, sent: Mapping[str, object], adapted: Collection[str]
) -> str:
    zero = parameter == "temperature" and sent.get("temperature") == 0
    if zero and WARMER not in adapted and _POSITIVE.search(refusal.said):
        return WARMER
    return parameter


def is_too_long(refusal: Refusal) -> bool:
    """Whether it is this conversation that is too long, by a status that else means another day."""
    return refusal.status in (429, 500) and refusal.failure == TOO_LONG


@dataclass(frozen=True, slots=True)
class Place:
    """Where a model is asked: its address as it may be shown, its key's variable, its name."""

    url: str
    variable: str | None
    model: str


def check_final(refusal: Refusal, words: str, at: Place, to: str) -> None:
    """Raise what ends the run: it would be the same for every request.

    words: the refusal's, without secrets. to: where a redirect points, likewise.
    """
    status = refusal.status
    if 300 <= status < 400:
        raise SamiEvalError(
            f"`{at.url}` answers {status}: it has moved to `{to or 'elsewhere'}`",
            "name the address that answers: --base-url, without /chat/completions",
        )
    everything = " ".join((refusal.said, *refusal.codes))
    if status == 403 and _REGION.search(everything):
        hint = "no key changes that: name a server that may be asked from here, --base-url"
        raise SamiEvalError(f"`{at.url}` answers {status}: {words}", hint)
    if status == 402 or "insufficient_quota" in refusal.codes or _MONEY.search(everything):
        raise SamiEvalError(f"no quota left: {words}", RESUMES)
    if status in (401, 403) or (status == 400 and _KEY.search(everything)):
        what = "the key" if at.variable else "a call without a key"
        hint = f"check {at.variable}" if at.variable else 'name its variable: key = "OUR_KEY"'
        raise KeyMissingError(f"the server refused {what}: {words}", hint)
    if status == 404 or (status == 400 and _MODEL.search(everything)):
        raise SamiEvalError(f"`{at.model}`: {words}", "check the model's name and --base-url")
