"""Networks of keras.applications without their heads and without their own preprocessing, whose constants
become inputs of an ONNX file that then cannot run; weights from Keras's own files."""

from __future__ import annotations

import importlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bmcli.core.components import Missing
from bmcli.core.errors import ConfigError, IntegrityError
from bmcli.files.download import File, address, data_home, digest_of, fetch
from bmcli.pretrained.backbones.image_input import HALF, ImageInput

if TYPE_CHECKING:
    import keras
    import numpy as np

    from bmcli.core.components import Progress
    from bmcli.core.tensor import Tensor

ORIGIN = "https://storage.googleapis.com/tensorflow/keras-applications"
FOLDER = "keras-applications"
"""Of the files in the data home."""


@dataclass(frozen=True)
class Application:
    """A network of keras.applications.

    builder: the name of its function. module, key: where the installed Keras pins the hash of its file. file:
    its path below ORIGIN. images: how Keras's own preprocessing prepares them. parameters: number of values
    in the file. own_preprocessing: whether its function is called without that.
    """

    builder: str
    module: str
    key: str
    file: str
    images: ImageInput
    parameters: int
    own_preprocessing: bool = True
    smallest = 32
    examples_apart = False

    @property
    def name(self) -> str:
        """Of its file."""
        return self.file.rpartition("/")[2]

    @property
    def size(self) -> int:
        """Of its file in bytes, but for what HDF5 adds."""
        return 4 * self.parameters

    def features(self, images: Tensor) -> Tensor:
        """[batch, height, width, channels] to [batch, n]."""
        from bmcli.pretrained.backbones.layers import average

        return average(self.network(images).output)

    def network(self, images: Tensor) -> keras.Model:
        """Without a head, freshly initialised: to feature maps [batch, h, w, n]."""
        import keras

        less = {"include_preprocessing": False} if self.own_preprocessing else {}
        build = getattr(keras.applications, self.builder)
        made: keras.Model = build(input_tensor=images, include_top=False, weights=None, **less)
        return made

    def here(self) -> Path | None:
        """The official file on this machine: where Keras leaves it, or in the data home."""
        places = [keras_home() / "models" / self.name, data_home() / FOLDER / self.file]
        return next((path for path in places if path.is_file()), None)

    def missing(self) -> Missing | None:
        """What has to be downloaded; None if it is here."""
        if self.here() is not None:
            return None
        file, target = File(f"{FOLDER}/{self.file}", f"{ORIGIN}/{self.file}", "", None), data_home() / FOLDER
        by_hand = f"put {address(file)} at {target / self.file}, or in {keras_home() / 'models'}"
        return Missing(self.name, self.size, address(file).removesuffix(f"/{self.file}"), by_hand)

    def official(self, progress: Progress | None = None) -> Path:
        """The official file, downloaded if it is not here.

        DataError when offline or unreachable, IntegrityError if it is not the file that Keras pins,
        ResourceError if it cannot be stored.
        """
        if self.here() is None:
            pinned = self.pinned()
            file = File(f"{FOLDER}/{self.file}", f"{ORIGIN}/{self.file}", pinned, None)

            def shown(_: str, done: int, whole: int) -> None:
                if progress is not None:
                    progress(self.name, done, whole)

            fetch(file, data_home(), shown)
        return self.verified()

    def verified(self) -> Path:
        """The official file. ConfigError if it is not on this machine, IntegrityError if it is not the file
        that Keras pins."""
        path, pinned = self.here(), self.pinned()
        if path is None:
            raise ConfigError(f"{self.name} is not on this machine", hint="bm models get downloads it")
        found = digest_of(path, pinned)
        if found != pinned:
            raise IntegrityError(
                f"{path} is not the file that Keras publishes: its hash is {found}, not {pinned}",
                hint="remove it, and it is downloaded again",
            )
        return path

    def pinned(self) -> str:
        """The hash that the installed Keras has for its file: MD5 or SHA-256, hex."""
        module = importlib.import_module(f"keras.src.applications.{self.module}")
        pinned: str = module.WEIGHTS_HASHES[self.key][1]
        return pinned

    def load(self, file: Path, model: keras.Model) -> None:
        """Put a file's weights into a model with these features. ConfigError or IntegrityError, and nothing
        changed, if they are not those of this network."""
        import keras

        from bmcli.pretrained.backbones import keras_files

        fresh = self.network(keras.Input((*self.images.size, 3), name="input"))
        keras_files.load(fresh, file, self.builder)
        variables = {variable.path: variable for variable in model.variables}
        for path, values in self.values(fresh).items():
            variables[path].assign(values)

    def values(self, fresh: keras.Model) -> dict[str, np.ndarray]:
        """Path -> values of the variables of `features`, from those of `network`."""
        import numpy as np

        return {variable.path: np.asarray(variable) for variable in fresh.weights}


def keras_home() -> Path:
    """Where Keras keeps its files."""
    home = os.environ.get("KERAS_HOME")
    return Path(home) if home else Path.home() / ".keras"


def _mobilenet_v3(size: str, parameters: int) -> Application:
    key = f"{size}_224_1.0_float"
    file = f"mobilenet_v3/weights_mobilenet_v3_{key}_no_top_v2.h5"
    images = ImageInput((224, 224), HALF, HALF)
    return Application(f"MobileNetV3{size.title()}", "mobilenet_v3", key, file, images, parameters)


def _efficientnet_v2(variant: str, side: int, parameters: int) -> Application:
    key = variant if variant.startswith("b") else f"-{variant}"
    file = f"efficientnet_v2/efficientnetv2-{variant}_notop.h5"
    # Pixels less 128, by 128, as Keras prepares them for S alone.
    middle = (128 / 255,) * 3
    images = ImageInput((side, side), middle, middle) if variant == "s" else ImageInput((side, side))
    return Application(f"EfficientNetV2{variant.upper()}", "efficientnet_v2", key, file, images, parameters)


MOBILENET_V3_SMALL = _mobilenet_v3("small", 939_120)
MOBILENET_V3_LARGE = _mobilenet_v3("large", 2_996_352)
EFFICIENTNET_V2_B0 = _efficientnet_v2("b0", 224, 5_919_312)
EFFICIENTNET_V2_B1 = _efficientnet_v2("b1", 240, 6_931_124)
EFFICIENTNET_V2_B2 = _efficientnet_v2("b2", 260, 8_769_374)
EFFICIENTNET_V2_B3 = _efficientnet_v2("b3", 300, 12_930_622)
EFFICIENTNET_V2_S = _efficientnet_v2("s", 384, 20_331_360)
RESNET50_V2 = Application(
    "ResNet50V2",
    "resnet",
    "resnet50v2",
    "resnet/resnet50v2_weights_tf_dim_ordering_tf_kernels_notop.h5",
    ImageInput((224, 224), HALF, HALF),
    23_564_800,
    own_preprocessing=False,
)
