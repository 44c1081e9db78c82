"""GELU and SiLU as one compiled loop, as bm trains them, against TensorFlow's own, forward and backward.

    python benchmarks/activations.py [--rounds 7] [--quick]

Prints nanoseconds per element, the median of the rounds, for the first layer's results of `cifar10_speed`:
[500, 31, 31, 24] in bfloat16.
"""

from __future__ import annotations

import argparse
import statistics
import time
from typing import Any

from bmcli.core.quiet import quiet_import

SHAPE = (500, 31, 31, 24)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--quick", action="store_true", help="a tenth of the images")
    arguments = parser.parse_args()
    with quiet_import():
        import keras
        import tensorflow as tf
    from bmcli.training.steps.fused_layers import compiled_activations

    shape = (SHAPE[0] // 10, *SHAPE[1:]) if arguments.quick else SHAPE
    x, upstream = (tf.cast(tf.random.stateless_normal(shape, (0, i)), tf.bfloat16) for i in range(2))
    ours = compiled_activations()
    sides = {"relu": tf.nn.relu}
    for name in ("gelu", "silu"):
        plain = getattr(keras.activations, name)
        sides[f"{name}, Keras"], sides[f"{name}, bm"] = plain, ours[plain]
    steps = {name: _both(function) for name, function in sides.items()}
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for step in steps.values():
        step(x, upstream)
    for _ in range(arguments.rounds):
        for name, step in steps.items():
            began = time.perf_counter()
            step(x, upstream).numpy()
            seconds[name].append(time.perf_counter() - began)
    elements = float(tf.size(x))
    print(f"{'':16}{'ns/element':>11}  {'against relu':>12}")
    base = statistics.median(seconds["relu"])
    for name, measured in seconds.items():
        median = statistics.median(measured)
        print(f"{name:16}{median / elements * 1e9:11.2f}  {median / base:12.2f}")


def _both(function: Any) -> Any:
    import tensorflow as tf

    @tf.function
    def step(x: Any, upstream: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = function(x)
        return tape.gradient(y, x, upstream)

    return step


if __name__ == "__main__":
    main()
