#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Exports RT-DETR to ONNX with Ultralytics.

OPT-IN: Ultralytics is licensed under AGPL-3.0, and so are its weights and what it exports from
them. This script contains none of its code, but runs it. The build and the tests need neither.

    pip install -r scripts/export/requirements-ultralytics.txt
    python scripts/export/rtdetr_ultralytics.py -o model.onnx
    python scripts/export/rtdetr_ultralytics.py --weights rtdetr-l.pt -o model.onnx

Trained weights: rtdetr-l.pt and its larger kin, which Ultralytics' documentation lists; the package
downloads them to where it runs, as on RTDETR("rtdetr-l.pt").

Without --weights the model has the right shape and random values: enough to measure speed. Batch,
height and width are dynamic unless --batch says otherwise. The network is not used. Release 8.4.190
was used: RTDETR.export.
"""

from ultralytics_common import main

if __name__ == "__main__":
    main(__doc__, "RTDETR", "rtdetr-l")
