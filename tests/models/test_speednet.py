"""The speed records' network: what its first layer takes from the data."""

from __future__ import annotations

import numpy as np

from bmcli.core.spec import DataSpec
from bmcli.models import MODELS

SPEC = DataSpec.single("image", "multiclass", input_shape=(16, 16, 3), classes=("a", "b"))


def images() -> np.ndarray:
    """Smooth and colourful, so that neighbouring pixels and channels go together."""
    rng = np.random.default_rng(0)
    rough = rng.normal(size=(200, 18, 18, 3))
    smooth = rough[:, :-2, :-2] + rough[:, 1:-1, 1:-1] + rough[:, 2:, 2:]
    return (smooth + smooth.mean(axis=3, keepdims=True)).astype(np.float32)


def test_the_first_layer_whitens() -> None:
    component = MODELS.get("speednet")(widths=[4, 4])
    model = component.build(SPEC)
    sample = images()
    component.initialise(model, sample)
    whitening = model.get_layer("whitening")
    answers = np.asarray(whitening(sample), np.float64).reshape(-1, 24)
    one_way, other_way = answers[:, :12], answers[:, 12:]
    np.testing.assert_allclose(one_way, -other_way, atol=1e-5)
    second_moments = one_way.T @ one_way / len(one_way)
    np.testing.assert_allclose(second_moments, np.eye(12), atol=5e-3)
    assert [v.path for v in model.non_trainable_variables][:1] == ["whitening/kernel"]


def test_convolutions_begin_as_the_identity() -> None:
    model = MODELS.get("speednet")(widths=[40, 48]).build(SPEC)
    kernel = model.get_layer("group2_conv1").kernel.numpy()
    np.testing.assert_array_equal(kernel[1, 1, :, :40], np.eye(40))
    assert np.count_nonzero(kernel[..., :40]) == 40 and kernel[..., 40:].std() > 0


def test_an_image_too_small_is_told_before_it_is_built() -> None:
    component = MODELS.get("speednet")(widths=[4] * 5)
    ((where, message),) = component.check_input((28, 28, 1))
    assert where == ("widths",) and "at most 4" in message
