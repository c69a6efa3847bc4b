"""A `.gguf` file as a base: what it was made from, once, whole or not at all."""

from __future__ import annotations

import json
import shutil
import sys
import threading
from pathlib import Path

import pytest

from sami_eval import cli
from sami_eval.core.config import find_config
from sami_eval.core.types import Model
from sami_eval.generate import standing
from sami_eval.generate.formats import format_of
from sami_eval.generate.loading import load_network
from sami_eval.generate.models import resolve, resolve_base
from tests import tiny_gguf, tiny_llama
from tests.processes import kill_when

TEMPLATE = "{% for m in messages %}<s>{{ m['role'] }}: {{ m['content'] }}{% endfor %}"
MODELS = Path(".sami-eval", "models")


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny Llama with a chat template, and a token for a blank line."""
    folder = tiny_llama.save_base(tmp_path_factory.mktemp("made") / "tiny")
    (folder / "chat_template.jinja").write_text(TEMPLATE)
    # The word for 255, which no text of ours has, gives its place to two line ends.
    path = folder / "tokenizer.json"
    stated = json.loads(path.read_text(encoding="utf-8"))
    stated["model"]["vocab"]["ĊĊ"] = stated["model"]["vocab"].pop("ÿ")
    stated["model"]["merges"] = [["Ċ", "Ċ"]]
    path.write_text(json.dumps(stated), encoding="utf-8")
    return folder


@pytest.fixture
def file(folder: Path, original: Path) -> Path:
    return tiny_gguf.write(folder / "tiny.gguf", original)


def base_of(path: Path | str) -> Model:
    return resolve_base(str(path), find_config(Path.cwd()))


def test_a_file_is_the_model_it_was_made_from(original: Path, file: Path) -> None:
    import torch

    found = base_of("tiny.gguf")
    theirs, ours = load_network(base_of(original)), load_network(found)
    ids = torch.tensor([[5, 60, 61, 70, 9]])
    with torch.no_grad():
        assert torch.equal(theirs(ids).logits, ours(ids).logits)
    form = format_of(found)
    assert form.ends == {1}
    assert form.context == 256
    assert form.tokenizer.decode(form.render((("user", "Hi there"),))) == "<s>user: Hi there"


def test_it_is_converted_once_and_shown_by_its_name(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = base_of("tiny.gguf")
    said = capsys.readouterr().err
    assert said.startswith("converting `tiny.gguf` to a model folder, once: ")
    assert said.count("\n") == 1
    assert (first.named, Path(first.base).parent) == ("tiny.gguf", Path.cwd() / MODELS)
    again = base_of("tiny.gguf")
    by_folder = base_of(first.base)
    (contender,) = resolve(str(file), config=find_config(Path.cwd()))
    assert again == first
    assert by_folder.fingerprint == first.fingerprint == contender.fingerprint
    assert by_folder.named == "tiny.gguf"
    assert contender.name == "tiny.gguf"
    assert capsys.readouterr().err == ""


def test_content_decides_what_is_converted_again(file: Path, original: Path) -> None:
    first = base_of(file)
    moved = shutil.move(file, "elsewhere.bin")  # no suffix: its first bytes tell
    assert base_of(moved).fingerprint == first.fingerprint
    other = tiny_gguf.write(file, original, kind="F16")
    assert base_of(other).fingerprint != first.fingerprint


@pytest.mark.parametrize(
    ("kind", "dtype"), [("F16", "float16"), ("BF16", "bfloat16"), ("Q8_0", "float32")]
)
def test_plain_numbers_keep_their_type_and_quantised_ones_become_float32(
    kind: str, dtype: str, folder: Path, original: Path
) -> None:
    found = base_of(tiny_gguf.write(folder / "tiny.gguf", original, kind=kind))
    stated = json.loads(Path(found.base, "config.json").read_text())
    assert (stated["dtype"], "quantization_config" in stated) == (dtype, False)


def test_a_name_in_the_config_may_stand_for_a_file(folder: Path, file: Path) -> None:
    (folder / "sami-eval.toml").write_text('[models.small]\nbase = "tiny.gguf"\n')
    (found,) = resolve("small", config=find_config(folder))
    assert (found.name, found.named) == ("small", str(folder / "tiny.gguf"))
    # Another word for the same base is no other base.
    assert standing.difference([found, base_of("tiny.gguf")], None) is None


def test_digits_stand_alone_where_the_file_says_so(folder: Path, original: Path) -> None:
    # GPT-2's cut leaves the last of several blanks to what follows: the blank line is two tokens.
    text = "a\n\n1"
    for pre, n_tokens in (("smollm", 3), ("gpt-2", 4)):
        path = tiny_gguf.write(folder / f"{pre}.gguf", original, facts={"tokenizer.ggml.pre": pre})
        assert len(format_of(base_of(path)).tokenizer(text)["input_ids"]) == n_tokens, pre


def test_an_unknown_cut_is_said(
    folder: Path, original: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    facts = {"tokenizer.ggml.pre": "martian"}
    base_of(tiny_gguf.write(folder / "tiny.gguf", original, facts=facts))
    assert "its way to cut text, `martian`, is not known here" in capsys.readouterr().err


def test_a_turn_may_have_an_end_of_its_own(folder: Path, original: Path) -> None:
    facts = {"tokenizer.ggml.eot_token_id": 2}
    found = base_of(tiny_gguf.write(folder / "tiny.gguf", original, facts=facts))
    assert format_of(found).ends == {1, 2}


def test_the_stretched_waves_of_llama_3_1_are_kept(
    folder: Path, original: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from transformers import LlamaConfig
    from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

    scaling = {
        "rope_type": "llama3",
        "rope_theta": 10000.0,
        "factor": 8.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 8192,
    }
    config = LlamaConfig(hidden_size=64, num_attention_heads=4, rope_parameters=scaling)
    scaled, _ = ROPE_INIT_FUNCTIONS["llama3"](config, "cpu")
    rope = [1 / 10000 ** (i / 8) / float(one) for i, one in enumerate(scaled)]
    assert max(rope) == pytest.approx(8)
    found = base_of(tiny_gguf.write(folder / "tiny.gguf", original, rope=rope))
    stated = json.loads(Path(found.base, "config.json").read_text())["rope_parameters"]
    assert stated == pytest.approx(scaling)
    assert "rotary" not in capsys.readouterr().err
    base_of(tiny_gguf.write(folder / "other.gguf", original, rope=[1, 2, 3, 4, 5, 6, 7, 8]))
    assert "`other.gguf`: its rotary scaling is none that is known" in (
        capsys.readouterr().err.replace(f"{folder}/", "")
    )


def test_an_adapter_finds_its_file_when_the_folder_is_gone(file: Path) -> None:
    base = base_of("tiny.gguf")
    adapter = tiny_llama.save_adapter(Path("adapter"), Path(base.base), seed=1)
    card = {"id": base.named, "revision": None, "fingerprint": base.fingerprint}
    known = {"schema": "sami-eval/adapter/1", "base": card}
    (adapter / "sami_eval.json").write_text(json.dumps(known))
    shutil.rmtree(MODELS)
    (found,) = resolve("adapter", config=find_config(Path.cwd()))
    assert (found.named, found.base) == ("tiny.gguf", base.base)


BAD = {
    "text.gguf": "is no GGUF file: it does not begin with `GGUF`",
    "cut.gguf": "is cut off or damaged",
    "head.gguf": "is cut off or damaged",
    "alien.gguf": "GGUF model with architecture zork is not supported",
    "lora.gguf": "holds no model: its type is `adapter`",
    "part.gguf": "is one of 3 parts of a model",
    "absent.gguf": "no file `absent.gguf`",
}


@pytest.mark.parametrize("name", BAD)
def test_a_file_that_is_no_model_is_one_clear_line(
    name: str, file: Path, original: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = file.read_bytes()
    facts = {
        "alien.gguf": {"general.architecture": "zork"},
        "lora.gguf": {"general.type": "adapter"},
        "part.gguf": {"split.count": 3},
    }
    content = {"text.gguf": b"hello", "cut.gguf": whole[:-5000], "head.gguf": whole[:40]}
    if name in facts:
        tiny_gguf.write(Path(name), original, facts=facts[name])
    elif name in content:
        Path(name).write_bytes(content[name])
    assert cli.run(["align", "sft", "--base", name]) == 2
    err = capsys.readouterr().err
    assert err.count("error: ") == err.count("hint: ") == 1
    assert BAD[name] in err
    assert "Traceback" not in err
    assert not list(MODELS.glob("*"))
    assert not list(MODELS.glob(".*"))


def test_a_folder_of_a_file_names_it(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["align", "sft", "--base", str(file.parent)]) == 2
    assert f"hint: name the file inside it: {file}" in capsys.readouterr().err


def test_without_the_package_that_reads_it_the_hint_installs_it(
    file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "gguf", None)
    assert cli.run(["align", "sft", "--base", "tiny.gguf"]) == 2
    assert "hint: pip install gguf" in capsys.readouterr().err


def test_a_process_killed_midway_leaves_nothing_that_is_taken_for_whole(file: Path) -> None:
    def begun() -> bool:
        return any(MODELS.glob(".*.unfinished"))

    kill_when(Path.cwd(), begun, ["align", "sft", "--base", "tiny.gguf"])
    assert begun()
    found = base_of("tiny.gguf")
    assert load_network(found).num_parameters() > 0
    assert [path.name for path in MODELS.iterdir()] == [Path(found.base).name]


def test_two_at_once_convert_once(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found: list[str] = []
    both = [threading.Thread(target=lambda: found.append(base_of("tiny.gguf").base)) for _ in "ab"]
    for one in both:
        one.start()
    for one in both:
        one.join()
    assert len(found) == 2
    assert len(set(found)) == 1
    assert capsys.readouterr().err.count("converting") == 1
