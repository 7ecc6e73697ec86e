"""What a scan measures: of a float reference its scores, of a quantized network its firmware's scores and cost.

The integer network's codes are the bits of the firmware, so that nothing is compiled. Needs TensorFlow (Keras 2,
QKeras) to read the model, and da4ml for the cost.
"""

from __future__ import annotations

from fpgaae.data.features import FeatureMap
from fpgaae.data.inputs import open_split
from fpgaae.errors import InputError
from fpgaae.evaluation.networks import float_scorer
from fpgaae.golden.trigger import GoldenTrigger
from fpgaae.hls.working_points import background_scores, choose_working_points, kept_crossings
from fpgaae.models.extract import extract_network
from fpgaae.models.quantized import MODEL_FILE, load_quantized
from fpgaae.rtl.design import Design
from fpgaae.rtl.project import cut_into_stages, describe
from fpgaae.rtl.trace import trace_trigger
from fpgaae.runs.results.data import DataResult
from fpgaae.runs.results.scan import BaselineResult, TrialResult
from fpgaae.runs.results.train import TrainResult
from fpgaae.runs.run import StageRun
from fpgaae.scan.measurement import measure


def run_baseline(run: StageRun) -> BaselineResult:
    """Measure the float reference."""
    measured = measure(run, float_scorer(run, open_split(run, "test")))
    measured.save(run.folder)
    return BaselineResult(auc=measured.auc_by_signal(), tpr=measured.tpr_by_rate())


def run_trial(run: StageRun) -> TrialResult:
    """Measure the firmware that a quantized network will be, without compiling it."""
    if run.config.firmware.reloadable_weights:
        raise InputError(
            "a scan estimates the area of constant weights; set firmware.reloadable_weights to false in the scan's base"
        )
    features = FeatureMap.of(run.result(DataResult))
    network = extract_network(load_quantized(str(run.upstream("train") / MODEL_FILE)))
    trigger = GoldenTrigger(features, network)
    measured = measure(run, trigger.behind_words.scores)
    measured.save(run.folder)
    design = _estimate(run, trigger)
    trained = run.result(TrainResult)
    return TrialResult(
        auc=measured.auc_by_signal(),
        tpr=measured.tpr_by_rate(),
        lut=design.estimated_lut,
        ff=design.estimated_ff,
        latency_cycles=design.latency_cycles,
        latency_ns=design.latency_cycles * run.config.firmware.clock_ns,
        sparsity=trained.whole_sparsity,
        val_loss=trained.val_loss,
        score_type=str(network.score.type),
    )


def _estimate(run: StageRun, trigger: GoldenTrigger) -> Design:
    """Trace the whole trigger block, with the thresholds that `convert` would choose, and ask da4ml for its cost."""
    background = background_scores(run, trigger)
    crossings = kept_crossings(run.config.trigger, run.result(DataResult), run.config.data.background)
    chosen = choose_working_points(run, background, crossings)
    decided = trigger.with_thresholds(chosen.codes, chosen.sums)
    firmware = run.config.firmware
    block = cut_into_stages(trace_trigger(decided), firmware.clock_ns, three_inputs=firmware.three_input_adders)
    return describe(block, run.config.firmware.project_name)
