"""Experiments side by side: what run folders say, paired differences on one sample, and why others have none."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from results import csim_result, estimate, metrics_result, rtl_result, signal_metrics
from rich.console import Console

from fpgaae.cli.tables import compared_table
from fpgaae.data.store import EventWriter
from fpgaae.errors import InputError
from fpgaae.evaluation.metrics import auc
from fpgaae.files import read_json, write_json
from fpgaae.report.comparison import PairedSettings, compare_runs, comparison_page
from fpgaae.runs.folder import MANIFEST

SETTINGS = PairedSettings(replicas=40)
RNG = np.random.default_rng(4)
SCORES = {"background": RNG.integers(0, 1000, 3000), "signal": RNG.integers(300, 1300, 400)}
METRICS = metrics_result(
    models={
        model: {"signal": signal_metrics(estimate(0.8, 0.79, 0.81), **{"1e-03": estimate(0.2, 0.1, 0.3)})}
        for model in ("float", "firmware")
    }
)


def _write(
    folder: Path, scores: dict[str, NDArray[np.int64]], *, file: str = "a", first_group: int = 0,
    weight: float | None = None,
) -> Path:  # fmt: skip
    """Write what `compare` reads of a finished experiment."""
    config = {"model": {"kind": "autoencoder"}, "data": {"background": "background"}}
    for stage in ("data", "evaluate", "csim", "rtl"):
        (folder / stage).mkdir(parents=True)
    with EventWriter(folder / "data", 1, np.int16) as writer:
        for process, own in scores.items():
            codes = np.zeros((len(own), 1), dtype=np.int64)
            columns = {} if weight is None else {"weight": np.full(len(own), weight)}
            writer.append(process, "test", codes, first_group + np.arange(len(own), dtype=np.int64), columns)
    write_json(folder / "data" / MANIFEST, {"inputs": {"events/background": file}, "config": config})
    write_json(
        folder / "evaluate" / MANIFEST, {"config_file": f"{folder.name}.yaml", "git_commit": None, "config": config}
    )
    METRICS.write(folder / "evaluate" / "metrics.json")
    csim_result(passed=True, events=3400).write(folder / "csim" / "csim.json")
    replace(rtl_result(), latency_cycles=10, clock_ns=5.0).write(folder / "rtl" / "rtl.json")
    np.savez(folder / "csim" / "scores.npz", **scores)  # type: ignore[arg-type]
    return folder


@pytest.fixture
def runs(tmp_path: Path) -> list[Path]:
    better = {**SCORES, "signal": SCORES["signal"] + 200}
    return [
        _write(tmp_path / "first", SCORES),
        _write(tmp_path / "better", better),
        _write(tmp_path / "same", SCORES),
        _write(tmp_path / "elsewhere", SCORES, file="b"),
        _write(tmp_path / "other_events", SCORES, first_group=7),
    ]


def test_differences_are_paired_where_the_events_are_the_same(runs: list[Path]) -> None:
    found = compare_runs(runs, SETTINGS)
    assert found.reference == "first"
    assert list(found.differences) == ["better", "same"]
    area = found.differences["better"]["signal"].auc
    truth = auc(SCORES["background"], SCORES["signal"] + 200) - auc(SCORES["background"], SCORES["signal"])
    assert area.value == pytest.approx(truth)
    assert area.low is not None
    assert area.low > 0
    same = found.differences["same"]["signal"].auc
    assert (same.value, same.low, same.high) == (0, 0, 0)
    assert found.unpaired == {
        "elsewhere": "its events come from other files than those of first",
        "other_events": "its test events are others than those of first",
    }
    first = found.runs[0]
    assert (first.origin, first.latency_ns, first.config_file) == ("trained", 50.0, "first.yaml")
    assert first.csim is not None
    assert tuple(first.csim) == (True, 3400)


def test_the_run_that_differences_are_to_is_one_whose_scores_can_be_read(runs: list[Path]) -> None:
    (runs[0] / "csim" / "scores.npz").write_bytes(b"PK damaged")
    found = compare_runs(runs[:3], SETTINGS)
    assert found.reference == "better"
    assert list(found.differences) == ["same"]
    assert found.unpaired["first"].startswith("its events or scores can't be read")
    area = found.differences["same"]["signal"].auc
    assert area.high is not None
    assert area.high < 0, "the first that can be read is the better one"
    assert "To better, on the same test events" in comparison_page(found)


def test_events_of_other_weights_are_no_pair(runs: list[Path], tmp_path: Path) -> None:
    weighed = _write(tmp_path / "weighed", SCORES, weight=2.0)
    found = compare_runs([runs[0], weighed], SETTINGS)
    assert found.unpaired == {"weighed": "its test events have other weights than those of first"}
    again = _write(tmp_path / "again", SCORES, weight=2.0)
    assert list(compare_runs([weighed, again], SETTINGS).differences) == ["again"]


def test_signals_that_others_lack_and_names_that_look_like_markup_are_shown(runs: list[Path]) -> None:
    whole = compare_runs(runs[:2], SETTINGS)
    first, other = whole.runs
    odd = {model: {**own, "[/b]<i>": own["signal"]} for model, own in other.models.items()}
    found = replace(whole, runs=(first, replace(other, models=odd)), reference="[/b]")
    assert "since not all experiments have them: [/b]&lt;i&gt;." in comparison_page(found)
    console = Console(width=200, color_system=None)
    with console.capture() as capture:
        console.print(compared_table(found))
    assert "[/b]<i>" in capture.get()
    assert "- [/b]" in capture.get()


def test_what_rests_on_files_that_are_there_no_more_is_left_out_or_refused(runs: list[Path]) -> None:
    def manifest(stage: str, **parts: dict[str, str]) -> None:
        file = runs[0] / stage / MANIFEST
        file.parent.mkdir(exist_ok=True)
        write_json(file, (read_json(file) if file.is_file() else {}) | parts)

    manifest("trace", outputs={"a.v": "new"})
    manifest("rtl", inputs={"trace/a.v": "old", "trace/trace.json": "old"})
    found = compare_runs(runs[:2], SETTINGS)
    assert (found.runs[0].rtl, found.runs[0].latency_ns) == (None, None)
    assert found.runs[1].rtl is not None
    (sentence,) = found.left_out
    assert sentence.endswith("first/rtl rests on another trace/a.v than lies beside it now and is left out; "
                             "run `fpgaae rtl CONFIG --force`")  # fmt: skip
    assert sentence in comparison_page(found)
    manifest("csim", outputs={"scores.npz": "new"})
    manifest("evaluate", inputs={"csim/scores.npz": "old"})
    with pytest.raises(InputError, match=r"first/evaluate rests on another csim/scores\.npz than lies beside it now"):
        compare_runs(runs[:2], SETTINGS)


def test_the_page_shows_all_and_asks_for_nothing(runs: list[Path]) -> None:
    page = comparison_page(compare_runs(runs, SETTINGS))
    for name in ("first", "better", "elsewhere, firmware", "50 ns", "3,400 events", "its test events are others"):
        assert name in page
    assert "http" not in page


def test_what_cannot_be_compared_is_refused_with_a_way_out(runs: list[Path], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="give run folders"):
        compare_runs([])
    with pytest.raises(InputError, match="two of the run folders are called first"):
        compare_runs([runs[0], runs[0]])
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds neither an evaluation nor a float method"):
        compare_runs([runs[0], tmp_path / "empty"])
    (runs[1] / "csim" / "scores.npz").unlink()
    assert compare_runs(runs, SETTINGS).unpaired["better"].startswith("its events or scores can't be read")


def test_the_command_writes_page_and_numbers(
    runs: list[Path], tmp_path: Path, run_cli: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    done = run_cli("compare", *runs, "--output", tmp_path / "out[b]")
    assert done.returncode == 0, done.stderr
    assert "better" in done.stdout
    assert f"wrote {tmp_path}/out[b]/comparison.html" in done.stdout
    assert set(read_json(tmp_path / "out[b]" / "comparison.json")["differences"]) == {"better", "same"}
    assert (tmp_path / "out[b]" / "comparison.html").is_file()
