"""`bm train`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from bmcli.cli.command import Session, TrustCodeOption, command
from bmcli.cli.completion import complete_run
from bmcli.cli.trust import ask_to_run_code_of, asking

if TYPE_CHECKING:
    from bmcli.config.schema import ExperimentConfig
    from bmcli.runs.run import Run


@command
def train(
    session: Session,
    config: Annotated[
        str | None,
        typer.Argument(metavar="CONFIG", help="A config file, or the name of one that comes with bm."),
    ] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Argument(metavar="[KEY=VALUE]...", help="Changes to it, as training.epochs=3."),
    ] = None,
    name: Annotated[str | None, typer.Option(help="The run's name [default: the config's].")] = None,
    tag: Annotated[list[str] | None, typer.Option(help="A free label; may be given several times.")] = None,
    smoke: Annotated[
        bool, typer.Option("--smoke", help="Does this config run at all? Every stage on a few batches.")
    ] = False,
    resume: Annotated[
        str | None,
        typer.Option(metavar="RUN", help="Go on with an interrupted run.", autocompletion=complete_run),
    ] = None,
    auto_resume: Annotated[
        bool,
        typer.Option(
            "--auto-resume", help="Go on with the newest unfinished run of this very config, else start one."
        ),
    ] = False,
    device: Annotated[
        Literal["auto", "cpu", "gpu"], typer.Option(help="Where to compute; auto: a GPU if there is one.")
    ] = "auto",
    trust_code: TrustCodeOption = False,
    force: Annotated[
        bool,
        typer.Option(
            "--force",
            help="With --resume: go on though data, code or versions changed; recorded as not exact.",
        ),
    ] = False,
) -> None:
    """Train, then evaluate; prints the run id.

    Progress goes to stderr; the run id alone to stdout: RUN=$(bm train config.yaml)
    """
    from bmcli.errors import UsageError

    if force and resume is None and not auto_resume:
        raise UsageError("--force belongs to --resume or --auto-resume")
    if resume is not None:
        given = [("CONFIG", config), ("--name", name), ("--tag", tag), ("--smoke", smoke)]
        if odd := [what for what, value in given if value]:
            raise UsageError(f"--resume goes on with a run as it is; leave out {', '.join(odd)}")
        _answer(session, _resume(session, resume, device, trust_code, force))
        return
    if config is None:
        raise UsageError("which CONFIG?", hint="bm init writes one; bm train digits_cnn needs none")
    from bmcli.config import resolve

    changes = list(overrides or [])
    if name is not None:
        changes.append(f"name={name}")

    # --smoke makes up what is missing.
    loaded = resolve.load(
        config, changes, run_code=True, before_code=asking(session, trust_code), paths_exist=not smoke
    )
    if smoke:
        _smoke(session, loaded, device)
        return
    if auto_resume and (unfinished := _unfinished(session, loaded)) is not None:
        session.note(f"going on with {unfinished.id}")
        _answer(session, _resume(session, str(unfinished.path), device, trust_code=True, force=force))
        return

    from bmcli import pipeline
    from bmcli.cli.progress import TrainingDisplay

    with TrainingDisplay(session) as display:
        run = pipeline.train(
            loaded,
            session.store,
            tags=tag or (),
            device=device,
            display=display,
        )
    _answer(session, run)


def _resume(session: Session, reference: str, device: str, trust_code: bool, force: bool) -> Run:
    from bmcli import pipeline
    from bmcli.cli.progress import TrainingDisplay

    run = session.store.find(reference, purpose="resume")
    trust_code = trust_code or ask_to_run_code_of(session, run)
    with TrainingDisplay(session) as display:
        return pipeline.resume(run, device=device, display=display, trust_code=trust_code, force=force)


def _unfinished(session: Session, config: ExperimentConfig) -> Run | None:
    """The newest run that stopped early and was made from the same resolved config."""
    from bmcli.resume import made_from

    for run in session.store.named(config.name):
        if run.status in ("interrupted", "failed") and made_from(run, config):
            return run
    return None


def _answer(session: Session, run: Run) -> None:
    def document() -> dict[str, Any]:
        record = run.record
        return {"run": run.id, "path": str(run.path), "status": record.status, "metrics": record.metrics}

    session.result(document(), run.id)


def _smoke(session: Session, config: ExperimentConfig, device: str) -> None:
    """In a temporary folder that is removed on success, kept and named on failure."""
    import shutil
    import tempfile
    from pathlib import Path

    from bmcli.smoke import smoke

    folder = Path(tempfile.mkdtemp(prefix="bm-smoke-"))
    try:
        result = smoke(config, folder, device=device, note=session.note)
    except BaseException:
        if any(folder.iterdir()):
            session.warn(f"what was written is kept in {folder}")
        else:
            folder.rmdir()
        raise
    shutil.rmtree(folder)
    session.result(
        {"config": config.name, "ok": True, "stages": result},
        "ok: " + ", ".join(f"{stage} {seconds:.1f} s" for stage, seconds in result.items()),
    )
