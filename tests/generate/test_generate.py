from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from sami_eval import generate
from sami_eval.core.calls import Completion, Request, Sampling
from sami_eval.core.config import Config
from sami_eval.core.errors import SamiEvalError, UsageError
from sami_eval.core.progress import silent
from sami_eval.core.types import Model, Prompt
from sami_eval.embedded import BASE_DIR
from sami_eval.generate import EngineChoice, Engines, GenerateSettings, format_of, respond
from sami_eval.generate.engine import Done, Engine, request_key, request_keys
from sami_eval.generate.models import resolve_all, resolve_base
from sami_eval.generate.text import completion_from_ids, first_stop
from sami_eval.ledger.store import Ledger, key
from tests.tiny_llama import byte_tokenizer, save_adapter, save_base

HOT = Sampling(temperature=0.9, top_p=0.95, max_tokens=12)
GREEDY = Sampling(max_tokens=12)
TEXTS = ("Hi", "Tell me about bees.", "One two three four five six seven", "Why?", "A b c")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> list[Model]:
    """base, and two adapters on it."""
    root = tmp_path_factory.mktemp("models")
    base = save_base(root / "base")
    adapters = [save_adapter(root / f"adapter{seed}", base, seed) for seed in (1, 2)]
    return resolve_all([str(path) for path in (base, *adapters)], config=Config(root))


def requests_for(
    model: Model, sampling: Sampling, texts: Sequence[str] = TEXTS, top_logprobs: int = 0
) -> list[Request]:
    form = format_of(model)
    asked = [(("user", text),) for text in texts]
    return [
        Request(model, messages, form.render(messages), sampling, top_logprobs=top_logprobs)
        for messages in asked
    ]


def run(requests: Sequence[Request], ledger: Path, **arguments: str) -> list[Completion]:
    with Ledger(ledger) as open_ledger, Engines(EngineChoice("hf", arguments), silent()) as engines:
        return generate.complete(requests, open_ledger, engines, silent())


@pytest.mark.parametrize("sampling", [HOT, GREEDY])
def test_a_request_alone_says_what_it_says_in_a_batch(
    models: list[Model], tmp_path: Path, sampling: Sampling
) -> None:
    requests = requests_for(models[0], sampling)
    together = run(requests, tmp_path / "together.db")
    alone = run(requests, tmp_path / "alone.db", batch_rows="1")
    assert together == alone
    turned = run(requests[::-1], tmp_path / "turned.db", batch_rows="3")
    assert together == turned[::-1]
    assert len({completion.text for completion in together}) > 1


@pytest.mark.parametrize("sampling", [HOT, GREEDY])
def test_switched_adapters_say_what_they_say_alone(
    models: list[Model], tmp_path: Path, sampling: Sampling
) -> None:
    each = [requests_for(model, sampling) for model in models]
    mixed = [request for several in zip(*each, strict=True) for request in several]
    together = run(mixed, tmp_path / "together.db")
    for i, requests in enumerate(each):
        assert together[i :: len(each)] == run(requests, tmp_path / f"{i}.db")
    assert together[0].text != together[1].text != together[2].text


def test_samples_of_a_prompt_differ_and_repeat(models: list[Model], tmp_path: Path) -> None:
    one = requests_for(models[0], HOT, ["Hi"])[0]
    requests = [replace(one, sample=sample) for sample in range(4)]
    first = run(requests, tmp_path / "first.db")
    assert first == run(requests, tmp_path / "second.db")
    assert len({completion.text for completion in first}) == 4


def test_the_hf_engine_agrees_with_transformers_own_greedy_decoding(
    models: list[Model], tmp_path: Path
) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    network = AutoModelForCausalLM.from_pretrained(models[0].base)
    requests = requests_for(models[0], GREEDY)
    for request, completion in zip(requests, run(requests, tmp_path / "l.db"), strict=True):
        ids = torch.tensor([request.token_ids])
        expected = network.generate(
            ids, attention_mask=torch.ones_like(ids), max_new_tokens=12, do_sample=False
        )
        assert completion.token_ids == tuple(expected[0, ids.shape[1] :].tolist())


