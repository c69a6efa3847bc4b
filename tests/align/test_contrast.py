from __future__ import annotations

import json
from dataclasses import replace

import pytest

from sami_eval.align.contrast import choose_prompts, constitutions, draft, write_contrasts
from sami_eval.align.filters import Filters, reason_to_reject
from sami_eval.align.summary import ResponseLengths, summarize
from sami_eval.core.calls import Completion, Sampling
from sami_eval.core.errors import UsageError
from sami_eval.core.types import Model, Principle, Prompt, Response
from sami_eval.data import chat
from sami_eval.data.contrasts import contrasts_to_jsonl, read_contrasts
from tests.align_models import contrast, tokenizer

BASE = Model("base", "folder", fingerprint="f")
PRINCIPLES = (
    Principle("writing.1", ("writing",), "short?", "Be short.", "Be long."),
    Principle("writing.2", ("writing",), "rhyme?", "Rhyme.", "Never rhyme."),
    Principle("math.1", ("math",), "steps?", "Show steps.", "Show no steps."),
)
PROMPTS = [Prompt(f"q{i}", "writing", (f"Write line {i}.", "Again.")) for i in range(20)]


def answer_with_the_principles(requests):
    """A model that repeats its system message, and ends by itself."""
    return [
        Completion(request.messages[0][1], (5, 6, 2), finished=True, n_tokens=3)
        for request in requests
    ]


def write(prompts=PROMPTS, complete=answer_with_the_principles, filters=None, **options):
    drafts = draft(prompts, PRINCIPLES, BASE, tokenizer(), **options)
    return write_contrasts(drafts, BASE, complete, filters)


def test_each_principle_is_taken_strong_or_turned_around():
    for written in write():
        for text, signs in zip(written.constitutions, written.principles, strict=True):
            said = {"+writing.1": "Be short.", "-writing.1": "Be long."}
            said |= {"+writing.2": "Rhyme.", "-writing.2": "Never rhyme."}
            assert text == chat.constitution_text([said[sign] for sign in signs])


def test_two_constitutions_of_a_prompt_never_ask_for_the_same():
    for written in write(n=2):
        first, second = written.principles
        assert set(first) != set(second)


def test_four_constitutions_are_all_four_mixtures_of_two_principles():
    for prompt in PROMPTS:
        drawn = constitutions(prompt, PRINCIPLES, 4, seed=0)
        assert len({frozenset(one.signs) for one in drawn}) == 4


def test_both_principles_come_first_and_both_signs_occur():
    signs = [signs for written in write() for signs in written.principles]
    assert {s[0].lstrip("+-") for s in signs} == {"writing.1", "writing.2"}
    assert {s[0][0] for s in signs} == {"+", "-"}


def test_more_constitutions_than_mixtures_are_refused():
    with pytest.raises(UsageError, match="`math` has 1 principles"):
        constitutions(Prompt("m", "math", ("2+2?",)), PRINCIPLES, 3, seed=0)
    with pytest.raises(UsageError, match="`roleplay` has 0 principles"):
        constitutions(Prompt("r", "roleplay", ("Hi",)), PRINCIPLES, 2, seed=0)


def test_the_draw_depends_on_seed_and_prompt_not_on_other_prompts():
    alone = write(PROMPTS[3:4], seed=1)[0]
    among = next(one for one in write(seed=1) if one.prompt.id == "q3")
    assert alone == among
    assert [one.principles for one in write(seed=1)] != [one.principles for one in write(seed=2)]


def test_prompts_are_drawn_without_replacement():
    drawn = choose_prompts(PROMPTS, 8, seed=0)
    assert len({prompt.id for prompt in drawn}) == 8
    assert drawn == choose_prompts(list(reversed(PROMPTS)), 8, seed=0)
    assert drawn != choose_prompts(PROMPTS, 8, seed=1)
    assert choose_prompts(PROMPTS, 3, seed=0) == drawn[:3]


def test_a_prompt_id_that_occurs_twice_is_refused():
    with pytest.raises(UsageError, match="`q0` occurs twice"):
        choose_prompts([PROMPTS[0], PROMPTS[0]], None, seed=0)


def test_responses_are_asked_for_under_the_insisting_heading():
    seen = []

    def complete(requests):
        seen.extend(requests)
        return answer_with_the_principles(requests)

    written = write(PROMPTS[:1], complete)[0]
    assert seen[0].messages == (
        ("system", chat.insist(written.constitutions[0])),
        ("user", "Write line 0."),
    )
    assert seen[0].token_ids == chat.render(tokenizer(), seen[0].messages)
    assert (seen[0].sampling.temperature, seen[0].sampling.top_p) == (0.4, 0.9)
    assert written.responses[1].token_ids == ((5, 6, 2),)


def test_a_base_without_a_template_is_stopped_where_the_human_speaks():
    (one,) = draft(PROMPTS[:1], PRINCIPLES, BASE, tokenizer(template=None))
    assert "\nHuman:" in one.requests[0].sampling.stop


