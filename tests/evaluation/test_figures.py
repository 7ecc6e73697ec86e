from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from figure_layout import layout_faults
from matplotlib import image
from matplotlib.axes import Axes
from numpy.typing import NDArray
from pydantic import ValidationError

from fpgaae.config.experiment import Labels
from fpgaae.errors import InputError
from fpgaae.evaluation.comparison import MODELS
from fpgaae.evaluation.figure_files import PNG_DPI, figure_svg, head, save_figure
from fpgaae.evaluation.figures import roc_figure, score_figure, training_figure
from fpgaae.evaluation.metrics import RocCurve, roc_curve
from fpgaae.statistics import threshold_at_fpr

N_BACKGROUND = 2000


def make_scores(*, integers: bool = True) -> dict[str, NDArray[Any]]:
    rng = np.random.default_rng(0)
    scores = {"background": rng.gamma(2, 20, N_BACKGROUND), "a_to_4l": rng.gamma(4, 30, 400)}
    return {name: np.rint(values).astype(np.int64) for name, values in scores.items()} if integers else scores


def make_curves(n_signals: int) -> dict[str, dict[str, RocCurve]]:
    scores = make_scores()
    curve = roc_curve(scores["background"], scores["a_to_4l"], 40)
    return {f"signal {i}": dict.fromkeys(reversed(MODELS), curve) for i in range(n_signals)}


@pytest.mark.slow
@pytest.mark.parametrize("n_signals", [1, 3, 4])
def test_every_signal_has_its_panel(n_signals: int) -> None:
    figure = roc_figure(make_curves(n_signals), N_BACKGROUND)
    panels = [axes for axes in figure.axes if axes.get_visible()]
    assert [axes.get_title(loc="left") for axes in panels] == [f"signal {i}" for i in range(n_signals)]
    for axes in panels:
        assert axes.get_xlim() == (1 / N_BACKGROUND, 1)
    assert layout_faults(figure) == []


def test_firmware_is_dashed_on_top_of_quantized() -> None:
    figure = roc_figure(make_curves(1), N_BACKGROUND)
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == list(MODELS)
    lines = dict(zip(labels, figure.axes[0].get_lines(), strict=False))
    assert lines["firmware"].get_linestyle() == "--"
    assert lines["quantized"].get_linestyle() == "-"
    assert lines["firmware"].get_zorder() > lines["quantized"].get_zorder() > lines["float"].get_zorder()
    assert {line.get_drawstyle() for line in lines.values()} == {"steps-post"}


def test_unknown_models_and_tiny_backgrounds_are_drawn() -> None:
    curve = roc_curve(np.arange(10), np.arange(5, 15))
    figure = roc_figure({"a": {"float": curve, "student": curve}}, 10, log_tpr=False)
    assert figure.axes[0].get_xlim() == (0.1, 1)
    assert figure.axes[0].get_yscale() == "linear"


@pytest.mark.slow
@pytest.mark.parametrize("integers", [True, False], ids=["integers", "floats"])
@pytest.mark.parametrize("scale", [1, 1000], ids=["small", "large"])
def test_every_event_is_drawn_and_the_area_is_one(integers: bool, scale: int) -> None:
    scores = {name: values * scale for name, values in make_scores(integers=integers).items()}
    figure = score_figure(scores, "background")
    width = np.median(np.abs(scores["background"]))
    for name, stairs in zip(scores, stairs_of(figure.axes[0]), strict=True):
        heights, edges, _ = stairs.get_data()
        assert edges[0] <= scores[name].min()
        assert edges[-1] >= scores[name].max()
        assert np.sum(heights * np.diff(np.arcsinh(edges / width))) == pytest.approx(1)
    assert layout_faults(figure) == []


def stairs_of(axes: Axes) -> list[Any]:
    return [patch for patch in axes.patches if hasattr(patch, "get_data")]


def test_the_threshold_is_that_of_the_background() -> None:
    scores = make_scores()
    figure = score_figure(scores, "background", fpr=0.01)
    (line,) = figure.axes[0].get_lines()
    assert np.all(np.asarray(line.get_xdata()) == threshold_at_fpr(scores["background"], 0.01))
    assert "FPR 0.01" in figure.axes[0].texts[0].get_text()


