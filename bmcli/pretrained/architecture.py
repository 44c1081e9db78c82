"""What decides the arithmetic of an encoder, and the layers with weights that follow from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Literal

ACTIVATIONS = {
    "gelu": "gelu",
    "gelu_python": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_fast": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "gelu_accurate": "gelu_tanh",
    "relu": "relu",
    "silu": "silu",
    "swish": "silu",
}
"""transformers' name -> one of ours. All approximations by tanh are one formula."""

PUBLISHED = {"gelu": "gelu", "gelu_tanh": "gelu_new", "relu": "relu", "silu": "silu"}
"""The reverse: the name that all versions of transformers know."""

RANGES: dict[str, tuple[int, int]] = {
    "vocabulary": (1, 4_000_000),
    "width": (1, 16_384),
    "embedding_width": (1, 16_384),
    "blocks": (1, 256),
    "heads": (1, 1_024),
    "feed_forward": (1, 131_072),
    "positions": (2, 1_000_000),
    "segments": (0, 1_024),
    "padding": (0, 4_000_000),
    "first_position": (0, 1_000_000),
    "buckets": (0, 32),
}
"""Lowest and highest value of each number: no file has to be trusted with what is allocated."""

Kind = Literal["dense", "norm", "embedding"]


@dataclass(frozen=True)
class Layer:
    """A layer with weights. shape: of its kernel [inputs, outputs], its scale [width] or its table [rows,
    width]."""

    kind: Kind
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Architecture:
    """An encoder of post-norm transformer blocks.

    family: the file in `families`. vocabulary: rows of the token table. width: of a token's state;
    embedding_width: of its embedding, projected where it differs. blocks, heads, feed_forward: number of
    blocks, attention heads in each, width of its hidden layer. positions: rows of the position table, of
    which the first token takes `first_position`. segments: rows of the segment table; 0 for none. buckets:
    rows of the table of relative positions; 0 for none. activation: 'gelu', 'gelu_tanh', 'relu' or 'silu'.
    epsilon: of all normalisations. padding: the token id. dropout, attention_dropout: shares in training.
    pooling: 'cls', 'mean' or 'other', where the folder says; else None.
    """

    family: str
    vocabulary: int
    width: int
    embedding_width: int
    blocks: int
    heads: int
    feed_forward: int
    positions: int
    segments: int
    first_position: int
    padding: int
    activation: str
    epsilon: float
    dropout: float
    attention_dropout: float
    buckets: int = 0
    pooling: str | None = None

    def __post_init__(self) -> None:
        for name, (least, most) in RANGES.items():
            value = getattr(self, name)
            if type(value) is not int or not least <= value <= most:
                raise ValueError(f"{name} is {value!r}, not a whole number from {least:,} to {most:,}")
        for name in ("dropout", "attention_dropout"):
            if not _is_number(value := getattr(self, name)) or not 0 <= value < 1:
                raise ValueError(f"{name} is {value!r}, not a number from 0 to 1")
        if not _is_number(self.epsilon) or not 0 < self.epsilon <= 0.1:
            raise ValueError(f"epsilon is {self.epsilon!r}, not a number above 0, 0.1 at most")
        if self.activation not in ACTIVATIONS.values():
            raise ValueError(f"activation is {self.activation!r}")
        if self.pooling not in ("cls", "mean", "other", None):
            raise ValueError(f"pooling is {self.pooling!r}")
        if not isinstance(self.family, str):
            raise ValueError(f"family is {self.family!r}")
        if self.width % self.heads:
            raise ValueError(f"width ({self.width}) is not a multiple of heads ({self.heads})")
        if self.padding >= self.vocabulary or self.first_position >= self.positions:
            raise ValueError("padding or first_position is beyond its table")

    @property
    def longest(self) -> int:
        """Number of tokens of the longest text, special ones included."""
        return self.positions - self.first_position

    def to_dict(self) -> dict[str, str | int | float | None]:
        """As plain YAML data."""
        return asdict(self)

    @classmethod
    def from_dict(cls, document: Mapping[str, object]) -> Architecture:
        """The inverse of `to_dict`; ValueError for what is missing, unknown or out of range."""
        known = {one.name for one in fields(cls)}
        if unknown := sorted(set(document) - known):
            raise ValueError(f"unknown: {', '.join(map(str, unknown))}")
        try:
            return cls(**document)  # type: ignore[arg-type]  # checked when it is made
        except TypeError as error:
            raise ValueError(str(error).partition("() ")[2] or str(error)) from error

    def layers(self) -> dict[str, Layer]:
        """The layers with weights by name, from the input to the last block."""
        embedded, width = self.embedding_width, self.width
        found = {"token_embedding": Layer("embedding", (self.vocabulary, embedded))}
        found["position_embedding"] = Layer("embedding", (self.positions, embedded))
        if self.segments:
            found["segment_embedding"] = Layer("embedding", (self.segments, embedded))
        found["embedding_norm"] = Layer("norm", (embedded,))
        if embedded != width:
            found["embedding_projection"] = Layer("dense", (embedded, width))
        if self.buckets:
            found["relative_positions"] = Layer("embedding", (self.buckets, self.heads))
        for number in range(1, self.blocks + 1):
            found |= {f"block{number}_{name}": layer for name, layer in self._block().items()}
        return found

    def _block(self) -> dict[str, Layer]:
        width, hidden = self.width, self.feed_forward
        square = Layer("dense", (width, width))
        return {
            "attention_query": square,
            "attention_key": square,
            "attention_value": square,
            "attention_output": square,
            "attention_norm": Layer("norm", (width,)),
            "feed_forward1": Layer("dense", (width, hidden)),
            "feed_forward2": Layer("dense", (hidden, width)),
            "feed_forward_norm": Layer("norm", (width,)),
        }

    def stages(self) -> list[list[str]]:
        """The names of `layers` by depth: the embeddings, then a group for each block."""
        names = list(self.layers())
        groups = [[name for name in names if not name.startswith("block")]]
        groups += [
            [name for name in names if name.startswith(f"block{number}_")]
            for number in range(1, self.blocks + 1)
        ]
        return groups


def _is_number(value: object) -> bool:
    return type(value) in (int, float)
