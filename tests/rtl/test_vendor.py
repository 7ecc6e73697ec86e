"""The vendor's reports, read; its tools and rule4ml, run where they are installed: stand-ins on the PATH here."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path

import networks
import pytest

from fpgaae.config.experiment import Firmware
from fpgaae.config.model import Score
from fpgaae.errors import CheckFailed
from fpgaae.rtl import prediction, synthesize
from fpgaae.rtl.prediction import Taken, describe_network, predict_hls
from fpgaae.rtl.vendor import (
    parse_csynth,
    parse_slack,
    parse_utilization,
    synthesize_hls,
    synthesize_vivado,
)
from fpgaae.runs.results.synth import HlsReport, VivadoReport

CSYNTH = """<?xml version="1.0" encoding="UTF-8"?>
<profile>
  <ReportVersion><Version>2023.2</Version></ReportVersion>
  <UserAssignments>
    <unit>ns</unit><ProductFamily>virtexuplus</ProductFamily><Part>xcvu9p-flga2104-2L-e</Part>
    <TopModelName>autoencoder_trigger</TopModelName><TargetClockPeriod>5.00</TargetClockPeriod>
  </UserAssignments>
  <PerformanceEstimates>
    <PipelineType>yes</PipelineType>
    <SummaryOfTimingAnalysis><unit>ns</unit><EstimatedClockPeriod>4.353</EstimatedClockPeriod></SummaryOfTimingAnalysis>
    <SummaryOfOverallLatency>
      <unit>clock cycles</unit>
      <Best-caseLatency>14</Best-caseLatency><Average-caseLatency>14</Average-caseLatency>
      <Worst-caseLatency>15</Worst-caseLatency>
      <PipelineInitiationInterval>1</PipelineInitiationInterval>
      <Interval-min>1</Interval-min><Interval-max>1</Interval-max>
    </SummaryOfOverallLatency>
  </PerformanceEstimates>
  <AreaEstimates>
    <Resources><BRAM_18K>3</BRAM_18K><DSP>57</DSP><FF>9210</FF><LUT>48112</LUT><URAM>0</URAM></Resources>
    <AvailableResources><BRAM_18K>4320</BRAM_18K><DSP>6840</DSP><FF>2364480</FF><LUT>1182240</LUT></AvailableResources>
  </AreaEstimates>
</profile>
"""
UTILIZATION = """Copyright 1986-2022 Xilinx, Inc. All Rights Reserved. Copyright 2022-2023 Advanced Micro Devices, Inc.
| Command      : report_utilization -file utilization.rpt
| Design       : autoencoder_valid
| Device       : xcvu9p-flga2104-2L-e

1. CLB Logic
------------

+----------------------------+-------+-------+------------+-----------+-------+
|          Site Type         |  Used | Fixed | Prohibited | Available | Util% |
+----------------------------+-------+-------+------------+-----------+-------+
| CLB LUTs                   | 18342 |     0 |          0 |   1182240 |  1.55 |
|   LUT as Logic             | 18334 |     0 |          0 |   1182240 |  1.55 |
|   LUT as Memory            |     8 |     0 |          0 |    591840 | <0.01 |
| CLB Registers              |  5733 |     0 |          0 |   2364480 |  0.24 |
| CARRY8                     |  2290 |     0 |          0 |    147780 |  1.55 |
+----------------------------+-------+-------+------------+-----------+-------+

3. BLOCKRAM
-----------

+-------------------+------+-------+------------+-----------+-------+
|     Site Type     | Used | Fixed | Prohibited | Available | Util% |
+-------------------+------+-------+------------+-----------+-------+
| Block RAM Tile    |  0.5 |     0 |          0 |      2160 |  0.02 |
|   RAMB36/FIFO*    |    0 |     0 |          0 |      2160 |  0.00 |
|   RAMB18          |    1 |     0 |          0 |      4320 |  0.02 |
+-------------------+------+-------+------------+-----------+-------+

4. ARITHMETIC
-------------

