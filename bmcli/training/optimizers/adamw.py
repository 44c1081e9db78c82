"""Adam with decoupled weight decay."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from bmcli.training.optimizers import OPTIMIZERS
from bmcli.training.optimizers.adam import Adam


@OPTIMIZERS.register("adamw")
class AdamW(Adam):
    """Adam with decoupled weight decay."""

    source = "Loshchilov & Hutter 2019, arXiv 1711.05101"

    weight_decay: Annotated[float, Field(ge=0)] = Field(
        0.01, description="Weight decay: share of each weight removed per step, times the learning rate."
    )
