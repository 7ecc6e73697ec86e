"""What a scan comes to, by hand: the front, paired differences, corrected p-values; its table and figure."""

from __future__ import annotations

import csv
import io
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from scans import make_measurement, write_scan
from scipy.stats import norm

from fpgaae.cli.tables import scan_summary
from fpgaae.errors import InputError
from fpgaae.evaluation.figure_files import save_figure
from fpgaae.runs.results.scan import ScanPoints, ScanResult, TrialEntry
from fpgaae.scan.figure import scan_figure
from fpgaae.scan.measurement import Measurement
from fpgaae.scan.plan import Objective, Scan, load_scan
from fpgaae.scan.results import FinishedPoint, objective_values, pareto_front, summarize_points
from fpgaae.scan.table import as_csv, as_markdown, header, rows


@pytest.fixture
def scan(tmp_path: Path) -> Scan:
    return load_scan(write_scan(tmp_path))


def _point(bits: int, shift: float, *, lut: int = 100) -> FinishedPoint:
    """Give a point whose areas are those of the reference plus a shift, which has a spread of its own."""
    baselines = tuple(make_measurement(0.9, seed=7) for _ in range(2))
    rng = np.random.default_rng(bits)
    measured = []
    for seed, baseline in enumerate(baselines):
        noise = 0.002 * rng.standard_normal(baseline.auc_replicas.shape)
        measured.append(
            baseline._replace(
                auc=baseline.auc + shift + 0.001 * seed,
                auc_replicas=baseline.auc_replicas + shift + 0.001 * seed + noise,
            )
        )
    trials = tuple(
        TrialEntry(
            label=f"bits_{bits}-seed_{i}", seed=i, auc={}, tpr={}, lut=lut + 10 * i, ff=1, latency_cycles=1,
            latency_ns=5.0, sparsity=0.5, val_loss=0.1, score_type="ap_ufixed<8,4>",
        )
        for i in range(2)
    )  # fmt: skip
    return FinishedPoint(f"bits_{bits}", {"bits": bits}, trials, tuple(measured), baselines)


@pytest.fixture
def result(scan: Scan) -> ScanPoints:
    points = [_point(4, -0.05, lut=100), _point(8, 0.0, lut=300), _point(16, -0.0005, lut=900)]
    return summarize_points(scan, points, {})


def test_the_front_is_what_no_other_point_beats() -> None:
    kinds = (Objective.MEAN_AUC, Objective.LUT)
    points = [(0.9, 10), (0.8, 5), (0.85, 20), (0.9, 12), (0.7, 5), (0.95, 30)]
    assert pareto_front(points, kinds) == [True, True, False, False, False, True]
    assert pareto_front([(0.9, 10), (0.9, 10)], kinds) == [True, True]
    assert pareto_front([(0.9, 10, 5.0), (0.9, 10, 4.0)], (*kinds, Objective.LATENCY_NS)) == [False, True]


def test_the_objectives_are_means_over_signals_and_seeds(scan: Scan) -> None:
    point = _point(4, -0.05)
    auc, lut, latency = objective_values(scan.settings, point)
    assert auc == pytest.approx((0.85 + 0.75) / 2 + 0.0005)
    assert (lut, latency) == (105, 5)


def test_an_efficiency_that_cannot_be_measured_is_no_objective(tmp_path: Path) -> None:
    scan = load_scan(write_scan(tmp_path, objectives=["mean_tpr", "lut"], false_positive_rate=1e-3))
    few = make_measurement(0.9, background_above=4)
    point = _point(4, 0.0)._replace(baselines=(few, few))
    with pytest.raises(InputError, match=r"fewer than 5 background events .* rate of 1e-03; give a larg"):
        objective_values(scan.settings, point)
    assert objective_values(scan.settings, _point(4, 0.0))[0] == pytest.approx((0.09 + 0.08) / 2)


