"""Everything that is made from the best weights when training ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bmcli.core.stopwatch import phase
from bmcli.evaluation.measure import measure
from bmcli.experiments import checkpointing
from bmcli.experiments.display import Display, Stage, Warned
from bmcli.experiments.prepare import Experiment, build, measurable
from bmcli.export.publish import publish
from bmcli.inference.session import open_session
from bmcli.inference.weights import best_of, load_weights, weights_sha256
from bmcli.plots.learning_curves import draw_learning_curves
from bmcli.report.page import write_report
from bmcli.runs import layout

if TYPE_CHECKING:
    from bmcli.data.bundle import Split
    from bmcli.experiments.trackers import Trackers
    from bmcli.metrics.results import Evaluation
    from bmcli.runs.run import Run


def finish(run: Run, experiment: Experiment, display: Display, trackers: Trackers) -> tuple[Evaluation, ...]:
    """Model files, evaluation, plots and report, from the best weights in float32; seals the run."""
    display.handle(Stage("saving the model"))
    views = experiment.config.evaluation.views
    network, model = build(experiment, precision="float32", views=views)
    with phase("saving the model"):
        best = best_of(run)
        load_weights(network, best)
        run.update(weights_sha256=weights_sha256(model))
        run.write_with(layout.MODEL_KERAS, lambda path: model.save(path))
        checkpointing.complete_best(run, best)

    display.handle(Stage("exporting to ONNX"))
    status = publish(run, model, experiment.spec, experiment.preprocessing, _sample_source(experiment))
    run.update(onnx=status.to_json())
    if not status.published:
        display.handle(Warned(f"no {layout.MODEL_ONNX}: {status.reason}; predictions will use Keras"))

    evaluations = []
    session = open_session(run, lambda: model, experiment.spec)
    for name in experiment.config.evaluation.splits:
        split = experiment.bundle.split(name)
        if split is None:
            continue
        display.handle(Stage(f"evaluating on {name}"))
        with phase(f"evaluation on {name}"):
            evaluations.append(measure(measurable(experiment, run, session, name, split)))
    draw_learning_curves(run)
    trackers.finished(run)
    run.seal("completed")
    with phase("report"):  # of what is sealed: it tells when the run ended
        write_report(run)
    trackers.report(run)
    if not experiment.config.training.checkpoint.keep:
        checkpointing.discard(run)
    return tuple(evaluations)


def _sample_source(experiment: Experiment) -> Split:
    """Where stored samples come from: examples that were not trained on, if there are any."""
    bundle = experiment.bundle
    return bundle.test or bundle.validation or bundle.train
