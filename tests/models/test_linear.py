"""Least squares, against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_diabetes
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.metrics import r2_score

from bmcli.core.spec import DataSpec
from bmcli.models import MODELS
from bmcli.models._head import finished


@pytest.fixture(params=[True, False], ids=["scaled", "raw"])
def diabetes(request):
    features, target = load_diabetes(return_X_y=True, scaled=request.param)
    order = np.random.default_rng(0).permutation(len(target))
    return features[order], target[order]


def solved(features: np.ndarray, target: np.ndarray, dtype: type = np.float64, **options: object):
    """On standardised columns, as the preprocessing makes them; (finished model, raw coefficients, bias)."""
    mean, scale = features.mean(axis=0), features.std(axis=0)
    spec = DataSpec.single(
        "table", "regression", (features.shape[1],), target_offset=target.mean(), target_scale=target.std()
    )
    component = MODELS.get("linear")(solver="closed_form", **options)
    network = component.build(spec)
    targets = ((target - spec.target_offset) / spec.target_scale).astype(dtype)[:, None]
    inputs = ((features - mean) / scale).astype(dtype)
    solution = component.solve(network, spec, inputs, targets)
    assert solution is not None
    coefficients = solution.kernel[:, 0] / scale * spec.target_scale
    intercept = solution.bias[0] * spec.target_scale + spec.target_offset - coefficients @ mean
    model = finished(network, spec)
    return (lambda rows: np.asarray(model(((rows - mean) / scale).astype(np.float32)))[:, 0]), (
        coefficients,
        intercept,
    )


def test_equals_scikit_learn_on_diabetes(diabetes):
    features, target = diabetes
    predict, (coefficients, intercept) = solved(features[:318], target[:318])
    reference = LinearRegression().fit(features[:318], target[:318])
    np.testing.assert_allclose(coefficients, reference.coef_, rtol=1e-9)
    np.testing.assert_allclose(intercept, reference.intercept_, rtol=1e-9)
    expected = reference.predict(features[318:])
    np.testing.assert_allclose(predict(features[318:]), expected, rtol=1e-6)
    assert r2_score(target[318:], predict(features[318:])) == pytest.approx(
        r2_score(target[318:], expected), rel=1e-6
    )


def test_float32_inputs_cost_little(diabetes):
    features, target = diabetes
    predict, (coefficients, _) = solved(features[:318], target[:318], np.float32)
    reference = LinearRegression().fit(features[:318], target[:318])
    np.testing.assert_allclose(coefficients, reference.coef_, rtol=5e-6)
    np.testing.assert_allclose(predict(features[318:]), reference.predict(features[318:]), rtol=1e-6)


def test_l2_is_ridge_regression(diabetes):
    features, target = diabetes
    scaled = (features - features.mean(axis=0)) / features.std(axis=0)
    _, (coefficients, _) = solved(scaled, target, l2=0.1)
    # scikit-learn's penalty weighs against the sum over examples, bm's against the mean.
    reference = Ridge(alpha=0.1 * len(target)).fit(scaled, target)
    np.testing.assert_allclose(coefficients, reference.coef_, rtol=1e-8)


def test_gradient_steps_find_the_same():
    import keras

    rng = np.random.default_rng(0)
    features = rng.normal(size=(256, 3)).astype(np.float32)
    targets = (features @ [[1.0], [-2.0], [0.5]] + 0.3 + 0.1 * rng.normal(size=(256, 1))).astype(np.float32)
    spec = DataSpec.single("table", "regression", (3,))
    for l2 in (0.0, 0.2):
        network = MODELS.get("linear")(l2=l2).build(spec)
        network.compile(keras.optimizers.SGD(0.1), "mse")
        steps = 200
        repeated = np.tile(features, (steps, 1)), np.tile(targets, (steps, 1))
        network.fit(*repeated, batch_size=256, shuffle=False, verbose=0)
        component = MODELS.get("linear")(solver="closed_form", l2=l2)
        solution = component.solve(component.build(spec), spec, features, targets)
        assert solution is not None
        np.testing.assert_allclose(np.asarray(network.get_layer("head").kernel), solution.kernel, atol=1e-4)


def test_features_that_depend_on_each_other_give_the_smallest_weights():
    rng = np.random.default_rng(0)
    one = rng.normal(size=(50, 1))
    component = MODELS.get("linear")(solver="closed_form")
    spec = DataSpec.single("table", "regression", (3,))
    inputs = np.hstack([one, one, np.zeros((50, 1))])
    solution = component.solve(component.build(spec), spec, inputs, 4 * one + 1)
    assert solution is not None
    np.testing.assert_allclose(solution.kernel[:, 0], [2, 2, 0], atol=1e-9)
    np.testing.assert_allclose(solution.bias, [1], atol=1e-9)


def test_the_closed_form_is_for_regression_only():
    component = MODELS.get("linear")(solver="closed_form")
    assert component.check_task("regression") == []
    ((path, message),) = component.check_task("binary")
    assert path == ("solver",)
    assert "binary" in message
    assert MODELS.get("linear")().check_task("binary") == []
    assert not MODELS.get("linear")().closed_form


def test_by_gradient_nothing_is_solved():
    component = MODELS.get("linear")()
    spec = DataSpec.single("table", "regression", (1,))
    model = component.build(spec)
    assert component.solve(model, spec, np.zeros((2, 1)), np.zeros((2, 1))) is None
