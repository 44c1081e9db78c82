"""A pretrained text encoder: a Hugging Face folder with its own tokenizer, and a head on top."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from bmcli.core.component import WeightsPath
from bmcli.core.errors import BmError, ConfigError, IntegrityError
from bmcli.models import MODELS, Model, Published
from bmcli.models._frame import dropout, masked_pooling, network, network_input

if TYPE_CHECKING:
    import keras

    from bmcli.core.components import Findings, Missing, Progress
    from bmcli.core.plain import Document
    from bmcli.core.spec import DataSpec, Kind
    from bmcli.pretrained.architecture import Architecture

USE = """import torch
from safetensors.torch import load_file
from transformers import AutoModel, AutoTokenizer

tokenizer, encoder = AutoTokenizer.from_pretrained("."), AutoModel.from_pretrained(".").eval()
head = load_file("head.safetensors")
batch = tokenizer({texts}, padding=True, truncation=True, max_length={length}, return_tensors="pt")
with torch.no_grad():
    states = encoder(**batch).last_hidden_state
{pooled}
output = pooled @ head["weight"].T + head["bias"]"""
"""How an exported encoder is used with transformers."""
POOLED = {
    "cls": "pooled = states[:, 0]",
    "mean": """mask = batch["attention_mask"].unsqueeze(-1)
