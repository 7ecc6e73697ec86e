"""Where a scan keeps what: runs/scan/NAME/ and its folders, and which trial can use whose events and reference.

shared/events-ID/      `data`, once for trials with the same events
shared/reference-ID/   `reference` and `baseline`, once for trials that start from the same float network
trials/LABEL.yaml      the whole experiment of a trial
trials/LABEL/          `train` and `trial`
scan.json, ...         what came out
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from fpgaae.config.experiment import Config
from fpgaae.files import write_text
from fpgaae.runs.experiment import Experiment, find_teachers
from fpgaae.runs.fingerprint import fingerprint
from fpgaae.runs.results.scan import BaselineResult, TrialResult
from fpgaae.runs.run import find_current
from fpgaae.runs.stages import BASELINE
from fpgaae.scan.plan import Scan, Value, Values

_ID_LENGTH = 12


def scan_folder(scan: Scan, runs: Path) -> Path:
    """Give the folder of a scan; absolute, since its workers may run anywhere."""
    return (runs / "scan" / scan.name).resolve()


@dataclass(frozen=True)
class Trial:
    """One quantized network of a scan, and the stages in front of it that it shares with others."""

    label: str
    seed: int
    events: Experiment
    reference: Experiment
    experiment: Experiment

    def is_finished(self, hashes: Mapping[str, str]) -> bool:
        """Tell whether it need not be run."""
        return (
            find_current(self.experiment, TrialResult, hashes) is not None
            and find_current(self.reference, BaselineResult, hashes) is not None
        )


def make_trial(scan: Scan, folder: Path, values: Values, seed: int, hashes: Mapping[str, str]) -> Trial:
    """Give the trial of a point and a seed, and write its experiment.

    Raises
    ------
    ConfigError
        If the values make no valid experiment.
    """
    config = scan.config(values, seed)
    label = f"{point_label(values)}-seed_{seed}"
    file = folder / "trials" / f"{label}.yaml"
    write_config(file, config, f"A trial of {scan.file.name}.")
    teachers = find_teachers(config, folder.parent.parent)
    bare = Experiment(file, config, folder, teachers=teachers)
    events = Experiment(file, config, folder / "shared" / f"events-{fingerprint(bare, 'data', hashes)[:_ID_LENGTH]}")
    reference = Experiment(
        file,
        config,
        folder / "shared" / f"reference-{fingerprint(bare, 'reference', hashes)[:_ID_LENGTH]}",
        teachers=teachers,
        shared={"data": events.folder},
    )
    shared = {"data": events.folder, "reference": reference.folder, BASELINE: reference.folder}
    experiment = Experiment(file, config, folder / "trials" / label, teachers=teachers, shared=shared)
    return Trial(label, seed, events, reference, experiment)


def point_label(values: Values) -> str:
    """Name a point by its axes, in letters that any file system takes."""
    return "-".join(f"{_plain(name.split('.')[-1])}_{_plain(_text(value))}" for name, value in values.items())


def _text(value: Value) -> str:
    return "_".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _plain(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.]", "_", text)


def write_config(file: Path, config: Config, comment: str) -> None:
    """Write a whole experiment, every default spelled out, unless it stands there already."""
    content = yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, width=120)
    text = f"# {comment}\n{content}"
    if file.is_file() and file.read_text(encoding="utf-8") == text:
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    write_text(file, text)
