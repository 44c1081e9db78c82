"""Vision transformers (Dosovitskiy et al. 2020, arXiv:2010.11929), DINOv2's (Oquab et al. 2023,
arXiv:2304.07193) too, with timm's names: pre-norm blocks, exact GELU, the class token's state as features."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bmcli.core.errors import IntegrityError
from bmcli.pretrained.backbones import sources
from bmcli.pretrained.backbones.sources import Source, Sources

if TYPE_CHECKING:
    import numpy as np

    from bmcli.core.tensor import Tensor

EPSILON = 1e-6


@dataclass(frozen=True)
class VisionTransformer:
    """patch: side of a patch in pixels. layer_scale: whether each branch's outputs are scaled per channel
    (Touvron et al. 2021, arXiv:2103.17239), which becomes a part of the layer before."""

    patch: int
    width: int
    blocks: int
    heads: int
    layer_scale: bool = False
    unused = ("head.*",)
    examples_apart = True

    @property
    def smallest(self) -> int:
        """One patch."""
        return self.patch

    def sources(self, size: tuple[int, int]) -> Sources:
        """See `timm.Architecture`: the position embeddings are resampled to an image of this size."""
        grid = size[0] // self.patch, size[1] // self.patch
        width, hidden = self.width, 4 * self.width
        found = sources.convolution("patches", "patch_embed.proj", 3, width, self.patch, bias=True)
        table = (("cls_token", (1, 1, width)), ("pos_embed", (1, None, width)))
        found["positions/embeddings"] = Source(table, lambda token, rows: _positions(token, rows, grid))
        for number in range(self.blocks):
            layer, tensor = f"block{number + 1}", f"blocks.{number}"
            scales = [f"{tensor}.ls{i}.gamma" if self.layer_scale else None for i in (1, 2)]
            found |= sources.layer_norm(f"{layer}_norm1", f"{tensor}.norm1", width)
            found |= sources.dense(f"{layer}_attention_qkv", f"{tensor}.attn.qkv", width, 3 * width)
            found |= sources.dense(
                f"{layer}_attention_output", f"{tensor}.attn.proj", width, width, scale=scales[0]
            )
            found |= sources.layer_norm(f"{layer}_norm2", f"{tensor}.norm2", width)
            found |= sources.dense(f"{layer}_feed_forward1", f"{tensor}.mlp.fc1", width, hidden)
            found |= sources.dense(
                f"{layer}_feed_forward2", f"{tensor}.mlp.fc2", hidden, width, scale=scales[1]
            )
        return found | sources.layer_norm("top_norm", "norm", width)

    def features(self, images: Tensor) -> Tensor:
        """See `timm.Architecture`."""
        from keras import layers

        x = layers.Conv2D(self.width, self.patch, self.patch, name="patches")(images)
        x = layers.Reshape((-1, self.width), name="sequence")(x)
        # The class token's place comes first; its embedding is a part of its position's.
        x = layers.ZeroPadding1D((1, 0), name="class_token")(x)
        x = x + _position_embedding(x, self.width)
        for number in range(1, self.blocks + 1):
            x = self._block(x, f"block{number}")
        x = layers.LayerNormalization(epsilon=EPSILON, name="top_norm")(x)
        first: Tensor = x[:, 0]
        return first

    def _block(self, x: Tensor, name: str) -> Tensor:
        from keras import layers

        y = layers.LayerNormalization(epsilon=EPSILON, name=f"{name}_norm1")(x)
        x = layers.Add(name=f"{name}_add1")([x, self._attention(y, f"{name}_attention")])
        y = layers.LayerNormalization(epsilon=EPSILON, name=f"{name}_norm2")(x)
        y = layers.Dense(4 * self.width, name=f"{name}_feed_forward1")(y)
        y = layers.Activation("gelu", name=f"{name}_gelu")(y)
        y = layers.Dense(self.width, name=f"{name}_feed_forward2")(y)
        made: Tensor = layers.Add(name=f"{name}_add2")([x, y])
        return made

    def _attention(self, x: Tensor, name: str) -> Tensor:
        """Multi-head self-attention: [batch, length, width] to the same shape."""
        from keras import layers, ops

        size = self.width // self.heads
        joint = layers.Dense(3 * self.width, name=f"{name}_qkv")(x)
        joint = layers.Reshape((-1, 3 * self.heads, size), name=f"{name}_split")(joint)
        joint = layers.Permute((2, 1, 3), name=f"{name}_heads")(joint)  # [batch, 3 · heads, length, size]
        query, key, value = (joint[:, i * self.heads : (i + 1) * self.heads] for i in range(3))
        scores = ops.softmax(ops.matmul(query * size**-0.5, ops.transpose(key, (0, 1, 3, 2))), axis=-1)
        mixed = layers.Permute((2, 1, 3), name=f"{name}_join")(ops.matmul(scores, value))
        mixed = layers.Reshape((-1, self.width), name=f"{name}_flat")(mixed)
        made: Tensor = layers.Dense(self.width, name=f"{name}_output")(mixed)
        return made


SMALL16, BASE16 = VisionTransformer(16, 384, 12, 6), VisionTransformer(16, 768, 12, 12)
SMALL14_DINOV2 = VisionTransformer(14, 384, 12, 6, layer_scale=True)
BASE14_DINOV2 = VisionTransformer(14, 768, 12, 12, layer_scale=True)


def _position_embedding(x: Tensor, width: int) -> Tensor:
    """A learned vector for each place: [1, length, width]."""
    import numpy as np
    from keras import layers, ops

    length = int(x.shape[1] or 0)
    # Made of the input, since a constant alone would not be a part of the model.
    none = ops.zeros_like(x[:1, :, 0], dtype="int32")
    places = none + np.arange(length, dtype=np.int32)
    embedded: Tensor = layers.Embedding(length, width, name="positions")(places)
    return embedded


def _positions(token: np.ndarray, rows: np.ndarray, grid: tuple[int, int]) -> np.ndarray:
    """[1 + places, width] of the class token and its position, then of a grid's positions, resampled as timm
    does: bicubic, antialiased. IntegrityError if the tensor is not of a square."""
    import numpy as np
    from PIL import Image

    side = math.isqrt(rows.shape[1] - 1)
    if side < 1 or side * side != rows.shape[1] - 1:
        raise IntegrityError(f"pos_embed has {rows.shape[1]:,} rows, not one and a square number")
    first, table = token[0] + rows[0, :1], rows[0, 1:]
    if grid != (side, side):
        planes = table.reshape(side, side, -1)
        resized = [
            np.asarray(
                Image.fromarray(np.ascontiguousarray(planes[:, :, i])).resize(
                    grid[::-1], Image.Resampling.BICUBIC
                )
            )
            for i in range(planes.shape[2])
        ]
        table = np.stack(resized, axis=-1).reshape(grid[0] * grid[1], -1)
    return np.concatenate([first, table]).astype(np.float32)