pooled = (states * mask).sum(1) / mask.sum(1)""",
}


@MODELS.register("encoder")
class Encoder(Model):
    """A pretrained text encoder (BERT, RoBERTa, MPNet, ...) with its own tokenizer."""

    source = "Devlin et al.: BERT (arXiv:1810.04805); the families' papers stand in bmcli/pretrained/families"
    kinds: ClassVar[tuple[Kind, ...]] = ("text",)
    takes_sample: ClassVar[bool] = False
    form: ClassVar[str | None] = "hf"
    takes_pairs: ClassVar[bool] = True
    fuses: ClassVar[bool] = True

    weights: Annotated[str, WeightsPath()] | None = Field(
        None,
        description="Folder as Hugging Face lays it out (config.json, model.safetensors, tokenizer.json), or "
        "hf:ORG/NAME[@REVISION]. Training downloads what is not here.",
    )
    pooling: Literal["auto", "cls", "mean"] = Field(
        "auto",
        description="One vector per text: the first token's (cls) or the mean of all; auto: as the folder's "
        "1_Pooling says, else cls.",
    )
    dropout: Annotated[float, Field(ge=0, lt=1)] | None = Field(
        None,
        description="Share dropped in training in every block and before the head; unset: as config.json "
        "says.",
    )
    architecture: dict[str, str | int | float | None] | None = Field(
        None,
        description="What the folder's config.json says; filled in, so that a run needs no folder.",
    )

    @model_validator(mode="after")
    def _architecture_is_one(self) -> Self:
        if self.architecture is not None:
            self._architecture()
        return self

    @property
    def examples_apart(self) -> bool:
        """See Model."""
        return True

    def resolved(self, *, files: bool) -> tuple[Self, Findings]:
        """See Model: with the folder's architecture."""
        if self.weights is None:
            missing = "write the path of a folder with pretrained weights"
            return self, [] if self.architecture is not None else [(("weights",), missing)]
        if self.architecture is not None and not files:
            return self, []
        from bmcli.pretrained import folder as folders
        from bmcli.pretrained import tokenizer
        from bmcli.pretrained.hub import weights as hub

        try:
            if hub.missing(self.weights) is not None:
                return self, []  # training downloads it
            folder = hub.folder_of(self.weights)
            found = folders.architecture_of(folder)
            if files:
                folders.weights_of(folder, found)
                tokenizer.require_fitting(folder, found)
        except BmError as error:
            return self, [(("weights",), message) for message in _messages(error)]
        findings: Findings = []
        if self.pooling == "auto" and found.pooling == "other":
            findings = [(("pooling",), f"{folders.POOLING} pools in another way: write cls or mean")]
        if self.architecture is not None and self.architecture != found.to_dict():
            findings.append((("architecture",), "this is not what config.json says: leave it out"))
        known = {"weights": hub.pinned(self.weights), "architecture": found.to_dict()}
        return self.model_copy(update=known), findings

    def missing(self) -> Missing | None:
        """See Model."""
        if self.weights is None:
            return None
        from bmcli.pretrained.hub import weights as hub

        return hub.missing(self.weights)

    def obtain(self, progress: Progress | None = None) -> None:
        """See Model: nothing of a folder that this encoder could not read."""
        if self.weights is None:
            return
        from bmcli.pretrained import folder as folders
        from bmcli.pretrained import tokenizer
        from bmcli.pretrained.hub import weights as hub

        def examine(folder: Path) -> None:
            tokenizer.tokenizer_json(folder, folders.architecture_of(folder))

        hub.obtain(self.weights, progress, examine)

    def made_up(self, folder: Path) -> Self:
        """See Model: a small BERT with random weights."""
        if self.weights is None:
            return self
        from bmcli.pretrained.hub import weights as hub

        there = self.missing() is None if hub.is_name(self.weights) else Path(self.weights).exists()
        if there:
            return self
        from bmcli.pretrained import made_up

        made_up.write(folder)
        update = {"weights": str(folder), "architecture": None}
        found, _ = self.model_copy(update=update).resolved(files=True)
        return found

    def prepares(self, preparing: Any) -> Any:
        """The folder's tokenizer. ConfigError or IntegrityError if it cannot be used."""
        if self.weights is None:
            return None
        from bmcli.modalities.text.encoder import TextPreprocessing
        from bmcli.modalities.text.examples import Texts
        from bmcli.pretrained import tokenizer

        folder, architecture = self._folder(), self._architecture()
        options, texts = preparing.options.text, preparing.data.train.examples
        length = min(options.max_length, tokenizer.longest(folder, architecture))
        text = tokenizer.tokenizer_json(folder, architecture)
        pair = None
        if isinstance(texts, Texts) and texts.seconds is not None:
            pair = texts.columns
            tokenizer.require_room_for_pairs(text, length)
        return TextPreprocessing.of(text, max_length=length, truncate=options.truncate, pair=pair)

    def build(self, spec: DataSpec) -> keras.Model:
        """The encoder, one vector per text, the head. ConfigError for another tokenizer's token ids."""
        from keras import ops

        from bmcli.pretrained.blocks import encoded

        architecture = self._architecture()
        self._require_fitting(architecture, spec)
        tokens = network_input(spec)
        mask = ops.not_equal(tokens, architecture.padding)
        rate = architecture.dropout if self.dropout is None else self.dropout
        attention_rate = architecture.attention_dropout if self.dropout is None else self.dropout
        states = encoded(
            architecture,
            tokens,
            mask,
            dropout=rate,
            attention_dropout=attention_rate,
            separator=spec.input.separator,
        )
        pooling = self._pooling(architecture)
        # Of cls, the mean over the first token alone: zeros for a row of padding, as of all tokens.
        kept = slice(None) if pooling == "mean" else slice(0, 1)
        pooled = masked_pooling(states[:, kept], mask[:, kept], "mean")
        return network("encoder", tokens, dropout(pooled, rate, "head_dropout"), spec)

    def initialise(self, model: keras.Model, sample: Any) -> None:
        """Load the weights. ConfigError or IntegrityError, and nothing loaded, if they do not fit."""
        if self.weights is None:
            return
        from bmcli.pretrained import folder as folders

        architecture, folder = self._architecture(), self._folder()
        if folders.architecture_of(folder) != architecture:
            raise ConfigError(f"model.architecture is not what {folder / folders.CONFIG} says")
        folders.weights_of(folder, architecture).load(model)

    def origin(self) -> Document | None:
        """See Model."""
        if self.weights is None:
            return None
        from bmcli.pretrained import folder as folders
        from bmcli.pretrained import tensors
        from bmcli.pretrained.hub import weights as hub

        architecture, folder = self._architecture(), self._folder()
        return {
            "name": folders.name_of(folder),
            **hub.origin(self.weights, folder),
            "family": architecture.family,
            "sha256": tensors.sha256(folder),
            "licence": folders.licence_of(folder),
            "unused": list(folders.weights_of(folder, architecture).unused),
            **(hub.pooling_unknown(self.weights, folder) if self.pooling == "auto" else {}),
        }

    def stages(self, model: keras.Model) -> list[list[str]]:
        """See Model: the embeddings, then each block."""
        return self._architecture().stages()

    def publish(self, network: keras.Model, preprocessing: Any, folder: Path) -> Published:
        """See Model: a folder that transformers and sentence-transformers open, and beside it the head."""
        from bmcli.pretrained import writing

        architecture = self._architecture()
        pooling = self._pooling(architecture)
        writing.write(
            folder,
            architecture,
            {variable.path: variable.numpy() for variable in network.variables},
            preprocessing.vocabulary,
            pooling=pooling,
            max_length=preprocessing.max_length,
            truncate=preprocessing.truncate,
        )
        note = (
            f"the head is in {writing.HEAD}, as README.md uses it: transformers has none for "
            f"{architecture.family} that computes the same"
        )
        texts = '["a text"]' if preprocessing.pair is None else '["a text"], ["its second text"]'
        use = USE.format(texts=texts, pooled=POOLED[pooling], length=preprocessing.max_length)
        return Published(use, (note,))

    @classmethod
    def published(cls, folder: Path, preprocessing: Any, spec: DataSpec) -> keras.Model:
        """See Model."""
        import json

        from bmcli.pretrained import tensors, tokenizer, writing

        (model, findings) = cls(weights=str(folder)).resolved(files=True)
        if findings:
            raise IntegrityError("; ".join(message for _, message in findings))
        architecture = model._architecture()
        read, used = (
            json.loads(text)
            for text in (tokenizer.tokenizer_json(folder, architecture), preprocessing.vocabulary)
        )
        if architecture.segments < 2:  # what a pair's segments are called does not matter
            tokenizer.without_segments(used.get("post_processor"))
        if read != used:
            raise IntegrityError(
                f"{folder / tokenizer.TOKENIZER} is read as another tokenizer than the run's"
            )
        network = model.build(spec)
        model.initialise(network, None)
        head = tensors.header(folder / writing.HEAD)
        network.get_layer("head").set_weights([head["weight"].read().T, head["bias"].read()])
        return network

    def _pooling(self, architecture: Architecture) -> str:
        """'cls' or 'mean'."""
        return (architecture.pooling or "cls") if self.pooling == "auto" else self.pooling

    def _folder(self) -> Path:
        """Of the weights. ConfigError if they are not on this machine."""
        from bmcli.pretrained.hub import weights as hub

        assert self.weights is not None
        return hub.folder_of(self.weights)

    def _architecture(self) -> Architecture:
        from bmcli.pretrained.architecture import Architecture

        if self.architecture is None:
            (model, findings) = self.resolved(files=False)
            if model.architecture is None and not findings:
                self._folder()
            if model.architecture is None:
                raise ConfigError("; ".join(f"model.{path[0]}: {message}" for path, message in findings))
            return model._architecture()
        return Architecture.from_dict(self.architecture)

    def _require_fitting(self, architecture: Architecture, spec: DataSpec) -> None:
        given = spec.input
        longest, padding = spec.max_length or 0, given.padding
        if (given.vocabulary_size or 0) > architecture.vocabulary or padding != architecture.padding:
            raise ConfigError(
                f"model.weights: the tokenizer of this data has {given.vocabulary_size:,} token ids and pads "
                f"with {padding}, but the encoder knows {architecture.vocabulary:,} and pads with "
                f"{architecture.padding}"
            )
        if longest > architecture.longest:
            raise ConfigError(
                f"preprocessing.text.max_length: {longest:,} tokens, but the encoder has places for "
                f"{architecture.longest:,}"
            )


def _messages(error: BmError) -> list[str]:
    """A line for each of its problems."""
    lines = [f"{error.message}: {one.message}" for one in error.problems[:10]] or [error.message]
    return [f"{line}; {error.hint}" if error.hint else line for line in lines]
