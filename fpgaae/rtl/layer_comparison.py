"""Every layer of the traced logic against the golden codes, for the case that score or decisions differ (needs da4ml).

The trigger block puts out its score and decisions only. Here it is traced once more with the codes of all layers as
outputs, which da4ml's interpreter computes.
"""

from __future__ import annotations

from itertools import accumulate

import numpy as np

from fpgaae.data.features import FeatureMap
from fpgaae.files import Json, lock, read_json, write_json
from fpgaae.fixedpoint import Codes, FixedPointType
from fpgaae.golden.edges import EDGES_FILE, EdgeEvents
from fpgaae.golden.network import GOLDEN_FILE, IntegerNetwork
from fpgaae.hls.comparison import Comparison, Mismatch, compare_codes
from fpgaae.hls.stimulus import LAYERS, Stimuli
from fpgaae.progress import Progress
from fpgaae.rtl.trace import trace_layers
from fpgaae.runs.experiment import Experiment
from fpgaae.runs.folder import MANIFEST

LAYERS_FILE = "rtl_layers.json"  # in the run folder: a file in that of `trace` would stand for an edit by hand


def compare_layers(experiment: Experiment, progress: Progress) -> Json:
    """Compare the codes of each layer on all events of the stage `rtl`, and write `rtl_layers.json`.

    Raises
    ------
    InputError
        If the experiment is not traced.
    """
    traced = read_json(experiment.stage_folder("trace") / MANIFEST)
    network = IntegerNetwork.load(experiment.stage_folder("convert") / GOLDEN_FILE)
    features = FeatureMap.from_json(read_json(experiment.result_path("data"))["feature_types"])
    names = [layer.name for layer in network.layers]
    with progress.task("tracing all layers", None):
        logic = trace_layers(network, features, names)
    edges = EdgeEvents.load(experiment.stage_folder("convert") / EDGES_FILE).hardware
    stimuli = Stimuli(experiment.config, experiment.stage_folder("data"), features, network, edges)
    plan = [source for source in stimuli.sources() if source.origin != LAYERS]
    total = Comparison.of_layers(names)
    with progress.task("comparing layers", sum(source.stop - source.start for source in plan)) as task:
        for source in plan:
            hardware = stimuli.make(source).hardware
            if len(hardware):
                codes = logic.predict(hardware.astype(np.float64), n_threads=1).astype(np.int64)
                golden = network.run(features.input_codes(hardware, network.input_type))
                total.merge(compare_codes(_by_layer(network, codes), golden, source.origin, source.start))
            task.advance(source.stop - source.start)
    first = total.first_mismatch
    result: Json = {
        "passed": total.passed,
        "events": total.events,
        "mismatched_events": total.mismatched_events,
        "first_mismatch": first and first._asdict(),
        "layers": [layer.to_json() for layer in total.layers.values()],
        "trace_fingerprint": traced.get("fingerprint"),
    }
    with lock(experiment.folder):
        write_json(experiment.folder / LAYERS_FILE, result)
    return result


def wrong_layer_sentence(result: Json) -> str:
    """Say in one sentence which layer differs first."""
    first = Mismatch(**result["first_mismatch"])
    return f"the traced layers differ from the golden codes, {first.layer} first: {first}"


def _by_layer(network: IntegerNetwork, codes: Codes) -> dict[str, tuple[Codes, FixedPointType]]:
    """Take the outputs of the logic apart."""
    ends = accumulate(layer.size for layer in network.layers)
    pairs = zip(network.layers, ends, strict=True)
    return {layer.name: (codes[:, end - layer.size : end], layer.type) for layer, end in pairs}