@pytest.mark.slow
@pytest.mark.parametrize(
    "scores",
    [np.zeros(5, dtype=np.int64), np.full(5, 0.25), np.array([-3.0, -1e-6, 0, 1e-6, 7e3]), np.array([10**6, 10**9])],
    ids=["zeros", "constant", "negative", "huge"],
)
def test_scores_of_any_scale_are_drawn(scores: NDArray[Any]) -> None:
    assert layout_faults(score_figure({"background": scores, "signal": scores}, "background", 0.5)) == []


@pytest.mark.slow
def test_losses_are_drawn_by_epoch() -> None:
    losses = {"training": [9.0, 3.0, 1.0], "validation": [9.5, 3.5, 1.5]}
    axes = training_figure(losses, best_epoch=3).axes[0]
    assert axes.get_yscale() == "log"
    assert np.array_equal(np.asarray(axes.get_lines()[0].get_xdata()), [1, 2, 3])
    assert np.array_equal(np.asarray(axes.get_lines()[2].get_xdata()), [3, 3])
    assert training_figure({"training": [0.3, -0.1]}).axes[0].get_yscale() == "linear"
    assert layout_faults(training_figure(losses)) == []


@pytest.mark.slow
def test_files_are_written_whole_and_reproducibly(tmp_path: Path) -> None:
    contents = []
    for folder in (tmp_path / "first", tmp_path / "second"):
        folder.mkdir()
        paths = save_figure(roc_figure(make_curves(1), N_BACKGROUND), folder, "roc")
        assert sorted(folder.iterdir()) == sorted(paths)
        contents.append([path.read_bytes() for path in paths])
    assert contents[0] == contents[1]
    assert contents[0][0].startswith(b"\x89PNG")
    assert contents[0][1].startswith(b"%PDF")
    assert b"CreationDate" not in contents[0][1]


def test_a_failed_write_leaves_the_previous_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "roc.png").write_bytes(b"previous")
    figure = roc_figure(make_curves(1), N_BACKGROUND)

    def savefig(path: Path, **_: object) -> None:
        path.write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(figure, "savefig", savefig)
    with pytest.raises(OSError, match="disk full"):
        save_figure(figure, tmp_path, "roc")
    assert [path.name for path in tmp_path.iterdir()] == ["roc.png"]
    assert (tmp_path / "roc.png").read_bytes() == b"previous"


@pytest.mark.slow
def test_svg_is_reproducible() -> None:
    # constrained layout, run at each save, moves these three panels by rounding
    first, second = (roc_figure(make_curves(3), N_BACKGROUND, log_tpr=False) for _ in range(2))
    text = figure_svg(first)
    assert {text} == {figure_svg(first), figure_svg(first), figure_svg(second)}
    assert "<dc:date>" not in text


def test_experiment_and_energy_stand_above_a_figure_in_which_nothing_moves(tmp_path: Path) -> None:
    plain, headed = (score_figure(make_scores(), "background", 0.01) for _ in range(2))
    head(plain, Labels())
    head(headed, Labels(experiment="A $ B", energy="14 TeV"))
    files = [save_figure(figure, tmp_path, name)[0] for name, figure in (("plain", plain), ("headed", headed))]
    before, after = (image.imread(file) for file in files)
    above = len(after) - len(before)
    assert above == round(0.3 * PNG_DPI)
    np.testing.assert_array_equal(after[above:], before)
    assert after[:above].min() < 0.5  # something is written there
    assert figure_svg(headed) != figure_svg(plain)


@pytest.mark.parametrize("label", ["", "a\nb", " a", "x" * 61])
def test_a_label_is_one_line_of_printable_characters(label: str) -> None:
    with pytest.raises(ValidationError):
        Labels(experiment=label)


def test_the_style_of_others_is_left_alone() -> None:
    before = dict(mpl.rcParams)
    training_figure({"training": [1.0]})
    assert dict(mpl.rcParams) == before


def test_nothing_to_draw_is_an_input_error() -> None:
    with pytest.raises(InputError, match="0 signals"):
        roc_figure({}, 10)
    with pytest.raises(InputError, match="`qcd`"):
        score_figure(make_scores(), "qcd")
    no_epochs: dict[str, list[float]] = {"training": []}
    for losses in ({}, no_epochs):
        with pytest.raises(InputError, match="no epoch"):
            training_figure(losses)
