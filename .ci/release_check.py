"""Build the sdist and the wheel, then use the wheel as a stranger would: `make release-check`.

    .venv/bin/python .ci/release_check.py --out dist

The sdist must hold every tracked file and nothing else, so that `make test` runs where it is
unpacked; the wheel is built from it. The wheel is installed, with the pins, in an environment of
its own and used from another folder without a network. Every step is printed with its time; the
first that fails ends the check with exit code 1.
"""

import argparse
import os
import subprocess
import sys
import tarfile
import tempfile
import time
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MADE = {"PKG-INFO"}  # what an sdist has and a checkout does not
# What is typed, and what its output must hold.
DEMO = "sami-eval compare sami dpo --task mtbench"
STEPS = [
    ("sami-eval --version", "sami-eval {version}"),
    ("sami-eval ls judges", "principles"),
    ("sami-eval ls tasks", "gsm8k"),
    ("sami-eval ls methods", "sami"),
    (DEMO, "95% CI"),
    ("sami-eval tasks install", "installed in"),
    (
        "lm_eval --model hf --model_args pretrained={base} --tasks gsm8k_passk --limit 2 "
        "--metadata n=2 k=[1,2] problems=embedded",
        "pass@2",
    ),
]


def run(command, **more):
    """What a command printed; its words and exit code 1 if it fails."""
    start = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, **more)
    shown = " ".join([Path(command[0]).name, *map(str, command[1:])])
    print(f"{time.monotonic() - start:6.1f} s  {shown}", flush=True)
    if done.returncode:
        sys.exit(f"{done.stdout}{done.stderr}\nfailed with exit code {done.returncode}: {shown}")
    return done.stdout


def build(out):
    """The sdist, and the wheel that is built from it."""
    run([sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(ROOT)])
    return next(out.glob("*.tar.gz")), next(out.glob("*.whl"))


def differences(sdist):
    """Tracked files the sdist lacks, and files it holds that are not tracked; none without git."""
    listed = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "-z"], capture_output=True, text=True
    )
    if listed.returncode:
        print("          no git here: the sdist's files are not compared", flush=True)
        return [], []
    tracked = set(filter(None, listed.stdout.split("\0")))
    with tarfile.open(sdist) as archive:
        held = {one.name.partition("/")[2] for one in archive.getmembers() if one.isfile()} - MADE
    return sorted(tracked - held), sorted(held - tracked)


def install(wheel, folder):
    """The scripts of a new environment that holds the wheel and its pins."""
    venv.create(folder, with_pip=True)
    pins = ["-c", str(ROOT / "constraints.txt")]
    run([str(folder / "bin" / "python"), "-m", "pip", "install", "-q", *pins, str(wheel)])
    return folder / "bin"


def without_network():
    """This environment, but nothing of this checkout's Python and no way out."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    proxies = ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy")
    nowhere = dict.fromkeys(proxies, "http://127.0.0.1:9")
    return {**kept, **nowhere, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "NO_COLOR": "1"}


def use(scripts, folder, version):
    """Take every step in the folder; exit where one fails or prints something else."""
    base = next(scripts.parent.glob("lib/*/site-packages/sami_eval/embedded/base"))
    for typed, expected in STEPS:
        program, *arguments = typed.format(base=base).split()
        printed = run([str(scripts / program), *arguments], cwd=folder, env=without_network())
        if expected.format(version=version) not in printed:
            sys.exit(f"{printed}\n`{typed}` does not print `{expected}`")


def main():
    """Build, compare, install, use."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--out", type=Path, default=ROOT / "dist", help="gets sdist and wheel")
    out = parser.parse_args().out
    for old in [*out.glob("sami_eval-*.tar.gz"), *out.glob("sami_eval-*.whl")]:
        old.unlink()
    start = time.monotonic()
    sdist, wheel = build(out)
    lacking, extra = differences(sdist)
    if lacking or extra:
        sys.exit(f"the sdist lacks {lacking or 'nothing'} and holds besides {extra or 'nothing'}")
    with tempfile.TemporaryDirectory() as place:
        scripts = install(wheel, Path(place) / "environment")
        elsewhere = Path(place) / "elsewhere"
        elsewhere.mkdir()
        use(scripts, elsewhere, wheel.name.split("-")[1])
    print(f"{time.monotonic() - start:6.1f} s  in all; ready: {sdist} {wheel}")


if __name__ == "__main__":
    main()
