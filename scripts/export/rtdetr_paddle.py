#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Exports RT-DETR of PaddleDetection (Apache-2.0) to ONNX, with its Trainer.export and paddle2onnx.

    pip install -r scripts/export/requirements-paddle.txt
    python scripts/export/rtdetr_paddle.py --repo PaddleDetection -o model.onnx
    python scripts/export/rtdetr_paddle.py --repo PaddleDetection \\
        --config rtdetr_r50vd_6x_coco --weights rtdetr_r50vd_6x_coco.pdparams -o model.onnx

Trained weights: the .pdparams that PaddleDetection's configs/rtdetr/README.md links to.

The graph ends with the project's own choice of the best 300, in the pixels of the image. Commit
666f597 of github.com/PaddlePaddle/PaddleDetection was used.
"""

from paddle_common import arguments, make


def main() -> None:
    given = arguments(__doc__, "rtdetr_r18vd_6x_coco")
    make(given, {}, [2, 1])


if __name__ == "__main__":
    main()
