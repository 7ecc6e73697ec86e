"""All forms of one firmware side by side: C simulation, RTL, interpreter and emulator, on the events of the stages."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import networks
import numpy as np
import pytest
from conftest import Workspace, variational

from fpgaae.emulator import agreement
from fpgaae.emulator.agreement import compare_forms
from fpgaae.fixedpoint import Codes
from fpgaae.golden.trigger import GoldenTrigger
from fpgaae.runs.results.rtl import RtlResult

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("compiler", "without_proofs")]
FORMS = ["C simulation", "RTL", "interpreter", "emulator"]


def test_all_forms_agree_and_a_changed_bit_is_counted(
    converted: Callable[..., Workspace], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    networks.need("verilator")
    workspace = converted(variational((2,), 2), firmware={"output_latents": True, "reloadable_thresholds": True})
    for stage in ("csim", "trace", "rtl"):
        workspace.run(stage)
    loads = workspace.experiment.result(RtlResult).reloaded_thresholds
    assert loads is not None
    assert loads.passed
    assert min(loads.sets, loads.events) > 30
    found = compare_forms(workspace.experiment, tmp_path)
    assert found.differing == dict.fromkeys(FORMS, 0)
    assert found.events == workspace.result("rtl")["events"]
    golden = GoldenTrigger.results

    def changed(trigger: GoldenTrigger, hardware: Codes) -> Codes:
        codes = golden(trigger, hardware)
        codes[np.argmax(hardware[:, 0] > 0), -1] ^= 1
        return codes

    monkeypatch.setattr(GoldenTrigger, "results", changed)
    monkeypatch.setattr(agreement, "build_package", lambda *_: None)  # the emulator is there already
    found = compare_forms(workspace.experiment, tmp_path)
    assert len(set(found.differing.values())) == 1
    assert found.differing["RTL"] > 2
