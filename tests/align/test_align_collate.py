from __future__ import annotations

from dataclasses import replace

import pytest

from sami_eval.align import options
from sami_eval.align.collate import (
    Encoded,
    collate,
    collate_own,
    encode,
    encode_all,
    own_rows,
    preference_rows,
)
from sami_eval.core.errors import UsageError
from sami_eval.core.types import Response
from sami_eval.data import chat
from tests.align_models import QUICK, contrast, tokenizer

EOS = 2
ONE = Encoded("p", prompts=((10, 11), (12,)), responses=((20, EOS), (30, 31, EOS)))


def with_responses(one, *responses):
    return replace(one, responses=tuple(responses))


def test_prompts_stand_under_the_bare_constitution():
    words, one = tokenizer(), contrast(1)
    messages = (("system", "1. say bbb"), ("user", "question 1?"))
    assert encode(words, one).prompts[1] == chat.render(words, messages)
    assert words.decode(encode(words, one).prompts[1]) == (
        "<system>1. say bbb<user>question 1?<assistant>"
    )


def test_generated_ids_are_trained_as_they_are():
    words = tokenizer()
    # "ab" is one token to the tokenizer; the model wrote two.
    a, b = words.convert_tokens_to_ids(["a", "b"])
    response = Response("p1", "base", ("ab",), ((a, b, EOS),), finished=(True,))
    one = with_responses(contrast(1), response, contrast(1).responses[1])
    assert encode(words, one).responses[0] == (a, b, EOS)
    assert encode(words, one, train_eos=False).responses[0] == (a, b)


def test_text_without_ids_is_tokenised_and_ended():
    words = tokenizer()
    ids = words.convert_tokens_to_ids
    assert encode(words, contrast(1)).responses[0] == (*[ids("a")] * 3, ids("1"), EOS)


def test_a_response_that_was_cut_gets_no_end():
    words = tokenizer()
    cut = Response("p1", "base", ("ab",), finished=(False,))
    one = with_responses(contrast(1), cut, contrast(1).responses[1])
    assert encode(words, one).responses[0] == (words.convert_tokens_to_ids("ab"),)


def test_a_stop_string_in_the_ids_gives_way_to_the_text():
    words = tokenizer(template=None)
    ids = tuple(words(" yes\nHuman:")["input_ids"])
    stopped = Response("p1", "base", ("yes",), (ids,), finished=(True,))
    one = with_responses(contrast(1), stopped, contrast(1).responses[1])
    assert words.decode(encode(words, one).responses[0]) == " yes<eos>"


def test_another_end_token_of_the_model_is_kept():
    words = tokenizer()
    end_of_turn, a = words.convert_tokens_to_ids(["~", "a"])
    response = Response("p1", "base", ("a",), ((a, end_of_turn),), finished=(True,))
    one = with_responses(contrast(1), response, contrast(1).responses[1])
    encoded = encode(words, one, ends=frozenset({end_of_turn}))
    assert encoded.responses[0] == (a, end_of_turn)


def test_a_second_turn_sees_the_first_response():
    words = tokenizer()
    two = [Response("p1", "base", (f"first {x}", x), finished=(True, True)) for x in "xy"]
    encoded = encode(words, with_responses(contrast(1), *two))
    assert words.decode(encoded.prompts[1]) == (
        "<system>1. say bbb<user>question 1?<assistant>first y<user>again<assistant>"
    )
    assert words.decode(encoded.responses[1]) == "y<eos>"


def test_a_row_a_response_with_everything_padded_left():
    batch = collate([ONE], pad=0, share=False)
    # A prompt, then a response without its last token, which is predicted and never read.
    assert batch.input_ids.tolist() == [
        [0, 10, 11, 20],
        [10, 11, 30, 31],
        [0, 0, 12, 20],
        [0, 12, 30, 31],
    ]
    assert batch.attention_mask().tolist() == [
        [0, 1, 1, 1],
        [1, 1, 1, 1],
        [0, 0, 1, 1],
        [0, 1, 1, 1],
    ]
    assert batch.position_ids.tolist() == [[0, 0, 1, 2], [0, 1, 2, 3], [0, 0, 0, 1], [0, 0, 1, 2]]


def test_a_row_a_constitution_holds_every_response():
    batch = collate([ONE], pad=0, share=True)
    assert batch.input_ids.tolist() == [[10, 11, 20, 11, 30, 31], [0, 12, 20, 12, 30, 31]]
    assert batch.position_ids.tolist() == [[0, 1, 2, 1, 2, 3], [0, 0, 1, 0, 1, 2]]
    assert batch.segments.tolist() == [[0, 1, 1, 2, 2, 2], [-1, 1, 1, 2, 2, 2]]


def test_responses_of_a_row_are_blind_to_each_other():
    mask = collate([ONE], pad=0, share=True).attention_mask()[:, 0].int().tolist()
    assert mask[0] == [
        [1, 0, 0, 0, 0, 0],
        [1, 1, 0, 0, 0, 0],
        [1, 1, 1, 0, 0, 0],
        [1, 0, 0, 1, 0, 0],
        [1, 0, 0, 1, 1, 0],
        [1, 0, 0, 1, 1, 1],
    ]
    # Padding is seen by nobody else.
    assert mask[1][0] == [1, 0, 0, 0, 0, 0]
    assert [row[0] for row in mask[1][1:]] == [0] * 5


