"""Models by name: one file per family.

A model is a pure builder: from a `DataSpec` and its own options to a functional `keras.Model` that maps a
batch of preprocessed inputs to raw outputs (logits, or standardised regression values) of shape
[batch, spec.units], float32. It knows nothing of configs, files or training. The task's activation is added
by `bmcli.models._head.finished` (softmax, sigmoid, or conversion to the target's unit).

Rules for every builder, so that runs repeat, weights reload and plain Keras opens the saved model:
  - only layers and operations that ship with Keras (no custom classes, no Lambda);
  - every layer with variables has an explicit `name`; the input layer is named 'input';
  - the last layer is called 'head' and has `dtype="float32"`;
  - padding (token 0) must not influence the output, for any padded length.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

from bmcli.core.component import Component
from bmcli.core.plugin_calls import Check, kind_of
from bmcli.core.registry import Registry

if TYPE_CHECKING:
    from pathlib import Path

    import keras
    import numpy as np

    from bmcli.core.components import Findings, Missing, Progress
    from bmcli.core.plain import Document
    from bmcli.core.spec import DataSpec, Kind, Task


@dataclass(frozen=True)
class Solution:
    """Weights found in closed form, float64; the model holds them rounded to float32.

    kernel: [features, units]; bias: [units]. They map the model's inputs to its raw outputs.
    """

    kernel: np.ndarray
    bias: np.ndarray


@dataclass(frozen=True)
class Published:
    """What `Model.publish` has written.

    use: Python code that computes raw outputs of texts or images with it, in a page of its folder; notes:
    what whoever opens it should know, a line each.
    """

    use: str
    notes: tuple[str, ...]


def _network(result: object, args: tuple[Any, ...]) -> str | None:
    import keras

    spec = args[0]
    if not isinstance(result, keras.Model):
        return f"gives {kind_of(result)}, not a keras.Model" + (" (no return?)" if result is None else "")
    try:
        inputs, output = keras.tree.flatten(result.input), result.output
    except (AttributeError, ValueError):
        kind = (
            "Sequential without an input" if isinstance(result, keras.Sequential) else type(result).__name__
        )
        return (
            f"gives a model that is not built ({kind}): start with keras.Input(spec.input_shape, "
            "dtype=spec.input_dtype)"
        )
    wanted = {one.name: one.shape for one in spec.inputs}
    if len(inputs) != len(wanted):
        many = "one" if len(wanted) == 1 else f"{len(wanted)}: {', '.join(wanted)}"
        return f"gives a model with {len(inputs)} input{'s' if len(inputs) > 1 else ''} instead of {many}"
    if isinstance(output, list | tuple | dict):
        return f"gives a model with {len(output)} outputs instead of one"
    if len(wanted) == 1:
        shapes = dict.fromkeys(wanted, inputs[0].shape)
    else:
        shapes = {one.name: one.shape for one in inputs}
        if shapes.keys() != wanted.keys():
            return f"gives a model with inputs {', '.join(shapes)}, but spec.inputs are {', '.join(wanted)}"
    for name, shape in wanted.items():
        given = tuple(shapes[name])[1:]
        if len(given) != len(shape) or any(
            s not in (None, w) for s, w in zip(given, shape, strict=True) if w is not None
        ):
            said = "spec.input_shape" if len(wanted) == 1 else f"the shape of '{name}' in spec.inputs"
            return f"gives a model for inputs of shape {given}, but {said} is {shape}"
    if tuple(output.shape)[1:] != (spec.units,):
        given = tuple(output.shape)[1:]
        return (
            f"gives a model that has outputs of shape {given} per example; spec.units requires "
            f"({spec.units},)"
        )
    return None


def _findings(result: object, _: tuple[object, ...]) -> str | None:
    fine = isinstance(result, list) and all(
        isinstance(one, tuple) and len(one) == 2 and isinstance(one[0], tuple) and isinstance(one[1], str)
        for one in result
    )
    return None if fine else f"gives {kind_of(result)}, not a list of ((option, ...), message)"


def _resolution(result: object, args: tuple[object, ...]) -> str | None:
    if isinstance(result, tuple) and len(result) == 2 and isinstance(result[0], Model):
        return _findings(result[1], args)
    return f"gives {kind_of(result)}, not a model and a list of ((option, ...), message)"


def _groups(result: object, _: tuple[object, ...]) -> str | None:
    fine = isinstance(result, list) and all(
        isinstance(group, list) and all(isinstance(name, str) for name in group) for group in result
    )
    return None if fine else f"gives {kind_of(result)}, not a list of lists of layers' names"


class Model(Component):
    """Base of all models: the fields are the options, `build` builds the network."""

    results: ClassVar[dict[str, Check]] = {
        "build": _network,
        "check_input": _findings,
        "check_task": _findings,
        "resolved": _resolution,
        "stages": _groups,
    }

    kinds: ClassVar[tuple[Kind, ...]] = ()
    """Kinds of data that it takes."""
    tasks: ClassVar[tuple[Task, ...] | None] = None
    """Names of the tasks it is for; None: of all."""
    takes_sample: ClassVar[bool] = True
    """Whether `initialise` looks at the training data; if not, it is given None."""
    form: ClassVar[str | None] = None
    """The format of `bm export`, besides those of every model, in which others publish such networks:
    `publish` writes it, `published` reads it."""
    takes_pairs: ClassVar[bool] = False
    """Whether it reads pairs of texts (`data.pair`); the encoder that `prepares` brings must take them."""

    def resolved(self, *, files: bool) -> tuple[Self, Findings]:
        """This model with those options filled in that files named by others decide, and what is wrong with
        these files, as (path of the option, message). Must not import Keras; called once a config is read.

        files: whether they have to be there, as for training; a finished run must be read without them.
        """
        return self, []

    def missing(self) -> Missing | None:
        """Files named by the options that are not on this machine, and that `obtain` would download; None if
        there are none. Must not import Keras, nor use any network."""
        return None

    def obtain(self, progress: Progress | None = None) -> None:
        """Download what is `missing`; called where a config is read for training, and nowhere else.

        DataError when offline or unreachable, ConfigError or IntegrityError for what cannot be used,
        ResourceError if it cannot be stored.
        """

    def check_input(self, input_shape: tuple[int | None, ...]) -> list[tuple[tuple[str | int, ...], str]]:
        """Options that cannot work for inputs of this shape, as (path of the option, message). Must not
        import Keras.

        `bm check` and `bm train` call it as soon as the shape is known, so that 'a kernel larger than the
        image' is a config error with a line, not a failure inside Keras. Unknown sizes are None.
        """
        return []

    def check_task(self, task: Task) -> list[tuple[tuple[str | int, ...], str]]:
        """Options that this task does not allow, as (path of the option, message). Must not import Keras."""
        return []

    @property
    def examples_apart(self) -> bool:
        """Whether no example's output or gradient depends on the others in its batch (batch normalisation
        would make it depend): parts of a batch can then be trained in parallel, which is faster."""
        return False

    fuses: ClassVar[bool] = False
    """Whether dropout and Adam may be computed by kernels of bm's in training on a CPU: faster, but with
    other random numbers and another rounding than Keras's. Old models keep their results."""

    @property
    def closed_form(self) -> bool:
        """Whether `solve` sets the weights without any training steps."""
        return False

    @property
    def pretrained(self) -> bool:
        """Whether `initialise` takes weights from elsewhere: by default, whether an option `weights` is
        set."""
        return getattr(self, "weights", None) is not None

    def prepares(self, preparing: Any) -> Any:
        """The encoder of this model's inputs, where it brings its own; None: the one that bm fits.

        preparing: the data, the config's options, and a way to the encoder that bm would fit; see
        `bmcli.modalities.preprocessing.Preparing`. Called once, before the first step. The encoder is one of
        bm's own (ImagePreprocessing with another scale, TextPreprocessing with a tokenizer of its own): the
        run keeps it, so that evaluation, prediction and export use it without the model's code.
        """
        return None

    def build(self, spec: DataSpec) -> keras.Model:
        """The network: inputs [batch, *spec.input_shape] to raw outputs [batch, spec.units], float32.

        Of data with several inputs: an input layer for each of `spec.inputs`, of its name, shape and dtype.
        """
        raise NotImplementedError

    def initialise(self, model: keras.Model, sample: Any) -> None:
        """Set weights from the training data before the first step; most models have none.

        sample: preprocessed inputs of the training split, float32 or int32 [n, ...]; where there are several
        inputs, a dict of them by name.
        """

    def made_up(self, folder: Path) -> Self:
        """This model for a smoke test: with small files made up in `folder`, which is empty, in place of
        those that it names and that are missing."""
        return self

    def origin(self) -> Document | None:
        """Which weights `initialise` has taken from elsewhere, for the run's record, where it takes any.

        Strict JSON data: `name`, `sha256` of their file, `licence` (or None), `unused` (names of tensors that
        the model has no place for), and what else is worth knowing.
        """
        return None

    def stages(self, model: keras.Model) -> list[list[str]]:
        """The names of the model's layers with weights by depth: from the input to just before the head, in
        groups that fine-tuning can treat alike (embeddings, then each block). []: it has no such order.
        """
        return []

    def publish(self, network: keras.Model, preprocessing: Any, folder: Path) -> Published:
        """Write the network into `folder` in its `form`, as those libraries read it that it came from.

        network: raw outputs, float32; preprocessing: what makes its inputs.
        """
        raise NotImplementedError

    @classmethod
    def published(cls, folder: Path, preprocessing: Any, spec: DataSpec) -> keras.Model:
        """The network that `publish` has written, from what is in the folder alone. IntegrityError if that
        prepares inputs in another way than `preprocessing`."""
        raise NotImplementedError

    def solve(
        self, model: keras.Model, spec: DataSpec, inputs: np.ndarray, targets: np.ndarray
    ) -> Solution | None:
        """Set the weights in closed form from all training data; None if the model has no closed form.

        inputs: float32 or float64 [N, features]; targets as for the loss, [N, units].
        """
        return None


MODELS: Registry[Model] = Registry("model", Model, __name__, needs="build")