class ScriptedEngine:
    """Answers each request with its last message; dies after so many answers."""

    name = "hf"

    def __init__(self, dies_after: int = 99) -> None:
        self.asked: list[str] = []
        self.dies_after = dies_after

    def serves(self, models: Sequence[Model]) -> bool:
        return True

    def close(self) -> None:
        pass

    def generate(
        self, requests: Sequence[Request], on_done: Done, wanted: Callable[[int], bool]
    ) -> None:
        for place, request in enumerate(requests):
            if len(self.asked) == self.dies_after:
                raise KeyboardInterrupt
            if wanted(place):
                text = request.messages[-1][1]
                self.asked.append(text)
                on_done([(place, Completion(text.upper()))])


class ScriptedEngines(Engines):
    """The same scripted engine for every model."""

    def __init__(self, engine: ScriptedEngine) -> None:
        super().__init__(EngineChoice("hf"), silent())
        self.scripted = engine

    def open(self, models: Sequence[Model]) -> Engine:
        return self.scripted


def test_a_killed_run_asks_only_for_what_is_missing(models: list[Model], tmp_path: Path) -> None:
    requests = requests_for(models[0], GREEDY)
    killed, resumed = ScriptedEngine(dies_after=2), ScriptedEngine()
    with Ledger(tmp_path / "l.db") as ledger:
        with pytest.raises(KeyboardInterrupt):
            generate.complete(requests, ledger, ScriptedEngines(killed), silent())
        completions = generate.complete(requests, ledger, ScriptedEngines(resumed), silent())
    assert [completion.text for completion in completions] == [text.upper() for text in TEXTS]
    assert killed.asked + resumed.asked == list(TEXTS)


def dying(engine: Engine, n_answers: int) -> Engine:
    """The engine, interrupted after so many answers."""
    generate_all, left = engine.generate, n_answers

    def mortal(requests: Sequence[Request], on_done: Done, *wanted: Callable[[int], bool]) -> None:
        def counting(rows: Sequence[tuple[int, Completion]]) -> None:
            nonlocal left
            on_done(rows)
            left -= len(rows)
            if left <= 0:
                raise KeyboardInterrupt

        generate_all(requests, counting, *wanted)

    engine.generate = mortal  # type: ignore[method-assign]
    return engine


class MortalEngines(Engines):
    """Real engines that are interrupted after so many answers."""

    def __init__(self, choice: EngineChoice, n_answers: int) -> None:
        super().__init__(choice, silent())
        self.n_answers = n_answers

    def open(self, models: Sequence[Model]) -> Engine:
        return dying(super().open(models), self.n_answers)


def test_a_resumed_run_says_what_an_unbroken_one_says(models: list[Model], tmp_path: Path) -> None:
    requests = [request for model in models for request in requests_for(model, HOT)]
    choice = EngineChoice("hf", {"batch_rows": "2"})
    with Ledger(tmp_path / "l.db") as ledger:
        with MortalEngines(choice, 4) as engines, pytest.raises(KeyboardInterrupt):
            generate.complete(requests, ledger, engines, silent())
        with Engines(choice, silent()) as engines:
            resumed = generate.complete(requests, ledger, engines, silent())
    assert resumed == run(requests, tmp_path / "unbroken.db", batch_rows="2")


def test_equal_requests_are_generated_once(models: list[Model], tmp_path: Path) -> None:
    request = requests_for(models[0], HOT, ["Hi"])[0]
    renamed = replace(request, model=replace(models[0], name="another name"))
    engine = ScriptedEngine()
    with Ledger(tmp_path / "l.db") as ledger:
        both = generate.complete([request, renamed], ledger, ScriptedEngines(engine), silent())
    assert engine.asked == ["Hi"]
    assert both[0] == both[1]


def test_a_greedy_key_ignores_what_greedy_ignores(models: list[Model]) -> None:
    greedy = requests_for(models[0], GREEDY, ["Hi"])[0]
    other = replace(greedy, sampling=replace(GREEDY, seed=7, top_p=0.5), sample=3)
    assert generate.request_key("hf", greedy) == generate.request_key("hf", other)
    assert generate.request_key("hf", greedy) != generate.request_key("vllm", greedy)
    # A server's temperature 0 is no promise: its samples are kept apart.
    assert generate.request_key("openai", greedy) != generate.request_key("openai", other)


