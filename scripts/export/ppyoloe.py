#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Exports PP-YOLOE or PP-YOLOE+ of PaddleDetection (Apache-2.0) to ONNX, with its Trainer.export
and paddle2onnx.

    pip install -r scripts/export/requirements-paddle.txt
    python scripts/export/ppyoloe.py --repo PaddleDetection -o model.onnx
    python scripts/export/ppyoloe.py --repo PaddleDetection --config ppyoloe_plus_crn_l_80e_coco \\
        --weights ppyoloe_plus_crn_l_80e_coco.pdparams --variant no-nms -o model.onnx

Trained weights: the .pdparams that PaddleDetection's configs/ppyoloe/README.md links to.

Variants: `nms` has NMS in the graph (batch 1 only), `no-nms` ends before it, with boxes in the
pixels of the image, `concatenated` ends with boxes in the pixels of the input and scores in one
tensor, `raw` ends with scores and distributions. Commit 666f597 of
github.com/PaddlePaddle/PaddleDetection was used.
"""

from paddle_common import arguments, make

CHANGES = {
    "nms": {},
    "no-nms": {"exclude_nms": True},
    "concatenated": {"exclude_post_process": True},
    "raw": {},
}
RANKS = {"nms": [2, 1], "no-nms": [3, 3], "concatenated": [3], "raw": [3, 3]}


def without_decoding(model):
    """The model up to the scores and distributions that PaddleDetection trains on."""
    from paddle import nn

    class Raw(nn.Layer):
        def __init__(self):
            super().__init__()
            self.backbone, self.neck, self.head = model.backbone, model.neck, model.yolo_head
            # The training path computes the loss from what we want instead.
            self.head.get_loss = lambda outputs, *_: outputs[:2]

        def forward(self, inputs):
            return self.head.forward_train(self.neck(self.backbone(inputs)), {})

    return Raw()


def main() -> None:
    given = arguments(__doc__, "ppyoloe_plus_crn_s_80e_coco", CHANGES)
    adapt = without_decoding if given.variant == "raw" else None
    make(given, dict(CHANGES[given.variant]), RANKS[given.variant], adapt)


if __name__ == "__main__":
    main()
