# SPDX-License-Identifier: Apache-2.0
"""What prepost.py needs before it can measure: an environment, checkouts, the example. Standard
library only: it runs before anything is installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parent
ROOT = SCRIPTS.parents[1]
WORK = ROOT / "target" / "peers"

# One thread for every library that reads it from here, when it is loaded.
ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


@dataclass(frozen=True)
class Project:
    """A project that is imported from a checkout; at the commit of scripts/golden/make.sh."""

    name: str
    repository: str
    commit: str
    inside: str  # a file that is in it


PADDLEDETECTION = Project(
    "PaddleDetection",
    "https://github.com/PaddlePaddle/PaddleDetection",
    "666f597fd00d3157e84dd9fb2dd3f40bf9918ebc",
    "deploy/python/picodet_postprocess.py",
)
RTDETR = Project(
    "RT-DETR",
    "https://github.com/lyuwenyu/RT-DETR",
    "068dfde65f2667ad6555883c69d73de886518cad",
    "rtdetrv2_pytorch/src/zoo/rtdetr/rtdetr_postprocessor.py",
)


class Absent(Exception):
    """Something that is measured if it is there, and is not."""


def enter_environment(given: Path | None, ultralytics: bool) -> None:
    """Goes on in the environment's Python: returns where this already is it, else never."""
    # The checkouts are read, not written to.
    os.environ |= ONE_THREAD | {"PYTHONDONTWRITEBYTECODE": "1"}
    environment = (given or WORK / "prepost-venv").absolute()
    if not given:
        install(environment, ultralytics)
    if Path(sys.prefix).resolve() == environment.resolve():
        return
    python = environment / "bin" / "python"
    if not python.exists():
        raise SystemExit(f"prepost.py: {environment} has no bin/python")
    os.execv(python, [str(python), *sys.argv])


def install(environment: Path, ultralytics: bool) -> None:
    """Makes the environment, unless there is one with these very requirements."""
    names = ["requirements-prepost.txt"]
    names += ["requirements-prepost-ultralytics.txt"] if ultralytics else []
    wanted = "".join((SCRIPTS / name).read_text() for name in names)
    done = environment / "requirements.txt"
    if done.exists() and done.read_text() == wanted:
        return
    print(f"making the environment {environment.relative_to(ROOT)}", flush=True)
    subprocess.run([sys.executable, "-m", "venv", "--clear", environment], check=True)
    pip = [environment / "bin" / "python", "-m", "pip", "install", "--quiet"]
    pip.append("--disable-pip-version-check")
    for name in names:
        pip += ["--requirement", SCRIPTS / name]
    subprocess.run(pip, check=True)
    # Written last: where it is as wanted, the installation was completed.
    done.write_text(wanted)


def checkout(project: Project, given: Path | None) -> Path:
    """The given checkout, or one of our own at the pinned commit.

    Raises Absent where it cannot be had.
    """
    folder = (given or WORK / project.name).absolute()
    if given is None and not (folder / project.inside).exists():
        clone(project, folder)
    if not (folder / project.inside).exists():
        raise Absent(f"{project.name}: the checkout has no {project.inside}")
    return folder


def clone(project: Project, folder: Path) -> None:
    print(f"cloning {project.repository}", flush=True)
    folder.mkdir(parents=True, exist_ok=True)
    git = ["git", "-C", str(folder)]
    fetch = ["fetch", "--quiet", "--depth", "1", project.repository, project.commit]
    steps = [["init", "--quiet"], fetch, ["checkout", "--quiet", "FETCH_HEAD"]]
    # Without a terminal git does not ask for a password, where there is no such repository.
    variables = os.environ | {"GIT_TERMINAL_PROMPT": "0"}
    for step in steps:
        done = subprocess.run(git + step, capture_output=True, text=True, env=variables)
        if done.returncode != 0:
            reason = (done.stderr.strip().splitlines() or ["git failed"])[-1]
            raise Absent(f"{project.name}: no checkout was given and none could be made: {reason}")


def commit_of(folder: Path) -> str | None:
    """The commit of a checkout, marked where files differ from it; None where git does not tell."""

    def git(*words: str) -> str | None:
        done = subprocess.run(["git", "-C", folder, *words], capture_output=True, text=True)
        return done.stdout.strip() if done.returncode == 0 else None

    top, commit = git("rev-parse", "--show-toplevel"), git("rev-parse", "--short=7", "HEAD")
    # A copy without history may lie in another repository, whose commit says nothing of it.
    if not commit or not top or Path(top).resolve() != folder.resolve():
        return None
    # What a sparse checkout leaves out changes nothing that is there.
    changed = git("diff", "HEAD", "--name-only", "--diff-filter=d")
    return f"{commit}, with uncommitted changes" if changed else commit


def build() -> Path:
    """Builds the example; with the decoder libjpeg-turbo where it can be built."""
    command = ["cargo", "build", "--quiet", "--release", "--example", "prepost"]
    if all(shutil.which(tool) for tool in ("cmake", "make", "nasm")):
        command += ["--features", "turbojpeg"]
    if subprocess.run(command, cwd=ROOT).returncode != 0:
        raise SystemExit("prepost.py: the example could not be built")
    target = ROOT / os.environ.get("CARGO_TARGET_DIR", "target")
    return target / "release" / "examples" / "prepost"
