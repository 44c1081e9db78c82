"""The task's last step: from a builder's raw outputs to predictions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bmcli import tasks

if TYPE_CHECKING:
    import keras

    from bmcli.core.spec import DataSpec
    from bmcli.core.tensor import Tensor


def finished(model: keras.Model, spec: DataSpec, views: str = "none") -> keras.Model:
    """The model that is saved, exported and used: same weights, with the task's activation on top.

    Returns a model with one output named 'output', float32 [batch, width]; see `Task.head`.
    views: 'flip', 'move' or 'shift' average the raw outputs over altered copies of an image, inside the
        model, so that it predicts the same wherever it runs (`evaluation.views`). Built only from Keras's own
        layers, so that plain Keras loads it.
    """
    import keras

    raw = model.output if views == "none" else _averaged(model, views)
    output = tasks.of(spec.task).head(raw, spec.target)
    inputs = {one.name: one for one in model.inputs} if len(model.inputs) > 1 else model.input
    return keras.Model(inputs, output, name=model.name)


def _averaged(model: keras.Model, views: str) -> object:
    """The mean of the raw outputs: for 'flip' over the image and its mirror image; for 'move' over the image
    and two copies shifted by a pixel along each diagonal, which count half; for 'shift' over all of these and
    their mirror images (Jordan 2024, arXiv 2404.00498, section 3.5)."""
    import numpy as np
    from keras import ops

    image = model.input
    shares = [(image, 1.0)]
    if views in ("move", "shift"):
        shares = [(image, 0.5)]
        height, width = image.shape[1:3]
        edged = _edged(image)
        shares += [(edged[:, :height, :width], 0.25), (edged[:, 2:, 2:], 0.25)]
    if views in ("flip", "shift"):
        shares = [(view, share / 2) for shown, share in shares for view in (shown, ops.flip(shown, axis=2))]
    # All of them in one larger batch: six copies of the network would take six times as long to export.
    outputs = model(ops.concatenate([view for view, _ in shares], axis=0))
    outputs = ops.reshape(outputs, (len(shares), -1, outputs.shape[-1]))
    return ops.sum(outputs * np.array([share for _, share in shares], "float32")[:, None, None], axis=0)


def _edged(image: Tensor) -> Tensor:
    """Pad by one pixel on each side, by reflection: [n, h, w, c] to [n, h + 2, w + 2, c]."""
    from keras import ops

    rows: Tensor = ops.concatenate([image[:, 1:2], image, image[:, -2:-1]], axis=1)
    edged: Tensor = ops.concatenate([rows[:, :, 1:2], rows, rows[:, :, -2:-1]], axis=2)
    return edged
