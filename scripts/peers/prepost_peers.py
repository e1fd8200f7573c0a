# SPDX-License-Identifier: Apache-2.0
"""The other projects' pre- and post-processing as their users run it: imported from where it is
installed or checked out, and called. Only the four calls that RF-DETR makes of torchvision are
written down here, as it makes them in the middle of a function that also runs the network.

Each stage says what is called, what of ours it is held against, and how near the results must be.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, SimpleNamespace

import cv2
import numpy as np
import torch
import torchvision.ops  # Ultralytics' NMS uses it where it is loaded, as it is in its own programs
import torchvision.transforms.functional as transforms
from PIL import Image
from prepost_inputs import (
    CLASSES,
    HEIGHT,
    PICODET_SIDE,
    PICODET_STRIDES,
    QUERIES,
    WIDTH,
    YOLO_CONFIDENCE,
    Inputs,
)
from prepost_setup import PADDLEDETECTION, RTDETR, WORK, Absent, Project, checkout

SIDE = 640
MEAN, DEVIATION = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]  # ImageNet's
LEVEL = 1 / 255
CUBIC = 2  # "interp: 2" in PaddleDetection's configurations


@dataclass(frozen=True)
class Peer:
    """Another project's code, ready to be called."""

    call: Callable[[], object]  # what is timed
    result: Callable[[object], np.ndarray]  # what it returned → what ours is compared with


@dataclass(frozen=True)
class Stage:
    """One comparison."""

    task: str  # in examples/prepost.rs
    title: str
    peer: str
    kind: str  # of the result: tensor, pixels or detections
    make: Callable[[Inputs, Given], Peer]
    goal: float | None  # peer's time / ours, with the best instructions
    tolerance: float = 0.0  # of tensors and pixels; detections have their own
    repeat: int = 9  # calls in a turn