def test_stop_strings_go_to_the_engine_beside_the_formats_own():
    asked = Sampling(stop=("###",))
    (one,) = draft(PROMPTS[:1], PRINCIPLES, BASE, tokenizer(template=None), sampling=asked)
    assert one.requests[0].sampling.stop == ("###", *chat.PLAIN_STOP)


def test_a_prompt_that_fills_the_context_is_kept_unasked_with_its_reason():
    long = Prompt("long", "writing", ("word " * 200,))
    drafts = draft([*PROMPTS[:2], long], PRINCIPLES, BASE, tokenizer(), context=500)
    written = write_contrasts(drafts, BASE, answer_with_the_principles)
    assert {one.prompt.id: one.rejected for one in written} == {
        "q0": None,
        "q1": None,
        "long": "the prompt leaves no room for a response",
    }


@pytest.mark.parametrize(
    ("texts", "finished", "reason"),
    [
        (("a", "b"), (True, True), None),
        (("a", "b"), (None, None), None),
        (("a", "b"), (True, False), "a response did not end by itself"),
        (("a", " "), (True, True), "a response is empty"),
        (("a", "a\n"), (True, True), "two responses are identical"),
    ],
)
def test_what_no_method_should_learn_from_is_kept_with_its_reason(texts, finished, reason):
    responses = [
        Response("q", "base", (text,), finished=(end,))
        for text, end in zip(texts, finished, strict=True)
    ]
    assert reason_to_reject(responses) == reason


def test_the_summary_counts_what_was_rejected_and_why():
    contrasts = [
        contrast(0),
        contrast(1),
        contrast(2, rejected="a response is empty"),
        contrast(3, rejected="a response is empty"),
        contrast(4, rejected="two responses are identical"),
    ]
    summary = summarize(contrasts)
    assert (summary.n, summary.accepted) == (5, 2)
    assert summary.rejected == {"a response is empty": 2, "two responses are identical": 1}
    assert summary.by_category == {"writing": (2, 5)}
    assert (summary.lengths.unit, summary.lengths.n) == ("characters", 4)
    assert summarize(write(PROMPTS[:2])).lengths == ResponseLengths(4, "tokens", 3, 3, 3.0, 3)


def test_the_summary_counts_by_signed_principle():
    written = write(PROMPTS[:6])
    written[0] = replace(written[0], rejected="a response is empty")
    summary = summarize(written, Filters())
    for sign, (accepted, n) in summary.by_principle.items():
        holding = [one for one in written if sign in {s for signs in one.principles for s in signs}]
        assert n == len(holding)
        assert accepted == sum(one.rejected is None for one in holding)
    assert set(summary.rejected) == {
        "a response is empty",
        "the prompt leaves no room for a response",
        "a response did not end by itself",
        "two responses are identical",
    }
    assert summary.rejected["two responses are identical"] == 0
    assert len(set(summary.examples)) == 3


def test_contrasts_survive_a_file(tmp_path):
    contrasts = [
        *write(PROMPTS[:3]),
        contrast(7, "x", "y", "z", rejected="a response is empty"),
        contrast(8, "one\u2028two", "three\x85four"),
    ]
    path = tmp_path / "contrasts.jsonl"
    path.write_text(contrasts_to_jsonl(contrasts), encoding="utf-8")
    assert read_contrasts(path) == contrasts


GOOD = json.loads(contrasts_to_jsonl([contrast(1)]))


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("{", "not JSON"),
        ("[1]", "`[1]` is not an object"),
        ("{}", "`prompt` is missing"),
        (json.dumps(GOOD | {"constitutions": ["only one"]}), "`1` constitutions and `2` responses"),
        (json.dumps(GOOD | {"constitutions": ["one", 2]}), "`constitutions.1` is `2`"),
        (json.dumps(GOOD | {"prompt": "question?"}), "`prompt` is `'question?'`"),
        (json.dumps(GOOD | {"prompt": GOOD["prompt"] | {"id": ""}}), "`prompt.id` is `''`"),
        (
            json.dumps(GOOD | {"responses": [{"turns": ["a"]}, {}]}),
            "`responses.1.turns` is missing",
        ),
        (
            json.dumps(GOOD | {"responses": [{"turns": ["a", "b", "c"]}] * 2}),
            "a response of `3` turns to 2 user messages",
        ),
    ],
)
def test_a_bad_line_is_named(tmp_path, row, said):
    path = tmp_path / "contrasts.jsonl"
    path.write_text(f"{json.dumps(GOOD)}\n\n{row}\n")
    with pytest.raises(UsageError) as caught:
        read_contrasts(path)
    assert said in caught.value.message
    assert caught.value.where == f"{path}:3"


def test_a_file_without_contrasts_is_refused(tmp_path):
    with pytest.raises(UsageError, match="no file"):
        read_contrasts(tmp_path / "missing.jsonl")
    (tmp_path / "empty.jsonl").touch()
    with pytest.raises(UsageError, match="holds no contrast"):
        read_contrasts(tmp_path / "empty.jsonl")
