#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Exports RT-DETR of PaddleDetection (Apache-2.0) to ONNX, with its Trainer.export and paddle2onnx.

    pip install -r scripts/export/requirements-paddle.txt
    python scripts/export/rtdetr_paddle.py --repo PADDLEDETECTION --weights FILE --output x.onnx

The one variant, `paddle`, ends with the project's own choice of the best 300, in the pixels of the
image. Commit 666f597 of github.com/PaddlePaddle/PaddleDetection was used.
"""

from paddle_common import arguments, make


def main() -> None:
    given = arguments(__doc__, ["paddle"], "rtdetr_r18vd_6x_coco", 640)
    make(given, {}, [2, 1])


if __name__ == "__main__":
    main()
