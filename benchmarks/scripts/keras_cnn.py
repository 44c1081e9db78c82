"""The introductory convolutional network in plain Keras, as tutorials write it.

python benchmarks/scripts/keras_cnn.py cifar10 --epochs 10 --batch-size 32

float32, `fit` on arrays scaled by 255, softmax output, Adam 0.001; then `evaluate` and `save`. It knows
nothing of bm. The last line of its output is JSON: the test accuracy and the epochs trained.
"""

from __future__ import annotations

import argparse
import json


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", help="cifar10 or mnist (keras.datasets), or an .npz in the form of mnist.npz")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--save", default="model.keras", help="where the model goes")
    parser.add_argument("--until", type=float, help="stop after the epoch with this test accuracy")
    arguments = parser.parse_args()

    import keras
    import numpy as np
    from keras import layers

    keras.utils.set_random_seed(arguments.seed)
    if arguments.data.endswith(".npz"):
        arrays = np.load(arguments.data)
        x_train, y_train = arrays["x_train"], arrays["y_train"]
        x_test, y_test = arrays["x_test"], arrays["y_test"]
    else:
        (x_train, y_train), (x_test, y_test) = getattr(keras.datasets, arguments.data).load_data()
    if x_train.ndim == 3:
        x_train, x_test = x_train[..., None], x_test[..., None]
    x_train = x_train.astype("float32") / 255
    x_test = x_test.astype("float32") / 255

    model = keras.Sequential(
        [
            keras.Input(x_train.shape[1:]),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(64, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(64, 3, activation="relu"),
            layers.Flatten(),
            layers.Dense(64, activation="relu"),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    stop = [] if arguments.until is None else [stop_at(arguments.until, x_test, y_test)]
    history = model.fit(
        x_train,
        y_train,
        epochs=arguments.epochs,
        batch_size=arguments.batch_size,
        callbacks=stop,
        verbose=2,
    )
    _, accuracy = model.evaluate(x_test, y_test, verbose=0)
    model.save(arguments.save)
    aside = sum(callback.seconds for callback in stop)
    print(json.dumps({"accuracy": accuracy, "epochs": len(history.epoch), "seconds_aside": aside}))


def stop_at(target, x_test, y_test):
    """A callback that looks at the test set after every epoch, and knows how long it looked."""
    import time

    import keras

    class Stop(keras.callbacks.Callback):
        seconds = 0.0

        def on_epoch_end(self, epoch, logs=None):
            began = time.perf_counter()
            self.model.stop_training = self.model.evaluate(x_test, y_test, verbose=0)[1] >= target
            self.seconds += time.perf_counter() - began

    return Stop()


if __name__ == "__main__":
    main()