def test_keys_of_many_requests_are_those_of_each(models: list[Model]) -> None:
    drawn = requests_for(models[0], HOT, ["Hi", "Ho"])
    equal = replace(HOT, temperature=int(HOT.temperature), top_p=1.0), replace(HOT, top_p=1)
    several = [
        *(replace(one, sample=i) for one in drawn for i in range(3)),
        *(replace(drawn[0], sampling=one) for one in (*equal, GREEDY)),
        replace(drawn[0], model=replace(models[0], fingerprint="another")),
        replace(drawn[0], token_ids=(), top_logprobs=3),
    ]
    first = key("completion", "hf", models[0].fingerprint, drawn[0].token_ids, HOT, 0)
    assert request_key("hf", drawn[0]) == first
    for engine, weighty in (("hf", {}), ("openai", {"dtype": "float16"}), ("vllm", {"dtype": "a"})):
        keys = list(request_keys([(engine, one) for one in several], weighty))
        assert keys == [request_key(engine, one, weighty=weighty) for one in several]


def test_answers_in_another_number_format_are_other_answers(
    tmp_path: Path, models: list[Model]
) -> None:
    asked = requests_for(models[0], GREEDY, ["Hi"])
    asked_of = []
    with Ledger(tmp_path / "l.db") as ledger:
        for arguments in ({}, {"threads": "2"}, {"dtype": "bfloat16"}, {"dtype": "bfloat16"}):
            engine = ScriptedEngine()
            engines = ScriptedEngines(engine)
            engines.choice = EngineChoice("hf", arguments)
            generate.complete(asked, ledger, engines, silent())
            asked_of.append(engine.asked)
    assert asked_of == [["Hi"], [], ["Hi"], []]


def test_a_row_ends_at_its_end_of_sequence_token() -> None:
    tokenizer = byte_tokenizer()
    hi = tokenizer("hi")["input_ids"]
    assert completion_from_ids(tokenizer, [*hi, 1], {1}, ()) == Completion("hi", (*hi, 1), True, 2)


def test_a_row_cut_at_the_token_limit_is_not_finished() -> None:
    tokenizer = byte_tokenizer()
    hi = tuple(tokenizer("hi")["input_ids"])
    assert completion_from_ids(tokenizer, hi, {1}, ()) == Completion("hi", hi, False, 2)


def test_text_and_tokens_are_cut_before_a_stop_string() -> None:
    tokenizer = byte_tokenizer()
    ids = tokenizer("hi\nHuman: and")["input_ids"]
    completion = completion_from_ids(tokenizer, ids, {1}, ("\nInstructions:", "\nHuman:"))
    assert completion == Completion("hi", tuple(ids[:2]), True, 2)
    assert first_stop("none", ("\nHuman:",)) is None


def test_a_stop_string_ends_decoding(models: list[Model], tmp_path: Path) -> None:
    request = requests_for(models[0], GREEDY, ["Hi"])[0]
    whole = run([request], tmp_path / "l.db")[0]
    stop = whole.text[3:5]
    stopped = replace(request, sampling=replace(GREEDY, stop=(stop,)))
    completion = run([stopped], tmp_path / "l.db")[0]
    assert completion.text == whole.text[: whole.text.index(stop)].strip()
    assert completion.finished
    assert completion.n_tokens is not None
    assert completion.n_tokens < 12


def test_a_prompt_longer_than_the_context_is_refused(models: list[Model], tmp_path: Path) -> None:
    requests = requests_for(models[0], GREEDY, ["many words " * 40])
    with pytest.raises(SamiEvalError, match=r"`many words .*` is 4\d\d tokens long.* is 256"):
        run(requests, tmp_path / "l.db")


def test_an_answer_ends_where_the_context_ends(models: list[Model], tmp_path: Path) -> None:
    requests = requests_for(models[0], replace(GREEDY, max_tokens=1000), ["x" * 200])
    completion = run(requests, tmp_path / "l.db")[0]
    assert len(requests[0].token_ids) + len(completion.token_ids) <= 256


