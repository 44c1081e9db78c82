"""`bm train`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from bmcli.cli.command import Session, command
from bmcli.cli.completion import complete_run
from bmcli.cli.options import OptionalConfigArgument, OverridesArgument, TrustCodeOption
from bmcli.cli.trust import asking, open_asking

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bmcli.config.schema import ExperimentConfig
    from bmcli.core.errors import UsageError
    from bmcli.core.stopwatch import Stopwatch
    from bmcli.runs.run import Run


_SEEDS = re.compile(r"seed=\d+(,\d+)+")
_SHORT = 0.005
"""Phases shorter than this many seconds are counted under 'the rest'."""


_NameOption = Annotated[str | None, typer.Option(help="The run's name [default: the config's].")]
_TagOption = Annotated[list[str] | None, typer.Option(help="A tag of your choice; repeatable.")]
_SmokeOption = Annotated[
    bool, typer.Option("--smoke", help="Run every stage on a few batches, to check the config.")
]
_SeedsOption = Annotated[
    str | None,
    typer.Option(metavar="N,N,...", help="Train one run per seed, and summarise them: --seeds 0,1,2"),
]
_ResumeOption = Annotated[
    str | None,
    typer.Option(metavar="RUN", help="Resume an interrupted run.", autocompletion=complete_run),
]
_AutoResumeOption = Annotated[
    bool,
    typer.Option(
        "--auto-resume", help="Resume the newest unfinished run of the same config, or else start a new one."
    ),
]
_DeviceOption = Annotated[
    Literal["auto", "cpu", "gpu"],  # `core.spec.Device`, without loading it for --help
    typer.Option(help="Device to train on; auto uses a GPU if there is one."),
]
_ForceOption = Annotated[
    bool,
    typer.Option(
        "--force",
        help="Resume even if data, code or versions changed; the run is then marked as not exact.",
    ),
]
_ProfileOption = Annotated[
    bool, typer.Option("--profile", help="Show where the time went, and store it in profile.json.")
]


@command
def train(
    session: Session,
    config: OptionalConfigArgument = None,
    overrides: OverridesArgument = None,
    name: _NameOption = None,
    tag: _TagOption = None,
    seeds: _SeedsOption = None,
    smoke: _SmokeOption = False,
    resume: _ResumeOption = None,
    auto_resume: _AutoResumeOption = False,
    device: _DeviceOption = "auto",
    trust_code: TrustCodeOption = False,
    force: _ForceOption = False,
    profile: _ProfileOption = False,
) -> None:
    """Train, then evaluate; prints the run id.

    Progress goes to stderr; stdout gets only the run id: RUN=$(bm train config.yaml)
    """
    from bmcli.core.errors import UsageError
    from bmcli.runs.tags import validate_label

    for label in tag or ():
        validate_label(label)
    if force and resume is None and not auto_resume:
        raise UsageError("--force needs --resume or --auto-resume")
    if resume is not None:
        _check_unchanged(session, resume, config, overrides, name=name, tag=tag, seeds=seeds, smoke=smoke)
        with _timed(profile) as watch:
            run = _resume(session, resume, device, trust_code, force)
        _answer(session, run, watch)
        return
    if smoke and profile:
        raise UsageError("--smoke already times its stages; leave out --profile")
    if config is None:
        raise UsageError(
            "missing CONFIG", hint="try bm train digits_cnn, which needs no file; bm init writes a config"
        )
    changes = _changes(overrides, name)
    if seeds is not None:
        if smoke or profile:
            raise UsageError("--seeds trains several runs; leave out --smoke and --profile")
        _train_seeds(
            session, config, changes, _numbers(seeds), tag or (), device, trust_code, auto_resume, force
        )
        return
    loaded = _load(session, config, changes, trust_code, smoke=smoke, auto_resume=auto_resume)
    if smoke:
        _smoke(session, loaded, device)
        return
    with _timed(profile) as watch:
        run = _continued_or_new(session, loaded, tag or (), device, auto_resume, force)
    _answer(session, run, watch)


def _check_unchanged(
    session: Session,
    reference: str,
    config: str | None,
    overrides: Sequence[str] | None,
    **given: object,
) -> None:
    """UsageError if a resumed run would be changed, by a config or by one of these options."""
    from bmcli.core.errors import UsageError

    if changes := [text for text in (config, *(overrides or ())) if text and "=" in text]:
        raise _changed(session, reference, changes)
    values = {"CONFIG": config, **{f"--{name}": value for name, value in given.items()}}
    if odd := [name for name, value in values.items() if value]:
        raise UsageError(f"--resume continues a run unchanged; leave out {', '.join(odd)}")


def _changes(overrides: Sequence[str] | None, name: str | None) -> list[str]:
    """Changes to the config, with the run's name. UsageError for several seeds."""
    from bmcli.core.errors import UsageError

    changes = list(overrides or [])
    if name is not None:
        changes.append(f"name={name}")
    if several := next((text for text in changes if _SEEDS.fullmatch(text)), None):
        raise UsageError(
            f"{several}: a run has one seed",
            hint=f"--seeds {several.partition('=')[2]} trains one run per seed",
        )
    return changes


