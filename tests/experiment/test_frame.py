"""The frame of an experiment: a kind of its own gets claim, envelope, save and forecast from it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

import pytest

from sami_eval import embedded
from sami_eval.core.calls import Completion, Request, Sampling
from sami_eval.core.config import Config
from sami_eval.core.errors import UsageError
from sami_eval.core.progress import silent
from sami_eval.core.types import Prompt
from sami_eval.experiment import compare, passk
from sami_eval.experiment.envelope import Calls, Envelope, Kind, read
from sami_eval.experiment.forecast import Forecast, bound_of, describe, to_row
from sami_eval.experiment.frame import Result, forecast, run, whole
from sami_eval.experiment.plan import identities, models_of
from sami_eval.generate import EngineChoice, Engines, complete, format_of
from sami_eval.generate.complete import by_key
from sami_eval.generate.contenders import Contender
from sami_eval.generate.kept import stored
from sami_eval.generate.tools import Tools
from sami_eval.ledger.store import Ledger, key
from sami_eval.server.budget import Purse
from sami_eval.server.client import ClientSettings

STAGES_OF_A_KIND = ("make_plan", "parts", "draw", "score", "estimate", "foresee")


@dataclass(frozen=True, slots=True)
class LengthSettings:
    """How long are the answers of these?"""

    contenders: tuple[str, ...]
    max_tokens: int = 8
    train: bool = False
    base_url: str | None = None
    out: Path | None = None


@dataclass(frozen=True, slots=True)
class LengthPlan:
    """Two questions of the embedded world."""

    settings: LengthSettings
    config: Config
    client: ClientSettings
    title: str = "lengths"
    base_spec: str | None = None
    notes: tuple[str, ...] = ("lengths are counted",)

    @property
    def prompts(self) -> Sequence[Prompt]:
        return embedded.prompts("evaluation")[:2]

    def key(self, sides: Sequence[Contender]) -> str:
        return key("lengths", self.settings.max_tokens, identities(models_of(sides)))


class LengthDocument(TypedDict):
    """Its own keys stand before, between and behind those of the envelope."""

    schema: str
    settings_key: str
    lengths: dict[str, list[int]]
    run: str
    date: str
    calls: Calls
    cost_usd: float | None
    cost_unseen_usd: float
    warnings: list[str]
    seconds: dict[str, float]
    memory_mb: dict[str, float]
    versions: dict[str, str]
    command: str
    longest: str


class Lengths:
    """An experiment in a screenful."""

    KIND = Kind("lengths.json", "tests/lengths/1", LengthDocument)
    STAGES = ("answering", "counting")
    parts = staticmethod(whole)

    def make_plan(
        self, settings: LengthSettings, config: Config, purse: Purse | None
    ) -> LengthPlan:
        return LengthPlan(settings, config, ClientSettings())

    def requests(self, plan: LengthPlan, sides: Sequence[Contender]) -> list[Request]:
        sampling = Sampling(0.0, 1.0, plan.settings.max_tokens)
        asked = [(("user", prompt.turns[0]),) for prompt in plan.prompts]
        return [
            Request(model, said, format_of(model).render(said), sampling)
            for model in models_of(sides)
            for said in asked
        ]

    def draw(
        self, plan: LengthPlan, sides: Sequence[Contender], tools: Tools
    ) -> tuple[list[Completion], Calls]:
        requests = self.requests(plan, sides)
        with Engines(EngineChoice("hf"), silent()) as engines:
            n = len(stored(dict(by_key(requests, engines)), tools.ledger))
            found = complete(requests, tools.ledger, engines, silent())
        return list(found), {"made": len(requests) - n, "from_ledger": n}

    def score(
        self,
        plan: LengthPlan,
        sides: Sequence[Contender],
        drawn: tuple[list[Completion], Calls],
        tools: Tools,
    ) -> dict[str, list[int]]:
        one_by_one = iter(drawn[0])
        return {
            model.name: [len(next(one_by_one).text) for _ in plan.prompts]
            for model in models_of(sides)
        }

    def estimate(
        self,
        plan: LengthPlan,
        sides: Sequence[Contender],
        drawn: tuple[list[Completion], Calls],
        scores: dict[str, list[int]],
    ) -> Result:
        own = {"lengths": scores, "longest": max(scores, key=lambda name: sum(scores[name]))}
        return Result(own, drawn[1], {"answers.jsonl": [{"text": one.text} for one in drawn[0]]})

    def foresee(self, plan: LengthPlan, sides: Sequence[Contender], ledger: Ledger) -> Forecast:
        engines = Engines(EngineChoice("hf"), silent())
        bounds = []
        for side in sides:
            keyed = dict(by_key(self.requests(plan, [side]), engines))
            done = stored(keyed, ledger)
            missing = [request for name, request in keyed.items() if name not in done]
            bounds.append(bound_of(side.models[0], missing, len(done), ClientSettings()))
        said, asks = (("task", plan.title),), {"contenders": "answers"}
        return Forecast(said, {"contenders": tuple(bounds)}, asks, {"schema": "x"}, ("calls",))


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return Config(root=tmp_path)


def measured(config: Config, *contenders: str, max_tokens: int = 8) -> LengthDocument:
    return run(Lengths(), LengthSettings(contenders, max_tokens), config, silent(), command="x")


def test_a_kind_of_its_own_is_claimed_asked_once_and_saved_whole(config: Config) -> None:
    first = measured(config, "base")
    folder = config.root / first["run"]
    assert folder.name.endswith("-lengths-base")
    assert list(first) == list(LengthDocument.__annotations__)
    assert (first["schema"], first["command"], first["cost_usd"]) == ("tests/lengths/1", "x", 0)
    assert first["calls"] == {"made": 2, "from_ledger": 0}
    assert list(first["seconds"]) == ["adapters", "answering", "counting", "statistics"]
    assert read(Lengths.KIND, folder / "lengths.json") == first
    lines = (folder / "answers.jsonl").read_text().splitlines()
    texts = [json.loads(line)["text"] for line in lines]
    assert first["lengths"] == {"base": [len(text) for text in texts]}
    again = measured(config, "base")
    assert again["calls"] == {"made": 0, "from_ledger": 2}
    assert (again["run"], again["lengths"]) == (first["run"], first["lengths"])


def test_another_run_has_another_folder_and_a_named_one_is_refused(config: Config) -> None:
    first, other = measured(config, "base"), measured(config, "base", max_tokens=4)
    assert other["run"] == f"{first['run']}-2"
    named = LengthSettings(("base",), 2, out=config.root / first["run"])
    with pytest.raises(UsageError, match="holds another run"):
        run(Lengths(), named, config, silent())
    replaced = run(Lengths(), named, config, silent(), replace=True)
    assert replaced["run"] == first["run"]


def test_what_it_would_ask_is_counted_and_nothing_written(config: Config) -> None:
    asked = LengthSettings(("base", "sft"))
    found = forecast(Lengths(), asked, config)
    assert list(config.root.iterdir()) == []
    assert [bound.calls for bound in found.bounds["contenders"]] == [2, 2]
    assert "sft: its adapter is missing and would be trained" in describe(found)
    assert "at most 2 answers; 0 stored" in describe(found)
    assert to_row(found)["contenders"] == [{"calls": 2}, {"calls": 2}]
    measured(config, "base")
    assert [one.calls for one in forecast(Lengths(), asked, config).every] == [0, 2]


@pytest.mark.parametrize("kind", [compare, passk, Lengths()])
def test_every_kind_says_what_the_frame_asks_of_it(kind: Any) -> None:
    assert all(callable(getattr(kind, name)) for name in STAGES_OF_A_KIND)
    of_document: Kind[LengthDocument] = kind.KIND
    assert Envelope.__annotations__.keys() <= of_document.shape.__annotations__.keys()
    assert len(kind.STAGES) == 2
