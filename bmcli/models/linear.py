"""Linear and logistic regression: one weighted sum per output, by gradient steps or in closed form."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from bmcli import tasks
from bmcli.models import MODELS, Model, Solution
from bmcli.models._frame import network, network_input

if TYPE_CHECKING:
    import keras
    import numpy as np

    from bmcli.core.spec import DataSpec, Task


@MODELS.register("linear")
class Linear(Model):
    """A weighted sum of the inputs: linear regression, or logistic regression for classes."""

    kinds = ("table", "image")
    source = "Legendre 1805, Gauss 1809 (least squares); Hoerl, Kennard: Ridge regression (1970)"

    solver: Literal["gradient", "closed_form"] = Field(
        "gradient", description="closed_form: solve least squares directly, without steps; regression only."
    )
    l2: float = Field(
        0.0,
        ge=0,
        description="Penalty added to the mean loss: this times the sum of the squared weights (without the "
        "bias).",
    )

    @property
    def examples_apart(self) -> bool:
        """See Model."""
        return True

    @property
    def closed_form(self) -> bool:
        """Whether `solve` replaces training."""
        return self.solver == "closed_form"

    def check_task(self, task: Task) -> list[tuple[tuple[str | int, ...], str]]:
        """Only squared error has a closed form."""
        if self.closed_form and not tasks.of(task).squared_error:
            return [
                (("solver",), f"closed_form is for regression, and the task is {task}: use solver: gradient")
            ]
        return []

    def build(self, spec: DataSpec) -> keras.Model:
        """Flatten, then only the head."""
        import keras

        inputs = network_input(spec)
        x = keras.layers.Flatten(name="flatten")(inputs) if len(spec.input_shape) > 1 else inputs
        return network("linear", inputs, x, spec, l2=0.0 if self.closed_form else self.l2)

    def solve(
        self, model: keras.Model, spec: DataSpec, inputs: np.ndarray, targets: np.ndarray
    ) -> Solution | None:
        """Least squares by singular value decomposition in float64.

        For linearly dependent features, the solution with the smallest weights.
        """
        import numpy as np

        if not self.closed_form:
            return None
        solution = _least_squares(np.asarray(inputs).reshape(len(inputs), -1), np.asarray(targets), self.l2)
        kernel, bias = model.get_layer("head").weights
        kernel.assign(solution.kernel.astype(np.float32))
        bias.assign(solution.bias.astype(np.float32))
        return solution


def _least_squares(inputs: np.ndarray, targets: np.ndarray, l2: float) -> Solution:
    """The minimum of mean((inputs @ kernel + bias - targets)²) + l2 · sum(kernel²).

    inputs: [N, features]; targets: [N, units]. The bias is not penalised: both sides are centred first.
    """
    import numpy as np

    inputs, targets = inputs.astype(np.float64), targets.astype(np.float64)
    input_means, target_means = inputs.mean(axis=0), targets.mean(axis=0)
    rows, outcomes = inputs - input_means, targets - target_means
    if l2 > 0:
        # Ridge regression is least squares with one more row per feature that pulls its weight to 0.
        features = rows.shape[1]
        rows = np.vstack([rows, np.sqrt(l2 * len(inputs)) * np.eye(features)])
        outcomes = np.vstack([outcomes, np.zeros((features, outcomes.shape[1]))])
    kernel = np.linalg.lstsq(rows, outcomes, rcond=None)[0]
    return Solution(kernel, target_means - input_means @ kernel)
