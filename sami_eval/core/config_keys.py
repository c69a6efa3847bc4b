"""The keys of `sami-eval.toml` beside its prices and servers, each with its type and meaning."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypedDict

from sami_eval.core.described import Says

Engine = Literal["auto", "vllm", "serve", "hf"]  # what generates on this machine
# Tables of flags, each named as its command; none is needed by what writes files to begin with.
COMMANDS = (
    *("compare", "passk", "train", "align", "contrast", "show", "again", "ls", "cancel", "power"),
    *(
        "push",
        "agreement",
        "doctor",
        "tasks",
        "reproduce mtbench",
        "reproduce gsm8k",
        "reproduce audit",
    ),
)
LOCAL = "http://127.0.0.1:8000/v1"

# Names with a dash are no names of Python.
DefaultKeys = TypedDict(
    "DefaultKeys",
    {
        "base": Annotated[
            str,
            Says("Base of recipes: hub id, folder or .gguf file.", "meta-llama/Llama-3.1-8B"),
        ],
        "judge": Annotated[str, Says("A judge's name or file; `sami-eval ls judges`.", "quality")],
        "judge-model": Annotated[
            str, Says("The model that judges, where a model does.", "openai:gpt-4o")
        ],
        "base-url": Annotated[str, Says("The server of `openai:` models.", LOCAL)],
        "key": Annotated[str, Says("The environment variable that holds its key.", "OUR_KEY")],
        "engine": Annotated[
            Engine, Says("What generates locally: auto, vllm, serve or hf.", "auto")
        ],
        "task": Annotated[str, Says("What is answered; `sami-eval ls tasks`.", "mtbench")],
    },
    total=False,
)


class ModelKeys(TypedDict, total=False):
    """What `[models.NAME]` may say; `NAME` is then a model wherever one is named."""

    base: Annotated[
        str, Says("Hub id, folder, .gguf file or openai:NAME.", "meta-llama/Llama-3.1-8B")
    ]
    adapter: Annotated[str, Says("A PEFT folder on that base.", "out/my-adapter")]
    revision: Annotated[str, Says("Of the hub: commit, branch or tag.", "main")]
    engine: Annotated[str, Says("What runs it here where it judges: vllm or hf.", "hf")]
    chat_template: Annotated[str, Says("Jinja, as a file or text; its own else.", "chat.jinja")]
    base_url: Annotated[str, Says("Of an openai: base: the server it is asked at.", LOCAL)]
    key: Annotated[str, Says("The environment variable that holds its key.", "OUR_KEY")]
    request: Annotated[
        dict[str, Any],
        Says("Of a model at a server: fields of every request, no key.", {"service_tier": "flex"}),
    ]
    thoughts: Annotated[int, Says("Room for thoughts in tokens, beside the answer.", 16384)]