@pytest.mark.slow
def test_an_efficiency_that_ties_leave_too_few_events_for_is_not_compared(scan: Scan) -> None:
    """A network of few bits may have one score for all of the tail; the other points keep their efficiencies."""
    coarse, fine = _point(4, -0.05), _point(8, 0.0)
    tied = coarse.measured[1]._replace(background_above=np.full_like(coarse.measured[1].background_above, 4))
    result = summarize_points(scan, [coarse._replace(measured=(coarse.measured[0], tied)), fine], {})
    assert result.tests == 2 + 4
    assert [set(point.signals["signal"]) for point in result.points] == [{"auc"}, {"auc", "tpr"}]
    assert [row[3] for row in rows(result)] == ["\N{EN DASH}", "1.000 ="]
    assert len(list(csv.DictReader(io.StringIO(as_csv(result))))) == 2
    assert len(scan_figure(result).axes) == 3


def test_differences_are_paired_and_their_p_values_corrected_for_the_whole_scan(scan: Scan) -> None:
    points = [_point(4, -0.05), _point(8, 0.0), _point(16, -0.0005)]
    result = summarize_points(scan, points, {})
    assert result.tests == 3 * 2 * 2  # points, signals, area and efficiency
    plain = []
    for point, found in zip(points, result.points, strict=True):
        for i, signal in enumerate(result.signals):
            own = found.signals[signal]["auc"]
            deltas = [
                m.auc_replicas[i] - b.auc_replicas[i] for m, b in zip(point.measured, point.baselines, strict=True)
            ]
            spread = np.mean(deltas, axis=0).std(ddof=1)
            value = np.mean([m.auc[i] - b.auc[i] for m, b in zip(point.measured, point.baselines, strict=True)])
            assert spread < 0.003, "the common spread of 0.01 drops out of a paired difference"
            assert own.difference.value == pytest.approx(value)
            beyond = [norm.cdf((margin - abs(value)) / spread) for margin in (1e-4, -1e-4)]
            assert own.p_value == pytest.approx(sum(beyond))
            assert own.ratio.value == pytest.approx(1 + value / point.baselines[0].auc[i])
            plain.append(own.p_value)
    ordered = sorted(plain + [1.0] * 6)  # the efficiencies are those of the reference
    smallest = result.points[0].signals["signal"]["auc"]
    rank = ordered.index(smallest.p_value)
    assert smallest.corrected_p_value == pytest.approx(min(1.0, max((12 - j) * ordered[j] for j in range(rank + 1))))
    assert [point.distinguishable for point in result.points] == [("signal auc", "other auc"), (), ()]


def test_where_scores_tie_differences_are_those_of_the_replicas_themselves(scan: Scan) -> None:
    """The made-up replicas of tied scores spread twice as far; one network of a point suffices."""
    plain = _point(4, -0.05)
    index = plain.measured[0].fprs.index(scan.settings.false_positive_rate)
    tied = plain.measured[0].tied.copy()
    tied[index] = True
    point = plain._replace(measured=(plain.measured[0]._replace(tied=tied), plain.measured[1]))
    shifted = [m._replace(tpr=m.tpr + 0.01, tied_tpr_replicas=m.tied_tpr_replicas * 3 + 0.01) for m in point.measured]
    point = point._replace(measured=tuple(shifted))
    found = summarize_points(scan, [point], {}).points[0].signals["signal"]["tpr"]
    deltas = np.mean(
        [m.tied_tpr_replicas[0, :, index] - b.tied_tpr_replicas[0, :, index]
         for m, b in zip(point.measured, point.baselines, strict=True)], axis=0,
    )  # fmt: skip
    value = np.mean([m.tpr[0, index] - b.tpr[0, index] for m, b in zip(point.measured, point.baselines, strict=True)])
    low, high = np.quantile(deltas, [(1 - 0.6827) / 2, (1 + 0.6827) / 2], method="weibull")
    assert (found.difference.low, found.difference.high) == pytest.approx((low, high))
    error = (value - np.quantile(deltas, 0.025, method="weibull")) / norm.isf(0.025)
    if error <= 0:
        error = deltas.std(ddof=1)
    assert found.p_value == pytest.approx(sum(norm.cdf((margin - abs(value)) / error) for margin in (1e-4, -1e-4)))


def test_a_measurement_of_an_earlier_version_is_refused(tmp_path: Path) -> None:
    wanted = make_measurement(0.8)._asdict()
    del wanted["tied"]
    np.savez(tmp_path / "measurement.npz", **wanted)
    with pytest.raises(InputError, match=r"has no `tied`.*scan again"):
        Measurement.load(tmp_path)


