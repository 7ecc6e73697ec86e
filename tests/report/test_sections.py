from __future__ import annotations

from typing import Any

from fpgaae.report.sections import (
    ResourceRow,
    ablation_table,
    correlation_rows,
    metric_tables,
    rate_chart,
    resource_rows,
    verdict_rows,
)
from fpgaae.report.tables import NOT_MEASURABLE

ESTIMATE = {"value": -0.01, "low": -0.012, "high": -0.008, "background_events_above": 70}
SYNTH = {
    "tool": "Yosys 0.23",
    "comparison": [
        {"name": "da4ml's estimate", "lut": 20, "ff": 10, "percent": {"lut": 0.1}},
        {"name": "Yosys", "lut": 18, "ff": 9, "dsp": 0, "bram": 0.5, "percent": {"lut": 0.09}},
    ],
}


def test_a_verdict_says_what_rounding_alone_does() -> None:
    said = {"distinguishable": True, "sentence": "they differ"}
    metrics: dict[str, Any] = {
        "verdicts": {"models": {"firmware": {"zprime": said}}},
        "ablation": {"verdicts": {"models": {"everything": {"zprime": {"sentence": "rounding does not"}}}}},
    }
    assert verdict_rows(metrics) == [("zprime", True, "they differ", "rounding does not")]
    del metrics["ablation"]
    assert verdict_rows(metrics)[0].alone is None
    assert verdict_rows({}) == []


def test_each_part_is_a_column() -> None:
    entry = {"zprime": {"auc": ESTIMATE, "tpr": {"1e-01": ESTIMATE, "1e-03": ESTIMATE}}}
    table = ablation_table({"ablation": {"delta": {"inputs": entry, "everything": entry}}})
    assert table is not None
    assert table.columns == ["inputs", "everything"]
    assert [row.metric for row in table.signals["zprime"]] == ["AUC", "TPR 1e-03"]
    assert table.signals["zprime"][1].background_events == (70, 70)
    assert ablation_table({}) is None


def test_resources_are_those_of_the_latest_stage() -> None:
    rtl = {"estimated": {"lut": 20, "ff": 10}}
    assert resource_rows(None, None) == ()
    assert resource_rows(rtl, None) == (ResourceRow("da4ml's estimate", 20, 10),)
    estimate, found = resource_rows(rtl, SYNTH)
    assert (estimate.source, estimate.dsp) == ("da4ml's estimate", None)
    assert found == ResourceRow("Yosys 0.23", 18, 9, 0, 0.5, {"lut": 0.09})


def test_correlations_are_rows_by_model() -> None:
    own = {
        "distance_correlation": {"float": 0.751, "firmware": 0.698},
        "shared_decisions": {"float": [0.2], "firmware": [None]},
    }
    rows = correlation_rows({"correlation": {"ht_gev": own}})
    assert rows == [("HT", "float", "0.75", ("20 %",)), ("HT", "firmware", "0.70", (NOT_MEASURABLE,))]


def test_without_the_firmware_there_is_no_slider() -> None:
    assert rate_chart({}) is None
    assert rate_chart({"rates": {"models": {"float": {}}}}) is None


def test_without_a_signal_there_is_no_table() -> None:
    models: dict[str, Any] = {"float": {}, "quantized": {}, "firmware": {}}
    assert metric_tables({"models": models, "delta": {}, "delta_quantized": {}}) == []
    assert ablation_table({"ablation": {"delta": {"weights": {}, "everything": {}}}}) is None