+-----------+------+-------+------------+-----------+-------+
| Site Type | Used | Fixed | Prohibited | Available | Util% |
+-----------+------+-------+------------+-----------+-------+
| DSPs      |    0 |     0 |          0 |      6840 |  0.00 |
+-----------+------+-------+------------+-----------+-------+
"""
TIMING = """------------------------------------------------------------------------------------------------
| Design Timing Summary
| ---------------------
------------------------------------------------------------------------------------------------

    WNS(ns)      TNS(ns)  TNS Failing Endpoints  TNS Total Endpoints      WHS(ns)      THS(ns)
    -------      -------  ---------------------  -------------------      -------      -------
     -0.207       -1.450                     12                 5304        0.031        0.000


Timing constraints are not met.
"""


def test_a_csynth_report_is_read() -> None:
    assert parse_csynth(CSYNTH) == HlsReport(48112, 9210, 57, 1.5, 4.353, 15, 1)
    older = CSYNTH.replace("<DSP>57</DSP>", "<DSP48E>57</DSP48E>")
    assert parse_csynth(older.replace("PipelineInitiationInterval", "x")) == parse_csynth(CSYNTH)


@pytest.mark.parametrize("text", ["", "<profile/>", CSYNTH[:-20], CSYNTH.replace("<LUT>48112", "<LUT>many")])
def test_a_damaged_csynth_report_is_refused(text: str) -> None:
    with pytest.raises(CheckFailed, match=r"csynth\.xml can't be read"):
        parse_csynth(text)


def test_vivados_reports_are_read() -> None:
    used = {"lut": 18342, "ff": 5733, "dsp": 0, "bram": 0.5}
    assert parse_utilization(UTILIZATION) == used
    series_7 = UTILIZATION.replace("CLB LUTs ", "Slice LUTs*").replace("CLB Reg", "Slice Reg")
    assert parse_utilization(series_7) == used
    assert parse_slack(TIMING) == -0.207
    assert parse_slack(TIMING.replace("-0.207", " 1.322")) == 1.322


def test_reports_without_figures_are_refused() -> None:
    with pytest.raises(CheckFailed, match="no row `DSPs`"):
        parse_utilization(UTILIZATION.replace("DSPs ", "other"))
    with pytest.raises(CheckFailed, match="no slack"):
        parse_slack(TIMING.replace("-0.207", "    NA"))


def _program(folder: Path, name: str, script: str) -> None:
    folder.mkdir(exist_ok=True)
    file = folder / name
    file.write_text(f"#!{sys.executable}\n{script}")
    file.chmod(0o755)


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a folder on the PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return folder


@pytest.mark.parametrize(
    ("program", "arguments"),
    [("vitis_hls", ["-f", "scripts/synth.tcl"]), ("vitis-run", ["--mode", "hls", "--tcl", "scripts/synth.tcl"])],
)
def test_hls_runs_on_a_copy_of_the_project(program: str, arguments: list[str], tools: Path, tmp_path: Path) -> None:
    project, folder = tmp_path / "project", tmp_path / "synth"
    project.mkdir()
    (project / "code.cpp").write_text("int main;")
    folder.mkdir()
    assert synthesize_hls(project, Firmware(), folder) is None
    (tmp_path / "csynth.xml").write_text(CSYNTH)
    _program(
        tools, program, f"""
import pathlib, shutil, sys
assert sys.argv[1:] == {arguments!r}
assert pathlib.Path("code.cpp").is_file()
report = pathlib.Path("autoencoder_trigger_prj/solution1/syn/report")
report.mkdir(parents=True)
shutil.copy({str(tmp_path / "csynth.xml")!r}, report)
""")  # fmt: skip
    assert synthesize_hls(project, Firmware(), folder) == parse_csynth(CSYNTH)
    assert [path.name for path in project.iterdir()] == ["code.cpp"]


def test_vivado_runs_on_the_verilog(tools: Path, tmp_path: Path) -> None:
    project, folder = tmp_path / "project", tmp_path / "synth"
    (project / "verilog").mkdir(parents=True)
    folder.mkdir()
    assert synthesize_vivado(project, Firmware(), folder) is None
    _program(
        tools, "vivado", f"""
