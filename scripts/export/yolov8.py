#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Exports YOLOv8 to ONNX with Ultralytics.

OPT-IN: Ultralytics is licensed under AGPL-3.0, and so are its weights and what it exports from
them. This script contains none of its code, but runs it. The build and the tests need neither.

    pip install -r scripts/export/requirements-ultralytics.txt
    python scripts/export/yolov8.py -o model.onnx
    python scripts/export/yolov8.py --weights yolov8n.pt -o model.onnx

Trained weights: yolov8n.pt and its larger kin, which Ultralytics' documentation lists; the package
downloads them to where it runs, as on YOLO("yolov8n.pt").

Without --weights the model has the right shape and random values: enough to measure speed. Batch,
height and width are dynamic unless --batch says otherwise. The network is not used. Release 8.4.190
was used: YOLO.export.
"""

from ultralytics_common import main

if __name__ == "__main__":
    main(__doc__, "YOLO", "yolov8n")
