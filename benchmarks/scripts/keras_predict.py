"""What one image shows, in plain Keras: load the model, load the image, predict.

python benchmarks/scripts/keras_predict.py model.keras image.png
"""

from __future__ import annotations

import argparse


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model", help="a .keras file that takes pixels from 0 to 1")
    parser.add_argument("image")
    arguments = parser.parse_args()

    import keras
    import numpy as np

    model = keras.models.load_model(arguments.model)
    height, width, channels = model.input_shape[1:]
    mode = "grayscale" if channels == 1 else "rgb"
    image = keras.utils.load_img(arguments.image, color_mode=mode, target_size=(height, width))
    pixels = keras.utils.img_to_array(image)[None] / 255
    probabilities = model.predict(pixels, verbose=0)[0]
    print(int(np.argmax(probabilities)), float(np.max(probabilities)))


if __name__ == "__main__":
    main()