import pathlib, sys
script = pathlib.Path(sys.argv[sys.argv.index("-source") + 1]).read_text()
assert "-top autoencoder_valid -part {{xcvu9p-flga2104-2L-e}}" in script
assert "-period {{5.0}}" in script and "@" not in script
output = pathlib.Path(sys.argv[-1])
(output / "utilization.rpt").write_text({UTILIZATION!r})
(output / "timing.rpt").write_text({TIMING!r})
""")  # fmt: skip
    found = synthesize_vivado(project, Firmware(), folder)
    assert found == VivadoReport(18342, 5733, 0, 0.5, -0.207)


def test_a_tool_that_fails_or_writes_nothing_is_one_sentence(tools: Path, tmp_path: Path) -> None:
    project = tmp_path / "project"
    (project / "verilog").mkdir(parents=True)
    _program(tools, "vivado", "print('ERROR: no licence'); raise SystemExit(1)")
    (tmp_path / "one").mkdir()
    with pytest.raises(CheckFailed, match=r"(?s)Vivado on .* failed with exit code 1.*no licence"):
        synthesize_vivado(project, Firmware(), tmp_path / "one")
    _program(tools, "vivado", "")
    (tmp_path / "two").mkdir()
    with pytest.raises(CheckFailed, match=r"utilization\.rpt was not written"):
        synthesize_vivado(project, Firmware(), tmp_path / "two")


def test_a_chain_of_dense_layers_is_described() -> None:
    features = networks.feature_map()
    network = networks.random_network(Score.SQUARED_ERROR, features)
    assert describe_network(network) == [
        {"units": 4, "activation": "relu"},
        {"units": len(features), "activation": "linear"},
    ]
    assert describe_network(networks.random_network(Score.KL_DIVERGENCE, features)) is None
    assert describe_network(networks.convolutional_network(networks.feature_map(6))) is None


def test_rule4ml_is_asked_where_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    features = networks.feature_map()
    network = networks.random_network(Score.SQUARED_ERROR, features)
    monkeypatch.setattr(prediction, "find_spec", lambda _: None)
    assert predict_hls(network, Firmware()) is None
    monkeypatch.setattr(prediction, "find_spec", lambda _: True)
    answer = "asked = json.load(sys.stdin); n = asked['inputs']; assert asked['config']['board'] == 'alveo-u200'"
    figures = {"LUT": 1234.4, "FF": 99.6, "DSP": 0.2, "BRAM": 3.0}
    monkeypatch.setattr(prediction, "_PROGRAM", f"import json, sys; {answer}; print({json.dumps(json.dumps(figures))})")
    assert predict_hls(network, Firmware()) == Taken(1234, 100, 0, 1.5)
    monkeypatch.setattr(prediction, "_PROGRAM", "raise ImportError('no torch')")
    with pytest.raises(CheckFailed, match=r"rule4ml failed .*no torch"):
        predict_hls(network, Firmware())
    monkeypatch.setattr(prediction, "_TIMEOUT_S", 0.1)
    monkeypatch.setattr(prediction, "_PROGRAM", "import time; time.sleep(30)")
    with pytest.raises(CheckFailed, match=r"rule4ml gave no answer in 0.1 s"):
        predict_hls(network, Firmware())


@pytest.mark.parametrize(
    ("program", "words"),
    [
        pytest.param("import os; os.kill(os.getpid(), 11)", r"rule4ml crashed \(SIGSEGV\)", id="crash"),
        pytest.param("print('LUT: many')", "rule4ml printed no prediction that can be read", id="nonsense"),
        pytest.param('print(\'{"LUT": NaN, "FF": 1, "DSP": 1, "BRAM": 1}\')', "printed no prediction", id="nan"),
        pytest.param("", "printed no prediction", id="nothing"),
    ],
)
def test_a_predictor_that_fails_is_named_and_takes_nothing_with_it(
    monkeypatch: pytest.MonkeyPatch, program: str, words: str
) -> None:
    network = networks.random_network(Score.SQUARED_ERROR, networks.feature_map())
    monkeypatch.setattr(prediction, "find_spec", lambda _: True)
    monkeypatch.setattr(prediction, "_PROGRAM", program)
    beside = synthesize._Beside()
    assert beside.ask("HLS", lambda: Taken(1, 2)) == Taken(1, 2)
    assert beside.ask("rule4ml", lambda: predict_hls(network, Firmware())) is None
    assert list(beside.failed) == ["rule4ml"]
    assert re.search(words, beside.failed["rule4ml"])
