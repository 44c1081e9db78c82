"""Whether `bm doctor` finds copies of images, and takes only copies for copies.

    python benchmarks/duplicates.py [--images 400] [--copies 20] [--seeds 2] [--quick]

Folders of distinct images are made: rendered letters (many fonts, sizes and places, some tilted: strokes
that are much alike), handwritten digits, small photos (CIFAR-10, where its files are in the data home) and
pieces of scikit-learn's two photos with smooth random textures among them. Into each, copies are planted,
one change each. The columns hold the share of the planted copies that `bm doctor` pairs with their source;
`false` counts pairs that were not planted, and `clean` those in the same images without any copies; what a
dataset has of its own is among those.
"""

from __future__ import annotations

import io
import json
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from _sides import begin, bm, new_parser, run, show
from PIL import Image, ImageDraw, ImageFont

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
FONTS = (
    *("DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-Oblique", "DejaVuSansMono", "DejaVuSerif"),
    *("DejaVuSerif-Italic", "STIXGeneral", "STIXGeneralBol", "cmr10", "cmss10", "cmtt10"),
)


def letters(count: int, rng: np.random.Generator) -> list[tuple[str, Image.Image]]:
    """Black on white, 64 × 64, each (font, size to a tenth, letter) once."""
    import matplotlib

    fonts = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    made: dict[tuple[str, str, float], tuple[str, Image.Image]] = {}
    while len(made) < count:
        letter, font = str(rng.choice(list(LETTERS))), str(rng.choice(FONTS))
        size = round(float(rng.uniform(24, 46)), 1)
        image = Image.new("L", (64, 64), 255)
        place = tuple(rng.integers(26, 39, 2).tolist())
        drawn = ImageFont.truetype(fonts / f"{font}.ttf", size)
        ImageDraw.Draw(image).text(place, letter, 0, drawn, anchor="mm")
        if rng.random() < 0.5:
            image = image.rotate(rng.uniform(-8, 8), Image.Resampling.BICUBIC, fillcolor=255)
        made[letter, font, size] = (f"{letter}{'u' if letter.isupper() else 'l'}", image)
    return list(made.values())


def digits(count: int, rng: np.random.Generator) -> list[tuple[str, Image.Image]]:
    """scikit-learn's, grown to 32 × 32."""
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    chosen = rng.permutation(len(images))[:count]
    whole = (images.reshape(-1, 8, 8) * 15.9).astype(np.uint8)
    return [(str(labels[i]), Image.fromarray(whole[i]).resize((32, 32), 3)) for i in chosen]


def cifar(count: int, rng: np.random.Generator) -> list[tuple[str, Image.Image]]:
    """Test images of CIFAR-10, 32 × 32; none where they are not at hand."""
    from bmcli import data
    from bmcli.config import resolve
    from bmcli.files.download import data_home

    wanted = resolve.load({"name": "c", "model": "mlp", "data": {"name": "cifar10", "limit": count}}).data
    if not wanted.name.available(data_home()):  # type: ignore[union-attr]
        return []
    test = data.load(wanted).test
    assert test is not None
    order = rng.permutation(len(test))
    arrays = test.examples.arrays  # type: ignore[union-attr]
    return [(f"c{test.targets[i]}", Image.fromarray(arrays[i])) for i in order]


def photos(count: int, rng: np.random.Generator) -> list[tuple[str, Image.Image]]:
    """Pieces of two photos that do not overlap, 80 × 80, and smooth textures with noise."""
    from sklearn.datasets import load_sample_images

    made = []
    for name, photo in zip(("temple", "flower"), load_sample_images().images, strict=True):
        for y in range(0, photo.shape[0] - 80, 80):
            made += [
                (name, Image.fromarray(photo[y : y + 80, x : x + 80]))
                for x in range(0, photo.shape[1] - 80, 80)
            ]
    while len(made) < count:
        coarse = Image.fromarray(rng.integers(0, 256, (7, 7, 3), dtype=np.uint8)).resize((80, 80), 3)
        noisy = np.asarray(coarse, float) + rng.normal(0, 6, (80, 80, 3))
        made.append(("texture", Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8))))
    return made[:count]


SETS = {"letters": letters, "digits": digits, "CIFAR-10": cifar, "photos": photos}