class Given:
    """What was given on the command line, and what follows from it; asked for when needed."""

    def __init__(self, ultralytics: bool, paddledetection: Path | None, rtdetr: Path | None):
        self.ultralytics = ultralytics
        self.folders = {PADDLEDETECTION: paddledetection, RTDETR: rtdetr}
        self.found: dict[Project, Path | Absent] = {}

    def checkout(self, project: Project) -> Path:
        """Its checkout, looked for once. Raises Absent where there is none."""
        if project not in self.found:
            try:
                self.found[project] = checkout(project, self.folders[project])
            except Absent as reason:
                self.found[project] = reason
        found = self.found[project]
        if isinstance(found, Absent):
            raise found
        return found

    def need_ultralytics(self) -> None:
        if not self.ultralytics:
            raise Absent("Ultralytics (AGPL-3.0) is only run with --with-ultralytics")
        # Its settings belong in no home directory, and it is not to install anything.
        os.environ |= {"YOLO_CONFIG_DIR": str(WORK), "YOLO_AUTOINSTALL": "false"}
        os.environ["YOLO_VERBOSE"] = "false"


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """All libraries compute on the calling thread, as without gradients as a deployment does.
    After everything is loaded: Ultralytics sets threads too."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    with torch.inference_mode():
        yield


# --------------------------------------------------------------------------- decoding


def imdecode(inputs: Inputs, _: Given) -> Peer:
    return Peer(
        lambda: cv2.imdecode(inputs.jpeg, cv2.IMREAD_COLOR), lambda bgr: bgr[..., ::-1].ravel()
    )


# ---------------------------------------------------------------------- preprocessing


def letterbox(inputs: Inputs, given: Given) -> Peer:
    given.need_ultralytics()
    from ultralytics.models.yolo.detect import DetectionPredictor

    predictor = DetectionPredictor(overrides={"task": "detect", "verbose": False})
    predictor.imgsz, predictor.device = [SIDE, SIDE], torch.device("cpu")
    # An exported model of fixed size, which is not run.
    predictor.model = SimpleNamespace(fp16=False, format="onnx", dynamic=False, stride=32)
    return Peer(lambda: predictor.preprocess([inputs.bgr]), lambda tensor: tensor.numpy().ravel())


def blob(inputs: Inputs, _: Given) -> Peer:
    def call():
        return cv2.dnn.blobFromImage(
            inputs.bgr, scalefactor=LEVEL, size=(SIDE, SIDE), swapRB=True, crop=False
        )

    return Peer(call, np.ravel)


def paddle_operators(inputs: Inputs, given: Given) -> Peer:
    project = from_paddledetection(given, "preprocess")
    steps = [
        project.Resize([SIDE, SIDE], keep_ratio=False, interp=CUBIC),
        project.NormalizeImage(MEAN, DEVIATION, is_scale=True),
        project.Permute(),
    ]
    rgb = inputs.rgb

    def call():
        image, info = rgb, {}
        for step in steps:
            image, info = step(image, info)
        return image

    return Peer(call, np.ravel)


def rfdetr(inputs: Inputs, _: Given) -> Peer:
    """What RFDETR.predict of release 1.4.1 does with a PIL image before the network."""
    picture = Image.fromarray(inputs.rgb)

    def call():
        image = transforms.to_tensor(picture)
        if (image > 1).any():
            raise ValueError("to_tensor gives 0 to 1")
        image = transforms.normalize(image, MEAN, DEVIATION)
        return torch.stack([transforms.resize(image, (SIDE, SIDE))])

    return Peer(call, lambda tensor: tensor.numpy().ravel())


# --------------------------------------------------------------------- postprocessing


def ultralytics_nms(name: str) -> Callable[[Inputs, Given], Peer]:
    multi_label, confidence = YOLO_CONFIDENCE[name]

    def make(inputs: Inputs, given: Given) -> Peer:
        given.need_ultralytics()
        from ultralytics.utils import nms, ops

        output = torch.from_numpy(inputs.outputs[name][0])

        def call():
            return nms.non_max_suppression(
                output,
                confidence,
                0.7,
                multi_label=multi_label,
                max_det=300,
                max_time_img=60.0,  # else it complains, within the time taken, after two seconds
            )[0]

        def result(rows):
            rows = rows.clone()
            rows[:, :4] = ops.scale_boxes((SIDE, SIDE), rows[:, :4], (HEIGHT, WIDTH))
            return rows.numpy()

        return Peer(call, result)

    return make


def paddle_picodet(inputs: Inputs, given: Given) -> Peer:
    """As deploy/python/infer.py calls it, with the class's own thresholds, 0.4 and 0.5."""
    project = from_paddledetection(given, "picodet_postprocess")
    outputs = inputs.outputs["picodet"]
    scores, distributions = outputs[:4], outputs[4:]
    shape = np.array([[PICODET_SIDE, PICODET_SIDE]], np.float32)
    factor = shape / np.array([[HEIGHT, WIDTH]], np.float32)

    def call():
        post = project.PicoDetPostProcess(shape[0], shape, factor, strides=PICODET_STRIDES)
        return post(scores, distributions)

    def result(found):
        rows, _ = found
        return rows[:, [2, 3, 4, 5, 1, 0]].astype(np.float32)

    return Peer(call, result)


def lyuwenyu(inputs: Inputs, given: Given) -> Peer:
    project = from_rtdetr(given)
    post = project.RTDETRPostProcessor(num_classes=CLASSES, num_top_queries=QUERIES).deploy()
    logits, boxes = map(torch.from_numpy, inputs.outputs["rtdetr"])
    outputs, sizes = {"pred_logits": logits, "pred_boxes": boxes}, torch.tensor([[WIDTH, HEIGHT]])

    def result(found):
        labels, corners, scores = (tensor[0] for tensor in found)
        rows = [corners, scores[:, None], labels[:, None].float()]
        return torch.cat(rows, 1).numpy()

    return Peer(lambda: post(outputs, sizes), result)


# --------------------------------------------------------------------- from checkouts


