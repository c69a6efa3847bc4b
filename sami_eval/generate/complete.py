"""Requests to completions: what the ledger does not hold yet, and only that."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from sami_eval.core.calls import Completion, Request
from sami_eval.core.errors import SamiEvalError
from sami_eval.core.progress import Advance, Progress
from sami_eval.core.types import Model
from sami_eval.generate.engine import Done, Engine, base_of, begins_one_by_one, request_keys
from sami_eval.generate.engines import Engines
from sami_eval.generate.formats import format_of
from sami_eval.generate.kept import apart, key_in
from sami_eval.generate.kept import stored as stored_of
from sami_eval.ledger.leases import Claim, share
from sami_eval.ledger.store import Ledger
from sami_eval.server import dialect


@dataclass(frozen=True, slots=True)
class Completed:
    """completions: in the order of the requests. made, stored: how many are new, and were not."""

    completions: list[Completion]
    made: int
    stored: int


def complete(
    requests: Sequence[Request],
    ledger: Ledger,
    engines: Engines,
    progress: Progress,
    description: str = "generating",
) -> list[Completion]:
    """The completions in request order, as `completed` has them."""
    return completed(requests, ledger, engines, progress, description).completions


def completed(
    requests: Sequence[Request],
    ledger: Ledger,
    engines: Engines,
    progress: Progress,
    description: str = "generating",
    ids: bool = True,
) -> Completed:
    """What is stored is not generated again.

    Equal requests within a call are generated once. Each new completion is stored the moment the
    engine hands it over. A local base without a chat template is stopped at its format's strings.
    ids: whether anybody wants the completions' tokens, which take most of their room.
    """
    keyed = by_key(requests, engines)
    keys = [key for key, _ in keyed]
    # In the order of the requests: vLLM takes neighbouring samples of a prompt as one request.
    unique: dict[str, Request] = {}
    for key, request in keyed:
        unique.setdefault(key, request)
    del keyed
    done = stored_of(unique, ledger, ids)
    stored = len(done)
    note = engines.choice.client.limits.budget.note
    with progress.track(description, len(unique), note) as advance:
        advance(len(done))
        groups = [one for one in _by_base(unique) if not all(key in done for key in one)]
        engines.check([model for group in groups for model in _models(group)])
        for group in groups:
            _check_context(group.values())
            _complete_group(group, done, ledger, engines, progress, advance, ids)
    return Completed([done[key] for key in keys], len(unique) - stored, stored)


def by_key(requests: Sequence[Request], engines: Engines) -> list[tuple[str, Request]]:
    """Every request as it is run, behind its key in the ledger."""
    stopped = [_with_stop(request) for request in requests]
    names = {model: engines.name_for(model) for model in {one.model for one in stopped}}
    asked = ((names[request.model], request) for request in stopped)
    return list(zip(request_keys(asked, engines.choice.weighty), stopped, strict=True))


def _complete_group(
    group: Mapping[str, Request],
    done: dict[str, Completion],
    ledger: Ledger,
    engines: Engines,
    progress: Progress,
    advance: Advance,
    ids: bool,
) -> None:
    """Fill `done` for requests of one base: generated here, or by another run that is at it."""

    def stored(keys: Sequence[str]) -> dict[str, Completion]:
        found = stored_of({key: group[key] for key in keys}, ledger, ids)
        advance(len(found.keys() - done.keys()))
        done.update(found)
        return found

    def work(keys: Claim) -> None:
        engine = engines.open(_models(group))
        missing = {key: group[key] for key in keys if keys.holds(key)}
        if missing:
            _generate(engine, missing, keys, _keep(missing, done, ledger, advance, ids))

    share([key for key in group if key not in done], stored, work, ledger, progress)


def _generate(engine: Engine, missing: Mapping[str, Request], mine: Claim, on_done: Done) -> None:
    """All that is missing; where it is begun one by one, only what no other run has by then."""
    names, requests = list(missing), list(missing.values())
    if begins_one_by_one(engine):
        engine.generate(requests, on_done, lambda position: mine.holds(names[position]))
    else:
        engine.generate(requests, on_done)


def _with_stop(request: Request) -> Request:
    if request.model.engine != "local" or request.sampling.stop:
        return request
    stop = format_of(request.model).stop
    return replace(request, sampling=replace(request.sampling, stop=stop)) if stop else request


def _by_base(unique: Mapping[str, Request]) -> list[dict[str, Request]]:
    groups: dict[tuple[str, str | None, str], dict[str, Request]] = {}
    for key, request in unique.items():
        groups.setdefault(base_of(request.model), {})[key] = request
    return list(groups.values())


def _models(group: Mapping[str, Request]) -> list[Model]:
    return list(dict.fromkeys(request.model for request in group.values()))


def _check_context(requests: Iterable[Request]) -> None:
    """Raise where a prompt leaves no room for an answer, before anything is generated."""
    for request in requests:
        context = format_of(request.model).context if request.model.engine == "local" else None
        if context is not None and len(request.token_ids) >= context:
            opening = request.messages[-1][1][:40] if request.messages else ""
            raise SamiEvalError(
                f"the prompt that ends with `{opening}` is {len(request.token_ids)} tokens long; "
                f"the context of `{request.model.name}` is {context}",
                "leave it out, or give earlier answers less room: --max-tokens",
            )


def _keep(
    missing: Mapping[str, Request],
    done: dict[str, Completion],
    ledger: Ledger,
    advance: Advance,
    ids: bool,
) -> Callable[[Sequence[tuple[int, Completion]]], None]:
    """What the engine calls: rows into the ledger, in one transaction, then into `done`."""
    keys = list(missing)

    def on_done(rows: Sequence[tuple[int, Completion]]) -> None:
        new = {keys[i]: apart(completion, missing[keys[i]]) for i, completion in rows}
        ledger.add_completions(
            [
                (_key_of(name, missing, one), missing[name].model.name, one)
                for name, one in new.items()
            ]
        )
        for name, one in new.items():
            dialect.note(ledger, missing[name].model, one.left_out)
        # Another run may have stored its own in the meantime; that one stays.
        done.update(stored_of({name: missing[name] for name in new}, ledger, ids))
        advance(len(rows))

    return on_done


def _key_of(name: str, missing: Mapping[str, Request], completion: Completion) -> str:
    """The key of a completion: an answer to other parameters is another one."""
    left_out = completion.left_out
    return key_in(missing[name], left_out) if left_out else name