def test_without_a_correction_a_scan_of_equal_points_would_find_differences(scan: Scan) -> None:
    """30 points without any difference: the chance of one false `distinguishable` is that of a single test."""
    rng = np.random.default_rng(5)
    points = []
    for bits in range(30):
        point = _point(bits + 2, 0.0)
        shifts = rng.normal(0, 0.0014, size=2)  # what noise of 0.002 a seed gives the mean of two
        measured = tuple(m._replace(auc=b.auc + shifts) for m, b in zip(point.measured, point.baselines, strict=True))
        points.append(point._replace(measured=measured))
    signals = [own["auc"] for point in summarize_points(scan, points, {}).points for own in point.signals.values()]
    assert any(own.p_value < 0.05 for own in signals)
    assert not any(own.distinguishable for own in signals)


def test_the_error_of_a_mean_is_that_of_events_and_seeds(result: ScanPoints) -> None:
    performance = result.points[0].performance
    assert performance.of_seeds == pytest.approx(0.001 / np.sqrt(2) / np.sqrt(2))
    assert performance.standard_error == pytest.approx(np.hypot(performance.of_events, performance.of_seeds))
    assert result.points[0].lut == (105, 100, 110)


def test_the_table_has_a_row_a_point(result: ScanPoints) -> None:
    table = rows(result)
    assert header(result) == [
        "bits", "mean AUC", "signal AUC", "signal TPR", "other AUC", "other TPR", "LUT", "FF", "ns", "front",
    ]  # fmt: skip
    assert [row[0] for row in table] == ["4", "8", "16"]
    assert [row[-1] for row in table] == ["*", "*", ""]
    assert table[0][2:5] == ["0.945 \N{NOT EQUAL TO}", "1.000 =", "0.938 \N{NOT EQUAL TO}"]
    assert table[1][2:5] == ["1.001 =", "1.000 =", "1.001 ="]
    lines = as_markdown(result).splitlines()
    assert len({line.count("|") for line in lines[:5]}) == 1
    assert "corrected for all 12 tests after Holm, level 0.05)" in lines[-1]
    odd = replace(result, signals=("signal", "a|[/b]"), points=tuple(
        replace(point, signals={"signal": point.signals["signal"], "a|[/b]": point.signals["other"]})
        for point in result.points
    ))  # fmt: skip
    assert r"| a\|[/b] AUC |" in as_markdown(odd)
    console = Console(width=300, color_system=None)
    with console.capture() as shown:
        console.print(scan_summary(ScanResult(**vars(odd), folder="f", front=(), trials_run=0, wall_time_s=0.0)))
    assert "a|[/b] AUC" in shown.get()
    read = list(csv.DictReader(io.StringIO(as_csv(result))))
    assert [row["bits"] for row in read] == ["4", "8", "16"]
    point = result.points[0].signals["signal"]["auc"]
    assert float(read[0]["signal_auc_ratio_low"]) == point.ratio.low
    assert read[0]["signal_auc_distinguishable"] == "True"
    assert float(read[0]["lut_high"]) == 110


@pytest.mark.slow
def test_the_figure_draws_front_and_ratios_and_is_the_same_twice(result: ScanPoints, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = scan_figure(result)
        area, efficiency, front = figure.axes
        assert list(area.get_xticks()) == list(efficiency.get_xticks()) == [4, 8, 16]
        assert {text.get_text() for text in front.texts} == {"4", "8"}
        files = [save_figure(scan_figure(result), tmp_path, name)[0].read_bytes() for name in ("a", "b")]
    assert files[0] == files[1]
    points = tuple(replace(p, values={**p.values, "score": "x"}) for p in result.points)
    two_axes = replace(result, axes={"bits": (), "score": ()}, points=points)
    assert len(scan_figure(two_axes).axes) == 1


def test_a_measurement_comes_back_from_its_file(tmp_path: Path) -> None:
    wanted = make_measurement(0.8)
    wanted.save(tmp_path)
    found = Measurement.load(tmp_path)
    assert (found.signals, found.fprs) == (wanted.signals, wanted.fprs)
    for one, two in zip(wanted[2:], found[2:], strict=True):
        np.testing.assert_array_equal(one, two)
