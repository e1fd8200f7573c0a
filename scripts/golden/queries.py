# SPDX-License-Identifier: Apache-2.0
"""What the golden scripts of detection transformers share: scenes of queries, with many equal
scores, and a torch.topk that says which of them comes first.
"""

from __future__ import annotations

import contextlib

import numpy as np
import torch

LEVELS = 20000  # of scores: distinct ones differ by 5e-5, no threshold is one


def logit(level: np.ndarray) -> np.ndarray:
    """Logits of levels, moved a little where torch's sigmoid of one number is not that of the
    same number within a vector: else equal logits at an array's end would get other scores."""
    score = (level + 0.5) / LEVELS
    logits = np.log(score / (1 - score)).astype(np.float32)
    values, at = np.unique(logits, return_inverse=True)
    for _ in range(100):
        padded = np.resize(values, -(-len(values) // 64) * 64)
        within = torch.from_numpy(padded).sigmoid()[: len(values)]
        alone = torch.cat([torch.tensor([value]).sigmoid() for value in values])
        odd = (within != alone).numpy()
        if not odd.any():
            return values[at].reshape(logits.shape)
        values[odd] = np.nextafter(values[odd], np.float32(0))
    raise AssertionError("no logits with one sigmoid")


def boxes_of(rng, queries: int) -> tuple[np.ndarray, np.ndarray]:
    """Clusters of boxes (cxcywh of the image), some across its edge; and each one's object."""
    objects = max(1, queries // 12)
    of = rng.integers(0, objects, queries)
    centres = rng.uniform(0, 1, (objects, 2))[of] + rng.normal(0, 0.02, (queries, 2))
    extents = rng.uniform(0.03, 0.6, (objects, 2))[of] * np.exp(rng.normal(0, 0.1, (queries, 2)))
    boxes = np.concatenate([np.clip(centres, 0, 1), np.clip(extents, 0, 1)], 1)
    boxes[::17] = [0.5, 0.5, 1, 1]  # exactly the whole image
    boxes[5::19, :2] = boxes[5::19, 2:] / 2  # touching the corner
    return boxes.astype(np.float32), of


def levels_of(rng, of: np.ndarray, classes: int, share: float) -> np.ndarray:
    """Levels of scores, many of them equal; [queries, classes]."""
    queries = len(of)
    levels = rng.integers(1, LEVELS // 5, (queries, classes))
    levels[rng.random((queries, classes)) < 0.5] = 0
    found = np.flatnonzero(rng.random(queries) < share)
    strong = rng.integers(10, 79, len(found)) * (LEVELS // 80)
    home = (of[found] * 5 + 1) % classes
    levels[found, home] = strong
    # Of some, another class is exactly as good.
    twice = rng.random(len(found)) < 0.2
    levels[found[twice], (home[twice] + 2) % classes] = strong[twice]
    return levels


def uncut(levels: np.ndarray, top: int) -> np.ndarray:
    """Without a tie between the last of the best `top` and the next."""
    flat = levels.ravel()
    assert flat.size >= top and np.count_nonzero(flat) >= top, "the original needs `top` scores"
    order = np.argsort(-flat, kind="stable")
    beyond = order[top:]
    flat[beyond[flat[beyond] == flat[order[top - 1]]]] = 0
    return flat.reshape(levels.shape)


def outputs_of(seed, batch, queries, classes, top, share=0.5) -> tuple[np.ndarray, np.ndarray]:
    """Logits [N, Q, C] and boxes [N, Q, 4] as the detection transformers give them."""
    rng = np.random.default_rng(seed)
    logits, boxes = [], []
    for _ in range(batch):
        image, of = boxes_of(rng, queries)
        boxes.append(image)
        logits.append(logit(uncut(levels_of(rng, of, classes, share), top)))
    stacked = np.stack(logits)
    # Equal stay equal, distinct distinct, wherever in a vector they are computed.
    scores = torch.from_numpy(stacked).sigmoid().unique()
    assert len(scores) == len(np.unique(stacked)) and scores.diff().min() > 1e-5
    return stacked, np.stack(boxes)


@contextlib.contextmanager
def stable_topk():
    """torch.topk leaves open which of equal values comes first; here it is the lower index:
    the lower query, then the lower class."""

    def topk(values, k, dim=-1, axis=None):
        order = torch.sort(values, dim=dim, descending=True, stable=True)
        return order.values[..., :k], order.indices[..., :k]

    original, torch.topk = torch.topk, topk
    try:
        yield
    finally:
        torch.topk = original


def listed(labels, boxes, scores, above: float = 0.0) -> list:
    """Detections of one image."""
    rows = zip(boxes.tolist(), scores.tolist(), labels.tolist())
    return [(*box, score, label) for box, score, label in rows if score > above]
