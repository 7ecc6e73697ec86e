from __future__ import annotations

from dataclasses import replace

import pytest
from results import (
    NO_ABLATION,
    NO_RATES,
    NO_VERDICTS,
    csim_result,
    estimate,
    metrics_result,
    place_result,
    rtl_result,
    signal_metrics,
    synth_result,
)

from fpgaae.report.sections import (
    ResourceRow,
    ablation_table,
    correlation_rows,
    loaded_facts,
    metric_tables,
    notes,
    placed_facts,
    rate_chart,
    resource_rows,
    verdict_rows,
)
from fpgaae.report.tables import NOT_MEASURABLE
from fpgaae.runs.results.csim import ReloadedThresholds
from fpgaae.runs.results.metrics import (
    Correlation,
    Intervals,
    Profile,
    RateCurve,
    SignalMetrics,
    SignalVerdict,
    Verdicts,
)
from fpgaae.runs.results.metrics import TestedMetric as MetricOfTest
from fpgaae.runs.results.rtl import RegisterLoads
from fpgaae.runs.results.synth import ResourceEntry

ESTIMATE = estimate(-0.01, -0.012, -0.008, background_events_above=70)
SYNTH = synth_result(
    comparison=(
        ResourceEntry(name="da4ml's estimate", lut=20, ff=10, percent={"lut": 0.1}),
        ResourceEntry(name="Yosys", lut=18, ff=9, dsp=0, bram=0.5, percent={"lut": 0.09}),
    )
)


def _verdicts(model: str, sentence: str) -> Verdicts:
    said = SignalVerdict(distinguishable=True, p_value=0.01, tests_of_the_model=1, metrics={}, sentence=sentence)
    return replace(NO_VERDICTS, models={model: {"zprime": said}})


def test_a_verdict_says_what_rounding_alone_does() -> None:
    ablation = replace(NO_ABLATION, verdicts=_verdicts("everything", "rounding does not"))
    metrics = metrics_result(verdicts=_verdicts("firmware", "they differ"), ablation=ablation)
    assert verdict_rows(metrics) == [("zprime", True, "they differ", "rounding does not", None)]
    assert verdict_rows(replace(metrics, ablation=NO_ABLATION))[0].alone is None
    assert verdict_rows(metrics_result()) == []


@pytest.mark.parametrize(
    ("auc", "tpr", "p_of_tpr", "direction"),
    [
        (-0.1, -0.2, 0.01, "worse"),
        (0.1, -0.2, 0.9, "better"),
        (0.1, -0.2, 0.01, "better and worse"),
    ],
)
def test_a_verdict_says_better_or_worse(auc: float, tpr: float, p_of_tpr: float, direction: str) -> None:
    said = SignalVerdict(
        distinguishable=True,
        p_value=0.01,
        tests_of_the_model=2,
        metrics={
            "auc": MetricOfTest(p_value=0.01, corrected_p_value=0.01),
            "1e-03": MetricOfTest(p_value=p_of_tpr, corrected_p_value=p_of_tpr),
        },
        sentence="they differ",
    )
    delta = {"zprime": SignalMetrics(auc=replace(ESTIMATE, value=auc), tpr={"1e-03": replace(ESTIMATE, value=tpr)})}
    verdicts = Verdicts(level=0.05, margin=1e-4, correction="holm", models={"firmware": {"zprime": said}})
    (row,) = verdict_rows(metrics_result(verdicts=verdicts, delta=delta))
    assert row.direction == direction


def test_each_part_is_a_column() -> None:
    entry = {"zprime": signal_metrics(ESTIMATE, at_1e_01=ESTIMATE, at_1e_03=ESTIMATE)}
    table = ablation_table(replace(NO_ABLATION, delta={"inputs": entry, "everything": entry}))
    assert table is not None
    assert table.columns == ["inputs", "everything"]
    assert [row.metric for row in table.signals["zprime"]] == ["AUC", "TPR 1e-03"]
    assert table.signals["zprime"][1].background_events == (70, 70)
    assert ablation_table(NO_ABLATION) is None


def test_resources_are_those_of_the_latest_stage() -> None:
    rtl = rtl_result()
    assert resource_rows(None, None) == ()
    assert resource_rows(rtl, None) == (ResourceRow("da4ml's estimate", 20, 10),)
    estimated, found = resource_rows(rtl, SYNTH)
    assert (estimated.source, estimated.dsp) == ("da4ml's estimate", None)
    assert found == ResourceRow("Yosys 0.23", 18, 9, 0, 0.5, {"lut": 0.09})


def test_sets_of_thresholds_that_were_loaded_are_facts() -> None:
    assert loaded_facts(csim_result(), rtl_result()) == {}
    loaded = ReloadedThresholds(
        passed=True, seed=1, sets=40, events=60, decisions=9000, decision_flips=0, first_mismatch=None
    )
    csim = csim_result(reloaded_thresholds=loaded)
    assert loaded_facts(csim, None) == {"thresholds loaded, C simulation": "40 sets, equal"}
    wrong = RegisterLoads(passed=False, failure="event 3", sets=3, events=60, mismatched_events=4)
    found = loaded_facts(csim, rtl_result(reloaded_thresholds=wrong))
    assert found["thresholds loaded, registers in Verilog"] == "3 sets, NOT equal"


def test_correlations_are_rows_by_model() -> None:
    own = Correlation(
        events_of_correlation=4000,
        profile=Profile(low=(), high=(), mean=(), events=(), models={}),
        distance_correlation={"float": 0.751, "firmware": 0.698},
        false_positive_rates=(0.01,),
        shared_decisions={"float": (0.2,), "firmware": (None,)},
    )
    rows = correlation_rows({"ht_gev": own})
    assert rows == [("HT", "float", "0.75", ("20 %",)), ("HT", "firmware", "0.70", (NOT_MEASURABLE,))]


def test_without_the_firmware_there_is_no_slider() -> None:
    nothing = Intervals(value=(), low=(), high=())
    curve = RateCurve(threshold=(), background_passed=(), rate_khz=nothing, efficiency={})
    assert rate_chart(metrics_result()) is None
    assert rate_chart(metrics_result(rates=replace(NO_RATES, models={"float": curve}))) is None


def test_without_a_signal_there_is_no_table() -> None:
    models: dict[str, dict[str, SignalMetrics]] = {"float": {}, "quantized": {}, "firmware": {}}
    assert metric_tables(metrics_result(models=models, delta={}, delta_quantized={})) == []
    assert ablation_table(replace(NO_ABLATION, delta={"weights": {}, "everything": {}})) is None


def test_what_is_not_measurable_of_some_models_names_them() -> None:
    few, none = estimate(None, note="not measurable: 3 pass"), estimate(None, note="not measurable: 0 pass")
    models = {
        "float": {"zprime": signal_metrics(ESTIMATE, at_1e_03=ESTIMATE, at_1e_05=few)},
        "n_objects": {"zprime": signal_metrics(ESTIMATE, at_1e_03=none, at_1e_05=few)},
    }
    assert notes(metrics_result(models=models)) == [
        "Not measurable: 3 pass.",
        "Not measurable: 0 pass (n_objects).",
    ]


def test_the_routed_chip_is_told_with_the_layers_of_its_slowest_path() -> None:
    facts = placed_facts(place_result())
    assert facts["clock after routing"] == "71.5 MHz, wanted 60 MHz"
    assert facts["latency"] == "6 clocks, 83.9 ns at that clock"
    assert facts["slowest path"] == "14 ns, 8.5 ns of it routing, through hidden, hidden_relu"
    assert facts["taken"] == "1,200 of 24,288 TRELLIS_COMB"
