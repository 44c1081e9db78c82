"""Pretrained weights to choose from: those that are known by name, and others that are on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bmcli.core.errors import BmError, ConfigError, did_you_mean
from bmcli.files.download import offline
from bmcli.pretrained import tensors
from bmcli.pretrained.documents import read_map
from bmcli.pretrained.hub import places
from bmcli.pretrained.hub.names import PREFIX, HubName, parse
from bmcli.pretrained.known import KNOWN

if TYPE_CHECKING:
    from bmcli.core.components import Progress

IMAGENET = "imagenet"
ENCODER, BACKBONE = "encoder", "backbone"


@dataclass(frozen=True)
class Entry:
    """Weights that a config can name.

    name: what `bm models get` takes. model: 'encoder' or 'backbone'; family: of an encoder ('bert'), or the
    architecture of a backbone; weights: the model's option. parameters: without heads, None if not known;
    size: of what is downloaded, or is here, in bytes. source: 'hub' or 'keras.applications'. path: where it
    is on this machine; None if it is not.
    """

    name: str
    model: str
    family: str
    weights: str
    parameters: int | None
    size: int
    licence: str | None
    source: str
    about: str
    path: Path | None

    @property
    def kind(self) -> str:
        """Of the data."""
        return "text" if self.model == ENCODER else "image"

    @property
    def options(self) -> dict[str, str]:
        """What a config has under `model`."""
        architecture = {"architecture": self.family} if self.model == BACKBONE else {}
        return {"name": self.model, **architecture, "weights": self.weights}


def entries() -> list[Entry]:
    """All of them: known encoders, known backbones, then what else is here."""
    here = places.repositories()
    known = [_known(repository, here.get(repository)) for repository in KNOWN]
    others = [
        found
        for repository, folder in here.items()
        if repository not in KNOWN and (found := _other(repository, folder)) is not None
    ]
    return [*known, *_applications(), *others]


def get(name: str, progress: Progress | None = None) -> Path:
    """Where the weights of this name are, downloaded if they are not here: a folder, or a file of
    keras.applications. Raises as `hub.snapshot.fetch_snapshot`; ConfigError for an unknown name."""
    from bmcli.pretrained.backbones import KERAS

    if name in KERAS:
        return KERAS[name].official(progress)
    if not name.startswith(PREFIX):
        names = [*(f"{PREFIX}{one}" for one in KNOWN), *KERAS]
        hint = did_you_mean(f"{PREFIX}{name}" if "/" in name else name, names)
        raise ConfigError(
            f"'{name}' is neither {PREFIX}ORG/NAME nor an architecture of keras.applications",
            hint=hint or "bm models --pretrained lists what is known",
        )
    from bmcli.pretrained.hub.snapshot import fetch_snapshot

    wanted = parse(name)
    here = places.found(wanted)
    if here is not None and (offline() or wanted.commit is not None):
        return here
    return fetch_snapshot(wanted, progress, examined)


def examined(folder: Path) -> tuple[str, str]:
    """The model that a folder without its weights is for, and its family or architecture. ConfigError or
    IntegrityError if bm cannot read it."""
    from bmcli.pretrained import tokenizer
    from bmcli.pretrained.backbones import TIMM, timm
    from bmcli.pretrained.folder import architecture_of

    document = read_map(folder / places.CONFIG)
    if "model_type" in document or not isinstance(document.get("architecture"), str):
        architecture = architecture_of(folder)
        tokenizer.tokenizer_json(folder, architecture)
        return ENCODER, architecture.family
    return BACKBONE, timm.architecture_named(document["architecture"], folder, TIMM)


def _known(repository: str, folder: Path | None) -> Entry:
    about = KNOWN[repository]
    return Entry(
        name=f"{PREFIX}{repository}",
        model=ENCODER if about.kind == "text" else BACKBONE,
        family=about.family,
        weights=_weights(repository, folder),
        parameters=about.parameters,
        size=about.size,
        licence=about.licence,
        source="hub",
        about=about.about,
        path=folder,
    )


def _applications() -> Iterator[Entry]:
    from bmcli.pretrained.backbones import KERAS

    for name, application in KERAS.items():
        yield Entry(
            name=name,
            model=BACKBONE,
            family=name,
            weights=IMAGENET,
            parameters=application.parameters,
            size=application.size,
            licence=None,
            source="keras.applications",
            about="ImageNet",
            path=application.here(),
        )


def _other(repository: str, folder: Path) -> Entry | None:
    """Of a repository that only this machine says something about; None if bm cannot read it."""
    from bmcli.pretrained.folder import licence_of

    try:
        model, family = examined(folder)
        size = sum(file.stat().st_size for file in tensors.files_of(folder))
    except (BmError, OSError):
        return None
    return Entry(
        name=f"{PREFIX}{repository}",
        model=model,
        family=family,
        weights=_weights(repository, folder),
        parameters=None,
        size=size,
        licence=licence_of(folder),
        source="hub",
        about="",
        path=folder,
    )


def _weights(repository: str, folder: Path | None) -> str:
    """As a config names it: with its commit where a name without one would not find it."""
    name = HubName(repository)
    return str(name if folder is None or places.found(name) is not None else places.pinned(name, folder))
