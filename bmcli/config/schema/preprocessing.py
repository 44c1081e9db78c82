"""`preprocessing`: from raw examples to model inputs."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, ConfigDict, Field

from bmcli.config.schema.fields import Section

Side = Annotated[int, Field(ge=1, le=4096)]


def _is_range(window: tuple[float, float]) -> tuple[float, float]:
    if window[0] >= window[1]:
        raise ValueError(f"the lower value must come first: {window[0]:g} is not below {window[1]:g}")
    return window


class ImageConfig(Section):
    """How images become arrays."""

    usual = {"size": 64}

    size: Side | tuple[Side, Side] | None = Field(
        None,
        description="Height and width, or one number for both; default: the images' own size if all are "
        "equal, else 64.",
    )
    channels: Literal[1, 3] | None = Field(
        None, description="1 for grey, 3 for colour; default: 1 if all sampled images are grey, else 3."
    )
    fit: Literal["squash", "crop", "pad"] = Field(
        "squash",
        description="For images whose proportions differ from `size`: squash distorts them, crop keeps the "
        "centre, pad adds black borders.",
    )
    window: Annotated[tuple[float, float], AfterValidator(_is_range)] | None = Field(
        None,
        description="For images with more than 8 bits (16-bit, float): the values that become black and "
        "white; default: the lowest and highest of the training split.",
    )
    normalization: Literal["standard", "unit", "symmetric"] = Field(
        "standard",
        description="standard: mean 0 and variance 1 per channel on the training split; unit: 0 to 1; "
        "symmetric: -1 to 1.",
    )


class TextConfig(Section):
    """How texts become token ids."""

    usual = {"max_length": 200}

    tokenizer: Literal["auto", "word", "pieces", "bpe", "wordpiece"] = Field(
        "auto",
        description="Fitted on the training split: whole words, pieces of at most 6 characters (for scripts "
        "without spaces between words), byte-pair encoding, or WordPiece; auto: pieces if at "
        "least a tenth of the texts are in such a script (Japanese, Thai, Lao, Khmer, Burmese, "
        "...), else word.",
    )
    vocabulary: Annotated[int, Field(ge=3, le=1_000_000)] = Field(
        20_000, description="Largest number of token ids, including padding and unknown."
    )
    max_length: Annotated[int, Field(ge=1, le=65_536)] = Field(
        200, description="Largest number of tokens per text; longer texts are truncated."
    )
    truncate: Literal["end", "start"] = Field("end", description="Which end of a longer text is cut off.")
    lowercase: bool = Field(True, description="Lower-case texts and strip accents before splitting.")


class TableConfig(Section):
    """How rows become numbers. Categories are one-hot, with one position for unseen or missing values."""

    usual = {"scaling": "standard"}

    scaling: Literal["standard", "minmax", "none"] = Field(
        "standard", description="Numeric columns: mean 0 and variance 1, or 0 to 1, on the training split."
    )
    missing: Literal["mean", "median", "error"] = Field(
        "mean",
        description="Replacement for a missing number (a feature 'is missing' is added), or error to refuse "
        "it.",
    )
    max_categories: Annotated[int, Field(ge=1, le=100_000)] = Field(
        100, description="Number of a column's most frequent categories that get their own feature."
    )


class PreprocessingConfig(Section):
    """From raw examples to model inputs; only the map for the data's kind is used.

    A modality of the user's own may have a map as well (`Modality.section`): validation looks it up and hands
    over its options, so nothing else that is extra comes here.
    """

    model_config = ConfigDict(extra="allow")

    usual = {"image": {"size": 64}}

    image: ImageConfig = Field(default_factory=ImageConfig, description="For images.")
    text: TextConfig = Field(default_factory=TextConfig, description="For texts.")
    table: TableConfig = Field(default_factory=TableConfig, description="For tables.")
