"""Take every shipped config to simulated, proven and synthesized firmware, and print one table of what came out.

    python -m benchmarks.shipped_firmware OUT [CONFIG ...] [--short] [--table]

Stages that `OUT/runs` has already are not run again, so that a stopped run goes on where it was; each config's row is
in `OUT/rows`. `of two` is what the same logic takes without adders of three values. `--short` takes few events and two
epochs, to see that it works; `--table` prints the rows that are there.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml
from da4ml.cmvm.types import CombLogic
from rich.console import Console

from benchmarks.measure import CONFIGS, StageFailed, Usage, run_fpgaae
from benchmarks.result import Result
from benchmarks.shipped_configs import CMS, finished_teacher, made_up_shards, shipped_configs, shortened
from fpgaae.config.file import read_config
from fpgaae.config.shipped import CONFIG_PREFIX
from fpgaae.config.yaml_source import EXTENDS
from fpgaae.data.features import FeatureMap
from fpgaae.files import read_json, write_json
from fpgaae.golden.trigger import GoldenTrigger
from fpgaae.rtl.design import LOGIC_FILE
from fpgaae.rtl.project import cut_into_stages, write_rtl
from fpgaae.rtl.synthesize import synthesize
from fpgaae.rtl.tools import YOSYS, require_tool
from fpgaae.rtl.trace import Traced
from fpgaae.runs.experiment import open_experiment
from fpgaae.runs.results.data import DataResult
from fpgaae.runs.results.prove import Proven

_FIRMWARE = ("data", "reference", "train", "convert", "csim")
_RTL = ("trace", "rtl", "synth")
_CMS_EVENTS = 100_000
_COLUMNS = (
    "config", "csim: events, differ", "rtl: events, differ", "clocks", "FF", "LUT", "of two", "gain %",
    "proven", "events", "s", "MiB", "ended at",
)  # fmt: skip


class _Config:
    """A shipped config on its way, and the row of its results."""

    def __init__(self, file: Path, out: Path, *, short: bool) -> None:
        self._out = out
        self._config = _runnable(file, out / "configs", short=short)
        self._folder = out / "runs" / file.stem
        self.row: dict[str, Any] = {"config": file.stem}

    def run(self) -> None:
        """Run all stages; the first that ends with an error is named in the row, and those behind it are left out."""
        if self._has_teacher() and self._reach(*_FIRMWARE):
            self._compared("csim")
            if self._reach(*_RTL):
                self._compared("rtl")
                self._areas()
            self._proof()
        rows = self._out / "rows"
        rows.mkdir(exist_ok=True)
        write_json(rows / f"{self._config.stem}.json", self.row)

    def _has_teacher(self) -> bool:
        """Train the method that it is a student of, if it is one."""
        teacher = finished_teacher(read_config(self._config).content)
        if teacher is None:
            return True
        config = (
            CONFIGS / f"{teacher.removeprefix(CONFIG_PREFIX)}.yaml" if teacher.startswith(CONFIG_PREFIX) else teacher
        )
        return self._reach("data", "reference", config=str(config))

    def _reach(self, *stages: str, config: str = "") -> bool:
        try:
            for stage in stages:
                self._stage(stage, config)
        except StageFailed as error:
            self.row["ended at"] = f"{stage}: {str(error).splitlines()[-1]}"
            print(f"{self._config.stem}: {error}", file=sys.stderr, flush=True)
            return False
        return True

    def _stage(self, stage: str, config: str = "") -> Usage:
        log = self._out / "logs" / f"{self._config.stem}.{stage}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        return run_fpgaae([stage, config or str(self._config), "--runs", str(self._out / "runs")], log)

    def _compared(self, stage: str) -> None:
        found = read_json(self._folder / stage / f"{stage}.json")
        self.row[f"{stage}: events, differ"] = f"{found['events']:,}, {found['mismatched_events']:,}"

    def _proof(self) -> None:
        """Prove the HLS sources, the emulator, and the Verilog where it was traced."""
        try:
            usage = self._stage("prove")
        except StageFailed as error:
            print(f"{self._config.stem}: {error}", file=sys.stderr, flush=True)
            self.row.setdefault("ended at", f"prove: {str(error).splitlines()[-1]}")
            return
        proof = read_json(self._folder / "prove" / "prove.json")
        outcomes = [part["outcome"] for part in (*proof["layers"], *proof["pieces"])]
        self.row |= {
            "proven": f"{outcomes.count(Proven.PROVEN.value)} of {len(outcomes)}",
            "events": f"2^{proof['input_bits']}",
            "s": round(proof["seconds"]),
            "MiB": round(usage.tree_peak_mib) if usage.seconds > proof["seconds"] else "",  # else it was there already
        }

    def _areas(self) -> None:
        """Take what Yosys found, and synthesize the same logic without adders of three values."""
        latency = read_json(self._folder / "rtl" / "rtl.json")["latency_cycles"]
        found = read_json(self._folder / "synth" / "synth.json")
        of_two = self._lut_of_two()
        gain = round(100 * (1 - found["lut"] / of_two), 1)
        self.row |= {"clocks": latency, "FF": found["ff"], "LUT": found["lut"], "of two": of_two, "gain %": gain}

    def _lut_of_two(self) -> int:
        experiment = open_experiment(self._config, self._out / "runs")
        trigger = GoldenTrigger.load(experiment.stage_folder("convert"), FeatureMap.of(experiment.result(DataResult)))
        traced = Traced.of(CombLogic.load(experiment.stage_folder("trace") / LOGIC_FILE), trigger)
        firmware = experiment.config.firmware
        with tempfile.TemporaryDirectory(prefix="fpgaae-bench-") as folder:
            project = Path(folder)
            write_rtl(cut_into_stages(traced, firmware.clock_ns, three_inputs=False), firmware, project)
            return synthesize(require_tool(YOSYS), project, project).lut


def _runnable(file: Path, folder: Path, *, short: bool) -> Path:
    """Give the file itself, its short form, or a config whose events stand in for a download."""
    if short:
        return shortened(file, folder)
    if file.stem != CMS:
        return file
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / file.name
    files = made_up_shards(folder.resolve(), _CMS_EVENTS)
    target.write_text(yaml.safe_dump({EXTENDS: str(file.resolve()), "data": {"files": files}}), encoding="utf-8")
    return target


def _table(out: Path) -> Result:
    result = Result("shipped firmware", _COLUMNS)
    for file in sorted((out / "rows").glob("*.json")):
        row = read_json(file)
        result.rows.append(tuple(row.get(column, "") for column in _COLUMNS))
    return result


def main() -> int:
    """Run the configs; exit code 1 where one of them ended with an error."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.shipped_firmware", description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("names", nargs="*", metavar="CONFIG", help="names of configs; none: all")
    parser.add_argument("--short", action="store_true", help="few events and two epochs")
    parser.add_argument("--table", action="store_true", help="print what is there already")
    given = parser.parse_args()
    for file in () if given.table else shipped_configs(given.names):
        if file.parent != CONFIGS:
            continue  # a float method
        config = _Config(file, given.out, short=given.short)
        config.run()
        print(config.row, flush=True)
    table = _table(given.out)
    table.print(Console(width=None if sys.stdout.isatty() else 200))
    return int(any(row[-1] for row in table.rows))


if __name__ == "__main__":
    sys.exit(main())