def test_the_second_turn_follows_the_models_own_first_answer(
    models: list[Model], tmp_path: Path
) -> None:
    prompts = [Prompt("1", "math", ("Hi", "Again")), Prompt("2", "math", ("Why?",))]
    with Ledger(tmp_path / "l.db") as ledger:
        by_model = respond(prompts, models, GenerateSettings(max_tokens=8), ledger, silent())
    assert list(by_model) == [model.name for model in models]
    two, one = by_model["base"]
    assert (len(two.turns), len(one.turns)) == (2, 1)
    assert len(two.finished) == len(two.token_ids) == 2
    messages = (("user", "Hi"), ("assistant", two.turns[0]), ("user", "Again"))
    form = format_of(models[0])
    again = Request(
        models[0], messages, form.render(messages), Sampling(max_tokens=8, stop=form.stop)
    )
    assert run([again], tmp_path / "other.db")[0].text == two.turns[1]


def test_two_turns_of_all_contenders_are_the_same_however_many_rows_run_at_once(
    models: list[Model], tmp_path: Path
) -> None:
    prompts = [Prompt(text, "writing", (text, "Again")) for text in TEXTS[:3]]
    answers = []
    for rows in ("3", "64"):
        settings = GenerateSettings(
            max_tokens=8, samples=2, engine=EngineChoice("hf", {"batch_rows": rows})
        )
        with Ledger(tmp_path / f"{rows}.db") as ledger:
            answers.append(respond(prompts, models, settings, ledger, silent()))
    assert answers[0] == answers[1]


def test_principles_are_shown_unless_told_otherwise(models: list[Model], tmp_path: Path) -> None:
    prompts = [Prompt("1", "math", ("Hi",), principles=("Be brief.",))]
    with Ledger(tmp_path / "l.db") as ledger:
        texts = [
            respond(prompts, models[:1], settings, ledger, silent())["base"][0].turns
            for settings in (
                GenerateSettings(max_tokens=8),
                GenerateSettings(max_tokens=8, with_principles=False),
            )
        ]
    assert texts[0] != texts[1]


@pytest.mark.parametrize(
    ("category", "own", "setting", "expected"),
    [
        ("writing", None, None, 0.7),
        ("stem", None, None, 0.1),
        ("coding", None, None, 0.0),
        ("gsm", None, None, 0.0),
        ("writing", 0.3, None, 0.3),
        ("writing", 0.3, 0.9, 0.9),
        ("writing", 0.3, 0.0, 0.0),
    ],
)
def test_temperature_is_the_settings_the_prompts_or_the_categorys(
    category: str, own: float | None, setting: float | None, expected: float
) -> None:
    prompt = Prompt("1", category, ("Hi",), temperature=own)
    task = {"writing": 0.7, "stem": 0.1}
    settings = GenerateSettings(temperature=setting, temperatures=task)
    assert generate.temperature_of(prompt, settings) == expected


def test_an_unknown_engine_is_named() -> None:
    with pytest.raises(UsageError, match="unknown engine `tgi`"):
        EngineChoice("tgi")
    with pytest.raises(UsageError, match="`--engine-arg dtype` is not k=v"):
        generate.parse_arguments(["dtype"])


def test_an_unknown_engine_argument_is_named(models: list[Model], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no argument `colour`"):
        run(requests_for(models[0], GREEDY), tmp_path / "l.db", colour="red")
    with pytest.raises(UsageError, match="`batch_rows=0`"):
        run(requests_for(models[0], GREEDY), tmp_path / "l.db", batch_rows="0")


def test_an_adapter_that_does_not_fit_is_refused(models: list[Model], tmp_path: Path) -> None:
    wide = save_base(tmp_path / "wide", head_size=32)
    adapter = save_adapter(tmp_path / "adapter", wide, seed=1)
    forced = replace(models[0], adapter=str(adapter), fingerprint="forced")
    with pytest.raises(SamiEvalError, match="does not fit its base"):
        run(requests_for(forced, GREEDY), tmp_path / "l.db")


def test_a_relative_name_means_what_lies_there_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    contexts = []
    for context in (128, 256):
        place = tmp_path / str(context)
        shutil.copytree(BASE_DIR, place / "own")
        stated = json.loads((place / "own/config.json").read_text())
        stated["max_position_embeddings"] = context
        (place / "own/config.json").write_text(json.dumps(stated))
        monkeypatch.chdir(place)
        contexts.append(format_of(resolve_base("own", Config(place))).context)
    assert contexts == [128, 256]