def _load(
    session: Session,
    config: str,
    changes: Sequence[str],
    trust_code: bool,
    *,
    smoke: bool,
    auto_resume: bool,
) -> ExperimentConfig:
    from bmcli.config import resolve

    return resolve.load(
        config,
        changes,
        run_code=True,
        before_code=asking(session, trust_code),
        paths_exist=not smoke,  # --smoke synthesises missing data
        resuming=auto_resume,
        obtaining=None if smoke else session.obtain,
    )


def _changed(session: Session, reference: str, changes: Sequence[str]) -> UsageError:
    """Hint for changes to a resumed run: the command that starts a new run from it with these changes."""
    import shlex

    from bmcli.core.errors import UsageError
    from bmcli.experiments.resume_checks import new_run_from
    from bmcli.runs import layout

    run = session.store.find(reference, purpose="resume")
    written = " ".join(map(shlex.quote, changes))
    hint = f"leave {written} out"
    if run.exists(layout.BEST) and run.exists(layout.CONFIG):
        hint = f"{new_run_from(run)} {written} starts a new run from its weights"
    return UsageError(f"--resume continues {run.id} unchanged; {written} would change it", hint=hint)


@contextmanager
def _timed(wanted: bool) -> Iterator[Stopwatch | None]:
    """A stopwatch that counts from the start of the process."""
    from bmcli.core import stopwatch

    if not wanted:
        yield None
        return
    with stopwatch.running() as watch:
        watch.add("starting bm", stopwatch.age())
        yield watch


def _train(session: Session, config: ExperimentConfig, tags: Sequence[str], device: str) -> Run:
    from bmcli.experiments.train import train
    from bmcli.terminal.progress import TrainingDisplay

    with TrainingDisplay(session) as display:
        return train(config, session.store, tags=tags, device=device, display=display, alone=True)


def _continued_or_new(
    session: Session,
    config: ExperimentConfig,
    tags: Sequence[str],
    device: str,
    auto_resume: bool,
    force: bool,
) -> Run:
    """With `auto_resume`, continue the newest unfinished run of the config, if there is one; else train."""
    continued = _continued(session, config, device, force) if auto_resume else None
    return continued or _train(session, config, tags, device)


def _resume(session: Session, reference: str, device: str, trust_code: bool, force: bool) -> Run:
    from bmcli.experiments.resume import resume
    from bmcli.terminal.progress import TrainingDisplay

    run = session.store.find(reference, purpose="resume")
    trust = open_asking(session, run, trust_code).trust
    with TrainingDisplay(session) as display:
        return resume(run, device=device, display=display, alone=True, trust=trust, force=force)


def _continued(session: Session, config: ExperimentConfig, device: str, force: bool) -> Run | None:
    """Resume the newest unfinished run of the same resolved config; None if there is none.

    A scheduler repeats the same command forever, so a damaged run is skipped and the next one taken.
    """
    from bmcli.core.errors import IntegrityError
    from bmcli.experiments.resume_checks import has_checkpoint, unfinished

    for run in unfinished(session.store, config):
        if has_checkpoint(run):
            session.note(f"continuing {run.id}")
        before = run.record.resumed
        try:
            # Its code is the config's, byte for byte.
            return _resume(session, str(run.path), device, trust_code=True, force=force)
        except IntegrityError as error:
            if run.reload().record.resumed != before:  # it was resumed
                raise
            session.warn(f"{error.message}; {run.id} is unchanged")
    return None


