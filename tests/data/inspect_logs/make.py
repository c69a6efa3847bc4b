"""Makes the logs beside it with inspect-ai itself: `python tests/data/inspect_logs/make.py`.

Two models that are none answer the same sums in two epochs: `steady` all but one rightly, `hasty`
every other one; `hasty` breaks at one sample, has one more, and lacks the first.
"""

from __future__ import annotations

from pathlib import Path

from inspect_ai import Task, eval
from inspect_ai.dataset import Sample
from inspect_ai.model import ModelOutput, ModelUsage, get_model
from inspect_ai.scorer import Score, accuracy, match, mean, scorer
from inspect_ai.solver import generate, solver

HERE = Path(__file__).parent
GRADES = "CPIN"


@scorer(metrics=[accuracy()])
def graded():
    """A letter, as a model that grades says it."""

    async def score(state, target):
        return Score(value=GRADES[(int(state.sample_id[1:]) + len(state.output.completion)) % 4])

    return score


@scorer(metrics={"length": [mean()], "kind": [mean()]})
def several():
    """Two values: one beyond 0 to 1, and one that is a word; none at all for the third sample."""

    async def score(state, target):
        if state.sample_id == "s3":
            return Score.unscored(reason="left out")
        return Score(value={"length": 10.0 * len(state.output.completion), "kind": "short"})

    return score


@solver
def breaks(at):
    """An error at one sample."""

    async def solve(state, generate):
        if state.sample_id == at:
            raise ValueError("broken")
        return state

    return solve


def answering(name, wrong):
    """A model that is none: it says the sum, but for the places in `wrong` a number too many."""

    def answer(messages, *_):
        one = int(messages[-1].text.split("+")[0])
        seen[one] = seen.get(one, 0) + 1
        text = str(2 * one + wrong(one, seen[one]))
        output = ModelOutput.from_content(name, text)
        output.usage = ModelUsage(input_tokens=1, output_tokens=1, total_tokens=2)
        return output

    seen = {}
    return get_model(f"mockllm/{name}", custom_outputs=answer)


def run(name, ids, wrong, at=None):
    """One log, under the model's name."""
    for old in HERE.glob(f"{name}.*"):
        old.unlink()
    task = Task(
        name="sums",
        dataset=[Sample(id=f"s{i}", input=f"{i}+{i}?", target=str(2 * i)) for i in ids],
        solver=[generate(), breaks(at)],
        scorer=[match(numeric=True), graded(), several()],
    )
    (log,) = eval(
        task,
        model=answering(name, wrong),
        epochs=2,
        max_samples=1,
        fail_on_error=False,
        log_dir=str(HERE),
        log_realtime=False,
        display="none",
    )
    Path(log.location.removeprefix("file://")).rename(HERE / f"{name}.eval")


if __name__ == "__main__":
    run("steady", range(1, 7), lambda one, time: one == 4)
    run("hasty", range(2, 8), lambda one, time: (one + time) % 2, at="s5")
