"""`sami-eval tasks`: lets plain `lm_eval --tasks gsm8k_passk` find our tasks."""

from __future__ import annotations

from typing import Annotated

from sami_eval.core.errors import UsageError
from sami_eval.core.flags import Flag, Group

Quiet = Annotated[bool, Flag("Print nothing on success.", Group.OUTPUT, ("-q", "--quiet"))]


def tasks(
    what: Annotated[str, Flag("install | remove | path", Group.ASKED, positional=True)],
    quiet: Quiet = False,
) -> None:
    """Copy our lm-eval tasks into the installed lm-eval, take them out, or say where they lie.

    Without installing: lm_eval --include_path "$(sami-eval tasks path)" --tasks gsm8k_passk ...
    """
    from sami_eval.harness import install

    if what == "path":
        print(install.tasks_dir())
        return
    if what == "install":
        folder = install.install()
        said = f"{', '.join(install.task_files())} installed in {folder}"
    elif what == "remove":
        gone = install.remove()
        said = f"removed {gone}" if gone else "nothing to remove: our tasks are not in lm-eval"
    else:
        raise UsageError(f"`sami-eval tasks {what}`", "install, remove or path")
    if not quiet:
        print(said)