def from_paddledetection(given: Given, module: str) -> ModuleType:
    """A module of deploy/python. It imports imgaug, which neither runs with this numpy nor is used
    in what is called here."""
    folder = given.checkout(PADDLEDETECTION) / "deploy" / "python"
    if str(folder) not in sys.path:
        sys.path.append(str(folder))
    augmenters, imgaug = ModuleType("imgaug.augmenters"), ModuleType("imgaug")
    imgaug.augmenters = augmenters
    sys.modules |= {"imgaug": imgaug, "imgaug.augmenters": augmenters}
    return importlib.import_module(module)


def from_rtdetr(given: Given) -> ModuleType:
    """The post-processor's module. Its packages load all of the project, training included, so
    they are entered without running what they are; of them it needs only `register`."""
    folder = given.checkout(RTDETR) / "rtdetrv2_pytorch"
    for package in ("src", "src.core", "src.zoo", "src.zoo.rtdetr"):
        module = ModuleType(package)
        module.__path__ = [str(folder / package.replace(".", "/"))]
        sys.modules[package] = module
    workspace = importlib.import_module("src.core.workspace")
    sys.modules["src.core"].register = workspace.register
    return importlib.import_module("src.zoo.rtdetr.rtdetr_postprocessor")


# --------------------------------------------------------------------------- the list


def decoder(name: str, library: str, goal: float | None, tolerance: float) -> Stage:
    title = f"JPEG decode, {library}"
    return Stage(f"decode-{name}", title, "cv2.imdecode", "pixels", imdecode, goal, tolerance)


def suppression(task: str, goal: float, about: str = "", repeat: int = 9) -> Stage:
    title = f"YOLOv8: NMS, {{candidates}} candidates{about}"
    peer, make = "Ultralytics non_max_suppression", ultralytics_nms(task)
    return Stage(task, title, peer, "detections", make, goal, repeat=repeat)


STAGES = [
    decoder("turbojpeg", "libjpeg-turbo", goal=1.05, tolerance=0),
    # Colours between the file's pixels are interpolated otherwise.
    decoder("zune", "zune-jpeg", goal=None, tolerance=8),
    Stage(
        task="letterbox",
        title="YOLOv8: letterbox to 640×640, 0 to 1",
        peer="Ultralytics DetectionPredictor.preprocess",
        kind="tensor",
        make=letterbox,
        goal=4.0,
        tolerance=1e-6,
    ),
    Stage(
        task="stretch",
        title="linear to 640×640, 0 to 1",
        peer="cv2.dnn.blobFromImage",
        kind="tensor",
        make=blob,
        goal=2.5,
        tolerance=1e-6,
    ),
    Stage(
        task="cubic",
        title="PP-YOLOE: cubic to 640×640, ImageNet",
        peer="PaddleDetection Resize, NormalizeImage, Permute",
        kind="tensor",
        make=paddle_operators,
        goal=8.0,
        # OpenCV with Intel's library rounds some pixels to the next level.
        tolerance=1.01 * LEVEL / min(DEVIATION),
    ),
    Stage(
        task="antialias",
        title="RF-DETR: antialiased to 640×640, ImageNet",
        peer="torchvision to_tensor, normalize, resize",
        kind="tensor",
        make=rfdetr,
        goal=10.0,
        tolerance=5e-6,
    ),
    suppression("yolov8-100", goal=9.0),
    suppression("yolov8-3330", goal=30.0),
    suppression("yolov8-27000", goal=1000.0, about=" (evaluation)", repeat=1),
    Stage(
        task="picodet",
        title="PicoDet 416: decode and NMS",
        peer="PaddleDetection PicoDetPostProcess",
        kind="detections",
        make=paddle_picodet,
        goal=50.0,
    ),
    Stage(
        task="rtdetr",
        title="RT-DETR: best 300 of 300 × 80",
        peer="RT-DETR RTDETRPostProcessor",
        kind="detections",
        make=lyuwenyu,
        goal=7.0,
    ),
]
