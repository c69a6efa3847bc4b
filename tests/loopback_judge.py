"""A judge of known behaviour behind a real OpenAI-compatible HTTP server on 127.0.0.1.

    with LoopbackJudge(Behaviour(better_rate=0.8, fault_rate=0.3)) as server:
        ...  # ask server.url; server.calls says what arrived and what was done with it

The reply is a fixed function of the request and the seed; a fault depends on the attempt as well,
and no request fails more than `faults_in_a_row` times in a row, so a client that retries often
enough always gets that reply. `python -m tests.loopback_judge --help` serves it from a shell.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import math
import re
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, fields
from typing import Any

FAULTS = ("429", "500", "reset", "hang", "truncated", "short", "html")
NO_VERDICT = ("empty", "garbage")
Answer = tuple[int, Mapping[str, str], bytes]
_ANSWER = re.compile(r"<<<answer( [AB])?(?: to message \d)?>>>\n(.*?)\n<<<end of answer", re.S)
_STRENGTH = re.compile(r"strength (\d+)")


@dataclass(frozen=True)
class Behaviour:
    """How the judge decides, and how the network treats it.

    better_rate: how often it prefers the better answer, where it does not go by position.
    first_rate: how often it takes the first answer unread. tie_rate: how often it says neither.
    An answer is better by the number after "strength" in it, else by its length.
    fault_rate: share of attempts that fail, by one of `faults`. retry_after: that header on 429.
    Asked for one token it says a letter, with probabilities: see p_first. logprobs: of how many
    tokens it tells them; 0 is a server that ignores the wish.
    script: answers instead of the judge where it returns something; gets the request's body.
    """

    better_rate: float = 1.0
    first_rate: float = 0.0
    tie_rate: float = 0.0
    nats_a_point: float = 0.1
    nats_for_first: float = 0.0
    logprobs: int = 20
    seed: int = 0
    fault_rate: float = 0.0
    faults: tuple[str, ...] = FAULTS
    faults_in_a_row: int = 3
    retry_after: str = "0.01"
    hang_s: float = 5.0
    latency_s: float = 0.0
    script: Callable[[dict[str, Any]], Answer | None] | None = None


@dataclass(frozen=True)
class Call:
    """One attempt that arrived: its body, headers and path, and the fault it met, if any."""

    body: dict[str, Any]
    headers: Mapping[str, str]
    fault: str | None
    path: str = ""


def draw(*parts: object) -> float:
    """A number in [0, 1), fixed by the parts."""
    digest = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def _strength(answer: str) -> int:
    marked = _STRENGTH.findall(answer)
    return int(marked[-1]) if marked else len(answer)


def reply_text(messages: list[dict[str, str]], behaviour: Behaviour) -> str:
    """What the judge says: a verdict on the last answers shown, or a rating of the only one."""
    answers = _ANSWER.findall(messages[-1]["content"])
    shown: dict[str, str] = dict(answers)
    if set(shown) == {""}:
        return f"It has its merits. [[{min(10, max(1, _strength(shown[''])))}]]"
    if set(shown) != {" A", " B"}:
        return "I see no answers to compare."
    if draw(behaviour.seed, "tie", messages) < behaviour.tie_rate:
        return "Neither stands out. [[C]]"
    if draw(behaviour.seed, "first", messages) < behaviour.first_rate:
        return "The one on top will do. [[A]]"
    strengths = _strength(shown[" A"]), _strength(shown[" B"])
    if strengths[0] == strengths[1]:
        return "They are alike. [[C]]"
    right = draw(behaviour.seed, "better", messages) < behaviour.better_rate
    return f"I compared them. [[{'A' if (strengths[0] > strengths[1]) == right else 'B'}]]"


def p_first(messages: list[dict[str, str]], behaviour: Behaviour) -> float:
    """P(A) / (P(A) + P(B)): logistic in the difference of strengths, with a bonus for the first."""
    shown: dict[str, str] = dict(_ANSWER.findall(messages[-1]["content"]))
    points = _strength(shown[" A"]) - _strength(shown[" B"])
    return 1 / (1 + math.exp(-behaviour.nats_a_point * points - behaviour.nats_for_first))


def letter(messages: list[dict[str, str]], behaviour: Behaviour) -> tuple[str, dict[str, object]]:
    """The likelier letter, and the log-probabilities as the API writes them.

    A tenth of the probability is for words that are no verdict; that of A and of B is split over
    spellings.
    """
    first = p_first(messages, behaviour)
    of_text = {"A": 0.6 * first, " A": 0.3 * first, "B": 0.5 * (1 - first), "b": 0.4 * (1 - first)}
    of_text |= {"The": 0.09, "Answer": 0.01}
    # Nothing is impossible to a language model: a server never says minus infinity.
    logps = {text: math.log(max(p, 1e-30)) for text, p in of_text.items()}
    rows = [{"token": t, "logprob": logp, "bytes": None} for t, logp in logps.items()]
    likeliest = sorted(rows, key=lambda row: -float(str(row["logprob"])))[: behaviour.logprobs]
    said = "A" if first >= 0.5 else "B"
    mine = next(row for row in rows if row["token"] == said)
    return said, {"content": [{**mine, "top_logprobs": likeliest}], "refusal": None}


def completion(
    text: str, finish_reason: str = "stop", logprobs: object = None, **message: object
) -> bytes:
    """A chat completion as the API writes it."""
    body = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 0,
        "model": "loopback-1",
        "choices": [
            {
                "index": 0,
                "finish_reason": finish_reason,
                "logprobs": logprobs,
                "message": {"role": "assistant", "content": text, **message},
            }
        ],
        "usage": {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110},
    }
    return json.dumps(body).encode()


def error(
    message: str, code: str | None = None, param: str | None = None, kind: str = "error"
) -> bytes:
    """An error body as the API writes it."""
    row = {"message": message, "type": kind, "code": code, "param": param}
    return json.dumps({"error": row}).encode()


@dataclass
class LoopbackJudge:
    """The server, in a thread of its own; a context manager."""

    behaviour: Behaviour = field(default_factory=Behaviour)
    port: int = 0
    calls: list[Call] = field(default_factory=list)
    most_at_once: int = 0

    def __enter__(self) -> LoopbackJudge:
        self._ready = threading.Event()
        self._attempts: dict[str, int] = {}
        self._at_once = 0
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(self, *error: object) -> None:
        with suppress(RuntimeError):  # it has died already
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def die(self) -> None:
        """End in mid-answer; called by the script."""
        self._stop.set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def n_calls(self) -> int:
        return len(self.calls)

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        self._talks: set[asyncio.Task[None]] = set()
        server = await asyncio.start_server(
            self._accept, "127.0.0.1", self.port, limit=2**26, backlog=2048
        )
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        server.close()
        for talk in self._talks:
            talk.cancel()
        await asyncio.gather(*self._talks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talk = asyncio.create_task(self._talk(reader, writer))
        self._talks.add(talk)
        talk.add_done_callback(self._talks.discard)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self._exchange(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client hung up
        finally:
            writer.transport.abort()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Read one request and answer it; whether the connection stays open."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {k.lower(): v for k, _, v in (line.partition(": ") for line in head[1:] if line)}
        raw = await reader.readexactly(int(headers.get("content-length", 0)))
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            return await self._answer(raw, headers, writer, path=head[0].split(" ")[1])
        finally:
            self._at_once -= 1

    async def _answer(
        self, raw: bytes, headers: Mapping[str, str], writer: asyncio.StreamWriter, path: str
    ) -> bool:
        body = json.loads(raw)
        fault = self._fault(raw)
        self.calls.append(Call(body, headers, fault, path))
        if self.behaviour.latency_s:
            await asyncio.sleep(self.behaviour.latency_s)
        if fault in ("reset", "hang"):
            if fault == "hang":
                await asyncio.sleep(self.behaviour.hang_s)
            return False
        scripted = self.behaviour.script(body) if self.behaviour.script else None
        status, extra, text = scripted or self._spoken(body, fault)
        length = len(text) * 2 if fault == "short" else len(text)
        lines = [f"HTTP/1.1 {status} Said", f"Content-Length: {length}"]
        lines += ["Content-Type: application/json", *(f"{k}: {v}" for k, v in extra.items())]
        writer.write("\r\n".join([*lines, "", ""]).encode("latin-1") + text)
        await writer.drain()
        return fault != "short"

    def _fault(self, raw: bytes) -> str | None:
        """The fault this attempt at the request meets; every run of faults is bounded."""
        name = hashlib.sha256(raw).hexdigest()
        attempt = self._attempts[name] = self._attempts.get(name, -1) + 1
        does = self.behaviour
        if attempt % (does.faults_in_a_row + 1) == does.faults_in_a_row:
            return None
        if draw(does.seed, "fault", name, attempt) >= does.fault_rate:
            return None
        return does.faults[int(draw(does.seed, "which", name, attempt) * len(does.faults))]

    def _spoken(self, body: dict[str, Any], fault: str | None) -> Answer:
        text = completion(reply_text(body["messages"], self.behaviour))
        if 1 in (body.get("max_tokens"), body.get("max_completion_tokens")):
            said, logprobs = letter(body["messages"], self.behaviour)
            told = logprobs if body.get("logprobs") and self.behaviour.logprobs else None
            text = completion(said, "length", told)
        if fault == "429":
            return 429, {"Retry-After": self.behaviour.retry_after}, error("slow down", "rate")
        if fault == "500":
            return 500, {}, error("the server stumbled")
        spoiled = {
            "truncated": text[: len(text) // 2],
            "html": b"<html>a proxy speaks</html>",
            "empty": completion(""),
            "garbage": completion("lorem [A] ipsum [[D]] dolor"),
        }
        return 200, {}, spoiled.get(fault or "", text)


def main() -> None:
    """Serve until stopped; the first line printed is the address."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    for option in fields(Behaviour):
        if isinstance(option.default, int | float | str):
            flag = "--" + option.name.replace("_", "-")
            parser.add_argument(flag, type=type(option.default), default=option.default)
    parser.add_argument("--faults", default=",".join(FAULTS), help="comma-separated")
    chosen = vars(parser.parse_args())
    port, faults = chosen.pop("port"), tuple(chosen.pop("faults").split(","))
    with LoopbackJudge(Behaviour(faults=faults, **chosen), port=port) as server:
        print(server.url, flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
