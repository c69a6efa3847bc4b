"""A judge's replies to what the ledger lacks: asked at a server or in this process, and stored."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from sami_eval.core.calls import Reply, Request
from sami_eval.core.progress import Progress
from sami_eval.core.types import Judge
from sami_eval.generate.tools import Tools
from sami_eval.judge.local import ENGINES, complete_here
from sami_eval.judge.requests import InOrder, Requests, reply_key, stored_replies
from sami_eval.judge.reward import Scorer, score_here
from sami_eval.ledger.leases import Claim, share
from sami_eval.server import client, dialect
from sami_eval.server.attempt import learn

if TYPE_CHECKING:
    from sami_eval.generate import Engines

BLOCK = 2_000  # judgments whose replies are looked for at once: few enough to hold their prompts


def replies_to(
    judge: Judge,
    requests: Requests[Any],
    known: Mapping[str, Reply],
    tools: Tools,
    retry_unparsed: bool,
    engines: Engines | Scorer | None,
) -> tuple[dict[str, Reply], dict[str, Reply]]:
    """Every reply by its key, and those of them that were asked for just now.

    known: what the ledger was just seen to hold.
    """

    def stored(keys: Sequence[str]) -> dict[str, Reply]:
        found: dict[str, Reply] = {}
        for start in range(0, len(keys), BLOCK):
            some = requests.of(keys[start : start + BLOCK])
            found |= stored_replies(judge, some, tools.ledger, retry_unparsed, from_earlier=False)
        return found

    missing = [k for k in requests if k not in known]
    fresh: dict[str, Reply] = {}

    def unparsed(k: str) -> bool:
        return retry_unparsed and not stored([k])

    def work(keys: Claim) -> None:
        these = requests.of(keys)
        if these[keys[0]].model.engine == "local":
            fresh.update(_ask_here(judge, these, tools, engines, unparsed))
        else:
            fresh.update(_ask_servers(judge, these, tools, keys.holds, unparsed))

    share(missing, stored, work, tools.ledger, tools.progress)
    # What another run has stored in the meantime stays, and counts.
    return {**known, **fresh, **stored(missing)}, fresh


def engines_of(judge: Judge, arguments: Mapping[str, str], progress: Progress) -> Engines | Scorer:
    """What a judge in this process runs in; nothing is loaded before the first call.

    arguments: of the engine that judge.model names.
    """
    from sami_eval.generate import EngineChoice, Engines

    if judge.kind == "reward":
        return Scorer(arguments)
    engine = (judge.model or "").partition(":")[0]
    choice = EngineChoice(engine, arguments) if engine in ENGINES else EngineChoice()
    return Engines(choice, progress)


def _ask_here(
    judge: Judge,
    missing: Mapping[str, Request],
    tools: Tools,
    engines: Engines | Scorer | None,
    unparsed: Callable[[str], bool],
) -> dict[str, Reply]:
    """Replies of a judge in this process to what is missing.

    unparsed: whether a key's may take the place of a stored one, which gives no verdict.
    """
    with ExitStack() as opened:
        loaded = engines
        if loaded is None:
            loaded = engines_of(judge, {}, tools.progress)
            opened.enter_context(loaded)
        if isinstance(loaded, Scorer):
            return score_here(judge, missing, tools, loaded, unparsed)
        said = complete_here(list(missing.values()), loaded, tools.ledger, tools.progress)
    replies = dict(zip(missing, said, strict=True))
    for k, reply in replies.items():
        tools.ledger.add_replies([(k, judge.name, reply)], replace=unparsed(k))
    return replies


def _ask_servers(
    judge: Judge,
    missing: Mapping[str, Request],
    tools: Tools,
    is_ours: Callable[[str], bool],
    unparsed: Callable[[str], bool],
) -> dict[str, Reply]:
    """Replies to what is missing, each stored the moment it arrives; a failed call is not kept.

    is_ours: whether a key is still this run's to ask for. unparsed: as `_ask_here` has it.
    """
    keys, ledger = list(missing), tools.ledger
    model = missing[keys[0]].model  # one judge is asked at one model
    for _, room in dialect.known_to_think(ledger, [model]).items():
        learn(tools.client, model, room)
    replies: dict[str, Reply] = {}
    with tools.progress.track("judging", len(keys), tools.client.limits.budget.note) as advance:

        def keep(position: int, reply: Reply) -> None:
            if not client.is_api_failure(reply):
                name, again = keys[position], unparsed(keys[position])
                if reply.left_out:
                    name = reply_key(missing[name], reply.left_out)
                ledger.add_replies([(name, judge.name, reply)], replace=again)
                dialect.note(ledger, model, reply.left_out)
            replies[keys[position]] = reply
            advance(1)

        def wanted(position: int) -> bool:
            return is_ours(keys[position])

        asked = InOrder(missing)
        client.complete_all(asked, tools.client, keep, tools.progress, wanted, [model])
    return replies
