"""Records how a run ended, unless it completed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from bmcli.core import plugin_calls
from bmcli.core.errors import BmError, DivergedError, InterruptedRunError, ResourceError, is_out_of_memory
from bmcli.experiments.resume_checks import has_checkpoint
from bmcli.experiments.signals import Stopped, stops_at_once
from bmcli.runs.store import reference_to

if TYPE_CHECKING:
    from bmcli.runs.record import Status
    from bmcli.runs.run import Run


@contextmanager
def settling(run: Run, less_memory: str) -> Iterator[None]:
    """Record how the run ended, and show the user how to resume it.

    less_memory: what to try where the memory does not suffice.
    """

    def seal(status: Status, **changes: object) -> None:
        # A complete run stays complete, even if writing its report fails.
        # Where this fails too (a full disk), the first reason is reported. The run then counts as killed.
        with suppress(ResourceError):
            if not complete():
                run.seal(status, **changes)

    def complete() -> bool:
        return run.record.status == "completed"

    try:
        with stops_at_once():
            yield
    except InterruptedRunError:
        seal("interrupted")
        raise
    except Stopped as stopped:
        if complete():
            raise InterruptedRunError(
                f"{run.id} is complete; its report may be missing",
                signal_exit_code=stopped.exit_code,
                hint=f"bm report {reference_to(run)}",
            ) from stopped
        seal("interrupted")
        kept = has_checkpoint(run)
        raise InterruptedRunError(
            f"{run.id} was stopped" + ("; its state is saved" if kept else " before its first checkpoint"),
            signal_exit_code=stopped.exit_code,
            hint=f"bm train --resume {reference_to(run)}" + ("" if kept else " restarts it"),
        ) from stopped
    except KeyboardInterrupt as error:
        if (fault := plugin_calls.fault_of(error)) is not None:
            seal("failed", error=fault.message[:500])
            raise fault from error
        seal("interrupted")
        raise
    except DivergedError as error:
        seal("diverged", error=error.message)
        raise
    except BaseException as error:
        if is_out_of_memory(error):
            seal("failed", error="out of memory")
            raise ResourceError("out of memory", hint=less_memory) from error
        fault = plugin_calls.fault_of(error)
        told = error if fault is None else fault
        said = told.message if isinstance(told, BmError) else f"{type(told).__name__}: {told}"
        seal("failed", error=said.split("\n")[0][:500])
        if told is not error:
            raise told from error
        raise
