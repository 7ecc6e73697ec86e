"""Every layer of the traced logic against the golden codes, for the case that score or decisions differ (needs da4ml).

The trigger block puts out its score and decisions only. Here it is traced once more with the codes of all layers as
outputs, which da4ml's interpreter computes.
"""

from __future__ import annotations

from itertools import accumulate

import numpy as np

from fpgaae.data.features import FeatureMap
from fpgaae.files import lock, write_json
from fpgaae.fixedpoint import Codes, FixedPointType
from fpgaae.golden.edges import EDGES_FILE, EdgeEvents
from fpgaae.golden.network import IntegerNetwork
from fpgaae.golden.trigger import GoldenTrigger
from fpgaae.hls.comparison import Comparison, compare_codes
from fpgaae.hls.stimulus import LAYERS, Stimuli
from fpgaae.progress import Progress
from fpgaae.rtl.trace import trace_layers
from fpgaae.runs.experiment import Experiment
from fpgaae.runs.folder import read_manifest
from fpgaae.runs.record import as_json
from fpgaae.runs.results.data import DataResult
from fpgaae.runs.results.rtl import RtlLayersResult

LAYERS_FILE = "rtl_layers.json"  # in the run folder: a file in that of `trace` would stand for an edit by hand


def compare_layers(experiment: Experiment, progress: Progress) -> RtlLayersResult:
    """Compare the codes of each layer on all events of the stage `rtl`, and write `rtl_layers.json`.

    Raises
    ------
    InputError
        If the experiment is not traced.
    """
    traced = read_manifest(experiment.stage_folder("trace"))
    features = FeatureMap.of(experiment.result(DataResult))
    trigger = GoldenTrigger.load(experiment.stage_folder("convert"), features)
    network = trigger.network
    names = [layer.name for layer in network.layers]
    with progress.task("tracing all layers", None):
        logic = trace_layers(trigger, names)
    edges = EdgeEvents.load(experiment.stage_folder("convert") / EDGES_FILE)
    stimuli = Stimuli(experiment.config, experiment.stage_folder("data"), trigger, edges.hardware)
    plan = [source for source in stimuli.sources() if source.origin != LAYERS]
    total = Comparison.of_layers(names)
    with progress.task("comparing layers", sum(source.stop - source.start for source in plan)) as task:
        for source in plan:
            hardware = stimuli.make(source).hardware
            if len(hardware):
                codes = logic.predict(hardware.astype(np.float64), n_threads=1).astype(np.int64)
                golden = trigger.run(hardware)
                total.merge(compare_codes(_by_layer(network, codes), golden, source.origin, source.start))
            task.advance(source.stop - source.start)
    result = RtlLayersResult(
        passed=total.passed,
        events=total.events,
        mismatched_events=total.mismatched_events,
        first_mismatch=total.first_mismatch,
        layers=total.entries(),
        trace_fingerprint=traced.get("fingerprint"),
    )
    with lock(experiment.folder):
        write_json(experiment.folder / LAYERS_FILE, as_json(result))
    return result


def _by_layer(network: IntegerNetwork, codes: Codes) -> dict[str, tuple[Codes, FixedPointType]]:
    """Take the outputs of the logic apart."""
    ends = accumulate(layer.size for layer in network.layers)
    pairs = zip(network.layers, ends, strict=True)
    return {layer.name: (codes[:, end - layer.size : end], layer.type) for layer, end in pairs}
