"""The branch that is synthesized: compiled and compared by `csim`, which finds what the C simulation can't see."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import Workspace, WrittenNetwork, autoencoder, convolutional, random_hardware, variational

from fpgaae.config.experiment import Firmware
from fpgaae.config.model import Model, Score
from fpgaae.errors import CheckFailed
from fpgaae.hls import synthesized_branch
from fpgaae.hls.comparison import failure_sentence
from fpgaae.hls.mutant_run import DECIDED, compare_branch
from fpgaae.hls.synthesized_branch import SynthesizedLibrary, compile_synthesized, golden_decisions, golden_values

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("compiler")]


@pytest.fixture(scope="module")
def small(converted: Callable[..., Workspace]) -> Workspace:
    """A converted experiment of two dense layers; tests work on copies."""
    return converted(
        variational((6,), 3), csim={"max_events_per_process": 120, "random_events": 100, "processes": 1}
    )  # fmt: skip


@pytest.mark.parametrize(
    ("model", "n_features", "firmware"),
    [
        (autoencoder((6, 4), 3), 9, Firmware(io_type="io_stream")),
        (convolutional(), 18, Firmware(io_type="io_stream")),
        (variational((6,), 3, Score.KL_DIVERGENCE), 9, Firmware(strategy="resource", output_latents=True)),
    ],
    ids=["stream", "convolutions in a stream", "resource with latents"],
)
def test_every_kind_of_project_is_compiled_and_equal(
    model: Model, n_features: int, firmware: Firmware, written: Callable[..., WrittenNetwork], tmp_path: Path
) -> None:
    made = written(model, n_features, firmware)
    library = SynthesizedLibrary(compile_synthesized(made.project, firmware.project_name, tmp_path))
    hardware = random_hardware(made.features, 60)
    expected = golden_values(made.trigger, hardware)
    assert expected.shape[1] == 1 + 3 + (3 if firmware.output_latents else 0)
    assert len(np.unique(expected[:, 0])) > 10
    np.testing.assert_array_equal(library.run(hardware), expected)
    scores, cells, decided = golden_decisions(made.trigger)
    assert {*scores[:, 0]} >= {*made.trigger.accept.thresholds, *(made.trigger.accept.thresholds + 1)}
    np.testing.assert_array_equal(library.decide(scores, cells), decided)


def _set_a_threshold_off_for_synthesis(project: Path) -> None:
    right, wrong = "accept[i] = code > thresholds[i];", "accept[i] = code > thresholds[i] + 1;"
    front_end = project / "firmware" / "fpgaae_front_end.h"
    _replace(front_end, right, f"\n#ifdef __SYNTHESIS__\n{wrong}\n#else\n{right}\n#endif\n")


def test_a_threshold_that_only_synthesis_has_is_found_where_no_event_lies_beside_it(
    written: Callable[..., WrittenNetwork], tmp_path: Path
) -> None:
    made = written(autoencoder((6, 4), 3), 9, Firmware())
    _set_a_threshold_off_for_synthesis(made.project)
    library = SynthesizedLibrary(compile_synthesized(made.project, "autoencoder", tmp_path))
    scores, cells, decided = golden_decisions(made.trigger)
    wrong = (library.decide(scores, cells) != decided)[:, 1:]
    np.testing.assert_array_equal(wrong, scores == made.trigger.accept.thresholds + 1)
    assert wrong.any()
    hardware = random_hardware(made.features, 1)
    batches = {
        "weights": np.zeros(0, dtype=np.int64),
        "synthesized/inputs": hardware,
        "synthesized/values": golden_values(made.trigger, hardware),
        "synthesized/n_thresholds": np.array(made.trigger.accept.size),
        **dict(zip(DECIDED, (scores, cells, decided), strict=True)),
    }
    found = compare_branch(tmp_path / "autoencoder_synthesized.so", batches)
    assert not found.passed
    assert str(found.error).endswith("in cell 0, given to the decision alone")


def test_csim_gives_codes_to_the_decision_alone(
    small: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The branch is shown one event, which says nothing of a threshold."""
    few = synthesized_branch.branch_events
    monkeypatch.setattr(
        synthesized_branch, "branch_events", lambda stimuli: ((source, own[:1]) for source, own in few(stimuli))
    )
    workspace = small.copy(tmp_path / "copy")
    _set_a_threshold_off_for_synthesis(workspace.project)
    branch = workspace.run("csim").result.synthesized_branch
    assert not branch.passed
    assert "in cell 0, given to the decision alone" in str(branch.first_mismatch)


def _replace(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert text.count(old) == 1, f"{file} has {old} {text.count(old)} times"
    file.write_text(text.replace(old, new))


def test_a_line_that_only_synthesis_sees_is_found(small: Workspace, tmp_path: Path) -> None:
    workspace = small.copy(tmp_path / "copy")
    assert workspace.run("csim").result.passed  # and the library of this run is not taken for the next one
    _replace(
        workspace.project / "firmware" / "autoencoder_trigger.cpp",
        "    score = result;\n",
        "    score = result;\n#ifndef FPGAAE_CSIM\n    score += 1;\n#endif\n",
    )
    result = workspace.run("csim").result
    branch = result.synthesized_branch
    assert result.passed is branch.passed is False
    assert result.mismatched_events == 0  # the C simulation sees nothing of it
    assert 0 < branch.mismatched_events <= branch.events  # a score at the end of its range wraps, too
    assert branch.events > 300  # of every origin but `layers`
    assert result.edited_files == ("convert/project/firmware/autoencoder_trigger.cpp",)
    sentence = failure_sentence(result)
    assert sentence.startswith("the branch that is synthesized differs from the golden codes in")
    assert "first in the score of background event 0" in sentence


def test_a_weight_type_that_only_synthesis_sees_is_named_with_its_file(small: Workspace, tmp_path: Path) -> None:
    project = small.copy(tmp_path / "copy").project
    header = next(project.glob("firmware/weights/w*.h"))
    _replace(header, f"encoder_1_weight_t {header.stem}[", f"ap_fixed<5,1> {header.stem}[")
    with pytest.raises(CheckFailed) as caught:
        compile_synthesized(project, "autoencoder", tmp_path)
    sentence = str(caught.value)
    assert "that is synthesized (without FPGAAE_CSIM) does not compile" in sentence
    assert f"firmware/weights/{header.name} declares another array for synthesis than for the C simulation" in sentence
    assert "autoencoder.cpp" in sentence.split("The compiler's first error:")[1]


def test_a_project_of_an_older_version_is_to_be_converted_again(small: Workspace, tmp_path: Path) -> None:
    project = small.copy(tmp_path / "copy").project
    (project / "synthesis_driver.cpp").unlink()
    with pytest.raises(CheckFailed, match="is missing; run the stage `convert` with --force"):
        compile_synthesized(project, "autoencoder", tmp_path)