def background(image: Image.Image) -> int | tuple[int, ...]:
    """The colour of the first pixel: what a turned or moved copy shows at its edge."""
    return image.getpixel((0, 0))  # type: ignore[return-value]


def again(image: Image.Image) -> Image.Image:
    """As a JPEG of quality 70."""
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=70)
    return Image.open(stream)


def cropped(image: Image.Image) -> Image.Image:
    """Without 4 % at each side."""
    edge = max(1, round(0.04 * image.width))
    return image.crop((edge, edge, image.width - edge, image.height - edge))


def moved(image: Image.Image) -> Image.Image:
    """By 6 % to the right and 3 % down."""
    y, x = round(0.03 * image.height), round(0.06 * image.width)
    made = Image.new(image.mode, image.size, background(image))
    made.paste(image, (x, y))
    return made


CHANGES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "equal": lambda image: image,
    "JPEG": again,
    "resized": lambda image: image.resize((image.width * 7 // 10, image.height * 7 // 10), 2),
    "brightened": lambda image: image.point(lambda v: min(255, 12 + v * 115 // 100)),
    "cropped": cropped,
    "turned 3°": lambda image: image.rotate(3, Image.Resampling.BICUBIC, fillcolor=background(image)),
    "flipped": lambda image: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    "moved": moved,
}


def measured(name: str, images: int, copies: int, seed: int, folder: Path) -> tuple[dict[str, float], int]:
    """The share found of each change, and the number of pairs that were not planted. copies: 0 for none."""
    rng = np.random.default_rng(seed)
    made = SETS[name](images, rng)
    if not made:
        return {}, 0
    for i, (label, image) in enumerate(made):
        (folder / "data" / label).mkdir(parents=True, exist_ok=True)
        image.save(folder / "data" / label / f"{i}.png")
    sources = rng.permutation(len(made))[: copies * len(CHANGES)]
    for source, (change, made_of) in zip(sources.tolist(), list(CHANGES.items()) * copies, strict=False):
        label, image = made[source]
        made_of(image).save(folder / "data" / label / f"{source}-{list(CHANGES).index(change)}.png")
    config = folder / "c.yaml"
    config.write_text("name: c\ndata: {path: data, test: 0, validation: 0}\nmodel: mlp\n")
    document = json.loads(run(bm("doctor", config, "--json")).stdout)
    found: dict[str, set[str]] = {change: set() for change in CHANGES}
    false = 0
    for finding in document["findings"]:
        for example in finding["examples"]:
            stems = sorted((Path(one).stem for one in example["ids"]), key=len)
            if len(stems) != 2:
                continue
            (first, second) = stems
            if "-" in second and second.split("-")[0] == first.split("-")[0]:
                found[list(CHANGES)[int(second.split("-")[1])]].add(second)
            else:
                false += 1
    return {change: len(stems) / max(copies, 1) for change, stems in found.items()}, false


def main() -> None:
    parser = new_parser(__doc__, quick="60 images, 2 copies of each change")
    parser.add_argument("--images", type=int, default=400)
    parser.add_argument("--copies", type=int, default=20)
    parser.add_argument("--seeds", type=int, default=2)
    arguments = begin(parser)
    images, copies = (60, 2) if arguments.quick else (arguments.images, arguments.copies)
    seeds = 1 if arguments.quick else arguments.seeds
    body = []
    for name in SETS:
        shares: dict[str, list[float]] = {change: [] for change in CHANGES}
        false = clean = 0
        for seed in range(seeds):
            with tempfile.TemporaryDirectory(prefix="bm-benchmark-") as folder:
                found, wrong = measured(name, images, copies, seed, Path(folder))
            false += wrong
            for change, share in found.items():
                shares[change].append(share)
            with tempfile.TemporaryDirectory(prefix="bm-benchmark-") as folder:
                clean += measured(name, images, 0, seed, Path(folder))[1]
        if shares["equal"]:
            found_of_each = (f"{np.mean(share):.2f}" for share in shares.values())
            body.append([name, *found_of_each, str(false), str(clean)])
    title = f"Copies found, and false pairs: {images} images, {copies} copies of each change, {seeds} times"
    show(title, ["", *CHANGES, "false", "clean"], body)


if __name__ == "__main__":
    main()
