"""The netlist that `synth` maps for UltraScale+: its score and decisions, and one wrong table."""

from __future__ import annotations

import json
import re
from pathlib import Path

import networks
import pytest
from examples import examples_of, run_examples

from fpgaae.errors import InputError
from fpgaae.files import read_sealed, sha256, write_sealed
from fpgaae.hls.comparison import failure_sentence
from fpgaae.place.mapped import RESULT_FILE, compare_mapped
from fpgaae.progress import SilentProgress


@pytest.mark.slow
@pytest.mark.usefixtures("compiler")
def test_the_mapped_netlist_gives_the_golden_codes_and_one_changed_table_is_seen(tmp_path: Path) -> None:
    for tool in ("yosys", "verilator"):
        networks.need(tool)
    workspace = networks.tiny_workspace(tmp_path)
    networks.prove_rtl(workspace)
    experiment = workspace.experiment
    with pytest.raises(InputError, match=r"synth has no finished result; run `fpgaae run .* --to synth"):
        compare_mapped(experiment, 300, SilentProgress())
    workspace.run("synth")
    run_examples(examples_of("compare_netlist"), workspace.folder)  # its two lines are what passes
    assert json.loads((experiment.folder / RESULT_FILE).read_text())["passed"] is True

    mapped = experiment.stage_folder("synth") / "mapped.v"
    tables = list(re.finditer(r"\.INIT\(\d+'h([0-9a-f]+)\)", mapped.read_text()))
    digits = tables[-1][1]
    changed = f"{int(digits, 16) ^ ((1 << 4 * len(digits)) - 1):0{len(digits)}x}"
    text = mapped.read_text()
    mapped.write_text(text[: tables[-1].start(1)] + changed + text[tables[-1].end(1) :])
    with pytest.raises(InputError, match=r"mapped\.v is not as the stage `synth` wrote it"):
        compare_mapped(experiment, 300, SilentProgress())
    manifest = mapped.with_name("manifest.json")
    content = read_sealed(manifest)
    content["outputs"]["mapped.v"] = sha256(mapped)
    write_sealed(manifest, content)
    result = compare_mapped(experiment, 300, SilentProgress())
    assert not result.passed
    assert re.match(r"\d+ of 300 events differ; first in ", failure_sentence(result))