def _numbers(seeds: str) -> list[int]:
    from bmcli.core.errors import UsageError

    numbers = [text.strip() for text in seeds.split(",")]
    if len(numbers) < 2 or not all(text.isascii() and text.isdecimal() for text in numbers):
        raise UsageError(f"--seeds {seeds}: expected at least two whole numbers", hint="--seeds 0,1,2")
    if len(set(map(int, numbers))) < len(numbers):
        raise UsageError(f"--seeds {seeds} contains a seed twice")
    return [int(text) for text in numbers]


def _train_seeds(
    session: Session,
    config: str,
    changes: Sequence[str],
    seeds: Sequence[int],
    tags: Sequence[str],
    device: str,
    trust_code: bool,
    auto_resume: bool,
    force: bool,
) -> None:
    """Train runs that differ only in `seed`, one after the other, and summarise them."""
    from bmcli.cli.seeds import across, lines
    from bmcli.config import resolve
    from bmcli.core.errors import BmError

    before_code = asking(session, trust_code)
    configs = [
        resolve.load(
            config,
            [*changes, f"seed={seed}"],
            run_code=True,
            before_code=before_code,
            obtaining=session.obtain,
        )
        for seed in seeds
    ]
    runs: list[Run] = []
    for position, loaded in enumerate(configs):
        try:
            run = _continued_or_new(session, loaded, tags, device, auto_resume, force)
        except (BmError, KeyboardInterrupt):
            if rest := seeds[position + 1 :]:
                session.warn(f"not trained: seed{'s' * (len(rest) > 1)} {', '.join(map(str, rest))}")
            raise
        runs.append(run)
        if not session.json:
            session.result({}, run.id)
    summary = across(runs)
    document = {"runs": [_about(run) for run in runs], "seeds": list(seeds), "across": summary}
    if session.json:
        session.result(document)
    session.note("\n".join(lines(runs, seeds, summary)))


def _about(run: Run) -> dict[str, object]:
    record = run.record
    return {"run": run.id, "path": str(run.path), "status": record.status, "metrics": record.metrics}


def _answer(session: Session, run: Run, watch: Stopwatch | None) -> None:
    document = _about(run)
    if watch is not None:
        document["profile"] = _profile(session, run, watch)
    session.result(document, run.id)


def _profile(session: Session, run: Run, watch: Stopwatch) -> dict[str, object]:
    """Show where the time went, and store it in the run."""
    import json

    from bmcli.core.stopwatch import REST
    from bmcli.runs import layout
    from bmcli.terminal.summary import profile

    parts = watch.seconds()
    for name in [name for name, seconds in parts.items() if seconds < _SHORT and name != REST]:
        parts[REST] += parts.pop(name)
    parts = {name: round(seconds, 3) for name, seconds in parts.items()}
    document = {"seconds": round(sum(parts.values()), 3), "parts": parts}
    run.write_text(layout.PROFILE, json.dumps({"format": 1, **document}, indent=1) + "\n")
    session.note("\n".join(profile(parts)))
    return document


def _smoke(session: Session, config: ExperimentConfig, device: str) -> None:
    """Run in a temporary folder, which is removed on success, and kept and reported on failure."""
    import shutil
    import tempfile
    from pathlib import Path

    from bmcli.experiments.smoke import smoke

    folder = Path(tempfile.mkdtemp(prefix="bm-smoke-"))
    try:
        result = smoke(config, folder, device=device, note=session.note)
    except BaseException:
        if any(folder.iterdir()):
            session.warn(f"its files are kept in {folder}")
        else:
            folder.rmdir()
        raise
    shutil.rmtree(folder)
    session.result(
        {"config": config.name, "ok": True, "stages": result},
        "ok: " + ", ".join(f"{stage} {seconds:.1f} s" for stage, seconds in result.items()),
    )
