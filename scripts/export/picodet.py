#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Exports PicoDet of PaddleDetection (Apache-2.0) to ONNX, with its Trainer.export and paddle2onnx.

    pip install -r scripts/export/requirements-paddle.txt
    python scripts/export/picodet.py --repo PaddleDetection -o model.onnx
    python scripts/export/picodet.py --repo PaddleDetection --config picodet_l_640_coco_lcnet \\
        --weights picodet_l_640_coco_lcnet.pdparams --variant raw -o model.onnx

Trained weights: the .pdparams that PaddleDetection's configs/picodet/README_en.md links to.

Variants: `nms` has NMS in the graph (batch 1 only), `no-nms` ends with boxes in the pixels of the
input and scores, `raw` with scores and distributions of each level (batch 1 only). Commit 666f597
of github.com/PaddlePaddle/PaddleDetection was used.
"""

from paddle_common import arguments, make

# PaddleDetection's names of what the graph contains.
CONTENT = {
    "nms": {"post_process": True, "nms": True},
    "no-nms": {"post_process": True, "nms": False},
    "raw": {"post_process": False, "nms": False},
}
RANKS = {"nms": [2, 1], "no-nms": [3, 3], "raw": [3] * 8}


def main() -> None:
    given = arguments(__doc__, "picodet_s_320_coco_lcnet", CONTENT)
    # The project's own configurations name a batch of 1, and the raw graph reshapes to it.
    content = CONTENT[given.variant] | {"benchmark": False, "fuse_conv_bn": False}
    make(given, {"export": content, "batch": [1]}, RANKS[given.variant])


if __name__ == "__main__":
    main()
