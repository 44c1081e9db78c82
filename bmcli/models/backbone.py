"""A pretrained image backbone with a head on top; its weights say how images are prepared."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import Field

from bmcli.core.component import WeightsPath
from bmcli.core.errors import BmError, ConfigError
from bmcli.models import MODELS, Model
from bmcli.models._frame import dropout, network, network_input

if TYPE_CHECKING:
    import keras

    from bmcli.core.components import Findings, Missing, Progress
    from bmcli.core.plain import Document
    from bmcli.core.spec import DataSpec, Kind
    from bmcli.modalities.image.encoder import ImagePreprocessing
    from bmcli.pretrained.backbones import FromTimm
    from bmcli.pretrained.backbones.image_input import ImageInput
    from bmcli.pretrained.backbones.keras_applications import Application
    from bmcli.pretrained.backbones.timm import Architecture

IMAGENET, RANDOM, HUB = "imagenet", "random", "hf:"
SIZE = ("preprocessing", "image", "size")


@MODELS.register("backbone")
class Backbone(Model):
    """A pretrained image network (EfficientNet, ResNet, ViT, ...) with a new head; it sets the image size."""

    source = "timm (Wightman 2019) and keras.applications; papers stand in bmcli/pretrained/backbones"
    kinds: ClassVar[tuple[Kind, ...]] = ("image",)
    takes_sample: ClassVar[bool] = False

    architecture: Literal[
        "efficientnet_lite0",
        "resnet18",
        "resnet34",
        "resnet50",
        "vit_small_patch16",
        "vit_base_patch16",
        "vit_small_patch14_dinov2",
        "vit_base_patch14_dinov2",
        "mobilenet_v3_small",
        "mobilenet_v3_large",
        "efficientnet_v2_b0",
        "efficientnet_v2_b1",
        "efficientnet_v2_b2",
        "efficientnet_v2_b3",
        "efficientnet_v2_s",
        "resnet50_v2",
        "convnext_tiny",
    ] = Field(
        "efficientnet_lite0",
        description="The network: up to vit_base_patch14_dinov2 with weights from a timm folder, the others "
        "from keras.applications.",
    )
    weights: Annotated[str, WeightsPath((IMAGENET, RANDOM))] | None = Field(
        None,
        description="A timm folder (config.json, model.safetensors) or hf:timm/NAME[@REVISION]; of "
        "keras.applications imagenet, Keras's official file, or a .weights.h5, .keras or .h5 file; random: "
        "none. Training downloads what is not here.",
    )
    dropout: float = Field(0.0, ge=0, lt=1, description="Share dropped in training before the output.")

    @property
    def examples_apart(self) -> bool:
        """See Model."""
        return self._network().examples_apart

    @property
    def pretrained(self) -> bool:
        """Whether its weights come from elsewhere."""
        return self.weights not in (None, RANDOM)

    def resolved(self, *, files: bool) -> tuple[Self, Findings]:
        """See Model."""
        if self.weights is not None and self.weights.startswith(HUB):
            return self._resolved_name(files=files)
        if not files or self.weights == RANDOM:
            return self, []
        try:
            self._check()
        except BmError as error:
            return self, [(("weights",), message) for message in _messages(error)]
        return self, []

    def _resolved_name(self, *, files: bool) -> tuple[Self, Findings]:
        """With the commit of the files that are here."""
        from bmcli.pretrained.hub import weights as hub

        assert self.weights is not None
        try:
            if hub.missing(self.weights) is None and self._application() is None:
                if files:
                    self._check()
                return self.model_copy(update={"weights": hub.pinned(self.weights)}), []
            self._require_named()
        except BmError as error:
            return self, [(("weights",), message) for message in _messages(error)] if files else []
        return self, []

    def _require_named(self) -> None:
        """ConfigError for a name that says that its weights are another architecture's."""
        from bmcli.pretrained.backbones import TIMM

        name = str(self.weights).partition("/")[2].partition("@")[0].partition(".")[0]
        if self._application() is not None:
            raise ConfigError(f"{self.architecture} is from keras.applications: {self._needed()}")
        meant = [key for key, entry in TIMM.items() if re.fullmatch(entry.names, name)]
        if str(self.weights).startswith(f"{HUB}timm/") and self.architecture not in meant:
            hint = f"write architecture: {meant[0]}" if meant else f"known: {', '.join(TIMM)}"
            raise ConfigError(f"{name} is not {self.architecture}", hint=hint)

    def missing(self) -> Missing | None:
        """See Model."""
        if self.weights in (None, RANDOM):
            return None
        application = self._application()
        if self.weights == IMAGENET:
            return None if application is None else application.missing()
        from bmcli.pretrained.hub import weights as hub

        return hub.missing(str(self.weights))

    def obtain(self, progress: Progress | None = None) -> None:
        """See Model."""
        application = self._application()
        if application is not None:
            application.official(progress)
            return
        from bmcli.pretrained import backbones
        from bmcli.pretrained.hub import weights as hub

        names = self._timm().names
        hub.obtain(str(self.weights), progress, lambda folder: backbones.timm.described(folder, names))

    def _check(self) -> None:
        """Raise what is wrong with the weights, as far as it is seen without Keras and without a download."""
        from bmcli.pretrained import backbones

        application = self._application()
        if self.weights is None:
            raise ConfigError(self._needed())
        if self.weights == IMAGENET:
            if application is None:
                raise ConfigError(f"imagenet is for {', '.join(backbones.KERAS)}; {self._needed()}")
        elif application is None:
            entry, folder = self._timm(), self._folder()
            images = backbones.timm.described(folder, entry.names).images
            backbones.timm.weights_of(folder, entry.architecture, images.size)
        else:
            backbones.keras_files.require(Path(self.weights))

    def made_up(self, folder: Path) -> Self:
        """See Model: random weights, which need no files."""
        application = self._application()
        if self.weights == IMAGENET:
            there = application is None or application.here() is not None
        elif self.weights is not None and self.weights.startswith(HUB):
            there = self.missing() is None
        else:
            there = self.weights in (None, RANDOM) or Path(str(self.weights)).exists()
        return self if there else self.model_copy(update={"weights": RANDOM})

    def prepares(self, preparing: Any) -> ImagePreprocessing:
        """Images of the size, scaling and resizing that the weights were trained with; the config's size
        instead where it has one. ConfigError for a size or a number of channels that cannot work."""
        from bmcli.modalities.image.decode import Manner
        from bmcli.modalities.image.encoder import ImagePreprocessing

        options, images = preparing.options.image, self._images()
        height, width = images.size
        if options.size is not None:
            height, width = options.size if isinstance(options.size, tuple) else (options.size, options.size)
        smallest = self._network().smallest
        if min(height, width) < smallest:
            raise ConfigError(f"{'.'.join(SIZE)}: {self.architecture} takes no less than {smallest} pixels")
        if options.channels == 1:
            raise ConfigError("preprocessing.image.channels: pretrained backbones take colour: write 3")
        share = images.crop if options.fit == "crop" else None
        manner = Manner(options.fit, interpolation=images.interpolation, share=share or 1.0)
        return ImagePreprocessing.given(
            preparing.data.train.examples,
            options,
            (height, width),
            scale=images.scale,
            offset=images.offset,
            manner=manner,
        )

    def build(self, spec: DataSpec) -> keras.Model:
        """The backbone, pooled to one vector per image, and the head."""
        images = network_input(spec)
        features = dropout(self._network().features(images), self.dropout, "head_dropout")
        return network("backbone", images, features, spec)

    def initialise(self, model: keras.Model, sample: Any) -> None:
        """Load the weights, downloaded where need be. Raises, and loads nothing, if they do not fit."""
        if self.weights in (None, RANDOM):
            return
        from bmcli.pretrained.backbones import timm

        application = self._application()
        if application is not None:
            application.load(self._file(application), model)
            return
        entry, folder = self._timm(), self._folder()
        timm.described(folder, entry.names)
        height, width = model.input.shape[1:3]
        timm.weights_of(folder, entry.architecture, (height, width)).load(model)

    def origin(self) -> Document | None:
        """See Model."""
        if self.weights in (None, RANDOM):
            return None
        from bmcli.pretrained import tensors
        from bmcli.pretrained.backbones import timm

        application = self._application()
        if application is not None:
            file = self._file(application)
            return {
                "name": file.name,
                "architecture": self.architecture,
                "source": "keras.applications" if self.weights == IMAGENET else "file",
                "sha256": tensors.sha256_of(file),
                "licence": None,
                "unused": [],
            }
        from bmcli.pretrained.hub import weights as hub

        entry, folder = self._timm(), self._folder()
        about = timm.described(folder, entry.names)
        weights = timm.weights_of(folder, entry.architecture, about.images.size)
        return {
            "name": f"{self.architecture}.{about.tag}" if about.tag else folder.resolve().name,
            **hub.origin(str(self.weights), folder),
            "architecture": self.architecture,
            "source": "timm",
            "sha256": tensors.sha256(folder),
            "licence": about.licence,
            "unused": list(weights.unused),
        }

    def stages(self, model: keras.Model) -> list[list[str]]:
        """See Model: what comes before the blocks, each block, what follows them."""
        from bmcli.pretrained import backbones

        return backbones.stages(model)

    def _timm(self) -> FromTimm:
        from bmcli.pretrained.backbones import TIMM

        return TIMM[self.architecture]

    def _application(self) -> Application | None:
        """Of keras.applications; None for timm's."""
        from bmcli.pretrained.backbones import KERAS

        return KERAS.get(self.architecture)

    def _network(self) -> Architecture | Application:
        return self._application() or self._timm().architecture

    def _images(self) -> ImageInput:
        """As the weights say, or the architecture where they do not."""
        from bmcli.pretrained.backbones import timm

        application = self._application()
        if application is not None:
            return application.images
        entry = self._timm()
        if self.weights in (None, RANDOM):
            return entry.images
        return timm.described(self._folder(), entry.names).images

    def _folder(self) -> Path:
        """Of the weights. ConfigError if they are not on this machine."""
        from bmcli.pretrained.hub import weights as hub

        return hub.folder_of(str(self.weights))

    def _file(self, application: Application) -> Path:
        return application.verified() if self.weights == IMAGENET else Path(str(self.weights))

    def _needed(self) -> str:
        if self._application() is None:
            return "write hf:timm/NAME, the path of a timm folder with its weights, or random"
        return "write imagenet, the path of a file with its weights, or random"


def _messages(error: BmError) -> list[str]:
    """A line for each of its problems."""
    lines = [f"{error.message}: {one.message}" for one in error.problems[:10]] or [error.message]
    return [f"{line}; {error.hint}" if error.hint else line for line in lines]
