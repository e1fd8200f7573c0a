# SPDX-License-Identifier: Apache-2.0
"""What all export scripts share: the command line, and answers a user can act on where something
is missing. Only Python's own modules are used, so that --help always works.
"""

from __future__ import annotations

import argparse
import contextlib
import difflib
import importlib.util
import os
import sys
import tempfile
from pathlib import Path


class Help(argparse.ArgumentDefaultsHelpFormatter, argparse.RawDescriptionHelpFormatter):
    """Keeps the lines of the description, and names every default there is."""

    def _get_help_string(self, action):
        return action.help if action.default is None else super()._get_help_string(action)


def parser_of(text: str, weights: str, project: str = "") -> argparse.ArgumentParser:
    """The options all exports have. text: the script's docstring. weights: what --weights is.
    project: whose checkout --repo is, where one is always needed."""
    parser = argparse.ArgumentParser(description=text, formatter_class=Help)
    # Both are required, and so have no default to name.
    parser.add_argument("-o", "--output", type=Path, required=True, help="ONNX file to write")
    if project:
        parser.add_argument("--repo", type=Path, required=True, help=f"your checkout of {project}")
    parser.add_argument(
        "--weights",
        type=Path,
        help=f"{weights}; loading may run code that is in there, so take only what you trust. "
        "Without --weights they are random, and the model is good for measuring speed only",
    )
    return parser


def sides(text: str) -> list[int]:
    """[height, width] of a side or of WIDTHxHEIGHT."""
    try:
        numbers = [int(number) for number in text.split("x")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text}: must be a side, or WIDTHxHEIGHT") from None
    # What all of these networks halve five times has to fit what they double again (RF-DETR:
    # patches of 16 in two windows).
    if len(numbers) > 2 or any(number < 32 or number % 32 for number in numbers):
        raise argparse.ArgumentTypeError(f"{text}: must be a multiple of 32")
    return (numbers * 2)[1::-1]


def side(text: str) -> list[int]:
    """[height, width] of a square's side."""
    if "x" in text:
        raise argparse.ArgumentTypeError(f"{text}: must be one number, the side of a square")
    return sides(text)


def add_size(parser: argparse.ArgumentParser, own: str, square: bool) -> None:
    """own: what says the size where --size is not given."""
    words = "side of the square input" if square else "the input: a side, or WIDTHxHEIGHT,"
    parser.add_argument(
        "--size",
        type=side if square else sides,
        help=f"{words} in pixels, multiples of 32; by default the size that {own} says",
    )


def sides_of(given: argparse.Namespace, own, whose: str) -> list[int]:
    """[height, width]: --size, or the size `own` that `whose` says. Prints which."""
    height, width = given.size or own
    print(f"input {width}x{height}, as {'--size' if given.size else whose} says", flush=True)
    if height % 32 or width % 32:
        sys.exit("both sides must be multiples of 32: give another --size")
    return [height, width]


def find_config(name: str, folder: Path, usual: str) -> Path:
    """The configuration of this name below `folder`, or a path. usual: the default's name."""
    if Path(name).is_file():
        return Path(name)
    files = sorted(folder.rglob("*.yml"))
    ending = f"/{name.removesuffix('.yml')}.yml"
    found = [file for file in files if f"/{file.relative_to(folder).as_posix()}".endswith(ending)]
    if len(found) == 1:
        return found[0]
    if found:
        text = "more than one of that name; give a path:\n    " + "\n    ".join(map(str, found))
    else:
        text = f"none of that name below {folder}; there are:\n    "
        text += "\n    ".join(near(name, files, usual))
    sys.exit(f"--config {name}: {text}")


def near(name: str, files: list[Path], usual: str) -> list[str]:
    """Names like this one, or all beside the default one where none is like it."""
    whole = [file for file in files if file.parent.name not in ("_base_", "include")]
    names = sorted({file.name.removesuffix(".yml") for file in whole})
    folders = [file.parent for file in whole if file.name == f"{usual}.yml"]
    beside = [file.name.removesuffix(".yml") for file in whole if file.parent in folders]
    return difflib.get_close_matches(Path(name).name, names, 6, 0.6) or beside


def say_random(given: argparse.Namespace) -> None:
    """The last that is printed: nobody is to take times of such a model for more than they are."""
    if given.weights is None:
        print("WEIGHTS ARE RANDOM: the model is good for measuring speed only, and even the time")
        print("of NMS is not that of a trained model.")


def check_files(given: argparse.Namespace) -> None:
    """Before minutes of work: whether the weights are there and the output can be written."""
    if given.weights and not given.weights.exists():
        sys.exit(f"--weights {given.weights}: there is no such file")
    output = given.output
    if output.is_dir():
        sys.exit(f"--output {output}: this is a folder; name the file to write")
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=output.parent).close()
    except OSError as error:
        sys.exit(f"--output {output}: cannot write there: {error.strerror}")
    if output.exists() and not os.access(output, os.W_OK):
        sys.exit(f"--output {output}: cannot write this file")


def open_project(repo: Path, inside: str, project: str) -> None:
    """Makes a checkout's code importable, before these scripts, which may have its name."""
    if not (repo / inside).is_dir():
        sys.exit(f"--repo {repo}: no folder {inside} there; expected a checkout of {project}")
    sys.path.insert(0, str(repo.resolve()))


@contextlib.contextmanager
def packages(requirements: str, *names: str):
    """Says what to install where a package is missing: one of these, or one that they need."""
    try:
        for name in names:
            spec = importlib.util.find_spec(name)
            # A script of the package's name may be found instead: that is no package.
            if spec is None or spec.submodule_search_locations is None:
                raise ModuleNotFoundError(name=name)
        yield
    except ModuleNotFoundError as error:
        sys.exit(
            f"the package {error.name} is missing; this installs all that is needed:\n"
            f"    pip install -r scripts/export/{requirements}"
        )


@contextlib.contextmanager
def reading(weights: Path | None):
    """Says which file is wrong where a project's loader fails: each fails in ways of its own."""
    try:
        yield
    except ModuleNotFoundError:
        raise
    except Exception as error:
        if weights is None:
            raise
        lines = str(error).strip().splitlines() or [type(error).__name__]
        sys.exit(f"--weights {weights}: not weights of this model: {' '.join(lines)[:300]}")


def check_fit(weights: Path, stored: dict, wanted: dict) -> None:
    """Fails unless all tensors are there, in the model's shapes: the projects' own loaders leave
    out what does not fit, and only log it. Both: {name: shape}."""
    wrong = [k for k, shape in wanted.items() if list(stored.get(k, [-1])) != list(shape)]
    if wrong:
        names = ", ".join(wrong[:3])
        sys.exit(
            f"--weights {weights}: not weights of this model: {len(wrong)} of {len(wanted)} "
            f"tensors are missing or have another shape, as {names}"
        )
