#!/usr/bin/env python3
"""Asks the real ONNX Runtime whether it loads models, to hold what `inspect --for onnxruntime:VERSION`
says against it. One release per call; releases need environments of their own:

    pip install onnxruntime==1.17.3 'numpy<2'
    python scripts/peers/ort_releases.py MODEL.onnx ... >> releases.csv

Prints `model,release,answer,reason` for the CPU provider. Loads, but runs no model.
"""

import sys
from pathlib import Path

import onnxruntime


def answer(file: str) -> tuple[str, str]:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # each kind of its own errors is a no
        return "no", " ".join(str(error).split())[:160].replace(",", ";")
    return "yes", ""


def main() -> None:
    for file in sys.argv[1:]:
        verdict, reason = answer(file)
        print(",".join([Path(file).stem, onnxruntime.__version__, verdict, reason]), flush=True)


if __name__ == "__main__":
    main()