def placed(batch):
    """(the token read there, the token predicted, its cell) of every token."""
    columns = batch.input_ids[:, -batch.width :].flatten()
    return list(
        zip(
            columns[batch.places].tolist(), batch.labels.tolist(), batch.cells.tolist(), strict=True
        )
    )


def test_tokens_of_own_responses_come_first():
    own = [(11, 20, 0), (20, EOS, 0), (12, 30, 3), (30, 31, 3), (31, EOS, 3)]
    others = [(11, 30, 1), (30, 31, 1), (31, EOS, 1), (12, 20, 2), (20, EOS, 2)]
    for share in (True, False):
        batch = collate([ONE], pad=0, share=share)
        assert placed(batch) == own + others
        assert batch.n_own == 5
    assert placed(collate_own([ONE], pad=0)) == own


def test_cells_count_on_over_the_contrasts_of_a_batch():
    other = Encoded("q", prompts=((1,), (2,)), responses=((3,), (4,)))
    batch = collate([ONE, other], pad=0, share=True)
    assert placed(batch)[5:7] == [(1, 3, 4), (2, 4, 7)]
    assert batch.n_own == 7
    assert sorted(set(batch.cells.tolist())) == list(range(8))
    assert collate_own([ONE, other], pad=0).cells.tolist() == batch.cells[:7].tolist()


def test_the_end_is_trained_even_where_it_pads():
    batch = collate([ONE], pad=EOS, share=True)
    assert batch.input_ids[1].tolist() == [EOS, 12, 20, 12, 30, 31]
    assert batch.labels[:2].tolist() == [20, EOS]
    assert batch.segments[1].tolist() == [-1, 1, 1, 2, 2, 2]


def test_rows_for_sft_and_dpo():
    three = Encoded("p", ((1,), (2,), (3,)), ((10,), (20,), (30,)))
    assert own_rows(three) == [((1,), (10,)), ((2,), (20,)), ((3,), (30,))]
    assert preference_rows(three) == [
        ((1,), (10,), (20,)),
        ((1,), (10,), (30,)),
        ((2,), (20,), (10,)),
        ((2,), (20,), (30,)),
        ((3,), (30,), (10,)),
        ((3,), (30,), (20,)),
    ]


def test_long_contrasts_are_left_out_and_counted():
    said = []
    words, long = tokenizer(), contrast(2, "a" * 60, "b" * 60)
    limit = replace(QUICK, max_length=encode(words, contrast(1)).longest)
    kept = encode_all(words, [contrast(1), long], limit, say=said.append)
    assert [one.prompt_id for one in kept] == ["p1"]
    assert said == [f"1 of 2 contrasts are longer than {limit.max_length} tokens: left out"]


@pytest.mark.parametrize(
    ("contrasts", "limit", "said"),
    [
        ([], 99, r"no contrast to train on \(0 given"),
        ([contrast(1, rejected="it is empty")], 99, "all of them rejected: 1 of them: it is empty"),
        ([contrast(1)], 5, "every contrast is longer than `5` tokens"),
        ([contrast(1), contrast(2, "a", "b", "c")], 99, "hold `2, 3` constitutions"),
    ],
)
def test_what_cannot_be_trained_on_is_refused(contrasts, limit, said):
    with pytest.raises(UsageError, match=said):
        encode_all(tokenizer(), contrasts, replace(QUICK, max_length=limit))


@pytest.mark.parametrize("method", ["sft", "dpo", "sami", "a users own"])
@pytest.mark.parametrize("name", ["default", "embedded"])
def test_every_preset_is_valid_for_every_method(name, method):
    assert options.preset(name, method, seed=3).seed == 3


def test_an_unknown_preset_is_named():
    with pytest.raises(UsageError, match="no preset `huge`"):
        options.preset("huge", "sft")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"lr": 0.0}, "`lr` is `0.0`"),
        ({"kl": -1.0}, "`kl` is `-1.0`"),
        ({"warmup": 1.0}, "`warmup` is `1.0`"),
        ({"steps": 0}, "`steps` is `0`"),
        ({"prefix_sharing": "maybe"}, "`prefix_sharing` is `'maybe'`"),
        ({"rate": 1}, "no option `rate`"),
    ],
)
def test_an_impossible_option_is_named(changes, said):
    with pytest.raises(UsageError, match=said):
        options.change(QUICK, **changes)


def test_none_changes_nothing():
    assert options.change(QUICK, lr=None, steps=7) == replace(QUICK, steps=7)


PAIR = Encoded("p", prompts=((10, 11), (10, 11)), responses=((20, EOS), (30, 31, EOS)))


def test_of_a_pair_the_first_response_is_learnt_and_preferred():
    assert own_rows(PAIR) == [((10, 11), (20, EOS))]
    assert own_rows(ONE) == [((10, 11), (20, EOS)), ((12,), (30, 31, EOS))]
    assert preference_rows(PAIR) == [((10, 11), (20, EOS), (30, 31, EOS))]
    assert len(preference_rows(ONE)) == 2


def test_pairs_and_contrasts_of_one_file_are_refused():
    one = contrast(1)
    pair = replace(contrast(2), constitutions=one.constitutions[:1] * 2)
    with pytest.raises(UsageError, match="`1` of 2 contrasts are pairs"):
        encode_all(tokenizer(), [one, pair], options.change(QUICK))
