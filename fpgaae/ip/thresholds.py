"""`fpgaae thresholds`: a new set of thresholds from new events, as writes to the registers of the deployed block.

The network stays as it was converted, so that nothing is trained, converted or synthesized again.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from fpgaae.config.experiment import Threshold, Trigger
from fpgaae.data.paths import each_file
from fpgaae.data.readers import content_hash, count_events
from fpgaae.data.source import WEIGHT
from fpgaae.emulator.export import open_deployed
from fpgaae.emulator.hashes import network_hashes
from fpgaae.errors import InputError
from fpgaae.evaluation.other_files import OtherFiles
from fpgaae.files import write_json
from fpgaae.hls.working_points import choose_thresholds
from fpgaae.progress import Progress
from fpgaae.rtl.registers import threshold_writes
from fpgaae.runs.experiment import Experiment
from fpgaae.runs.record import as_json
from fpgaae.runs.results.thresholds import RegisterWrite, ThresholdFile, ThresholdSet


class Wanted(NamedTuple):
    """What a set of thresholds is asked for."""

    files: Sequence[Path]  # of background events
    output: Path  # the register file, JSON; must not exist
    rates_khz: Sequence[float] = ()  # one a threshold; none: the rates of the config


def new_thresholds(experiment: Experiment, wanted: Wanted, progress: Progress) -> ThresholdSet:
    """Choose thresholds on the background events of some files, and write them.

    Raises
    ------
    InputError
        If the experiment is not converted, a file is damaged or of another layout, or a rate can't be had.
    """
    files, output = each_file(wanted.files, experiment.config.data), wanted.output
    if output.exists():
        raise InputError(f"{output} exists already; remove it, or give another name to --output")
    for file in files:
        if not file.exists():
            raise InputError(f"the event file {file} does not exist; give files of background events to --events")
    deployed = open_deployed(experiment)
    converted = deployed.trigger.thresholds_for_all("the block")
    config, golden = experiment.config, deployed.trigger.behind_words
    trigger = _trigger(config.trigger, wanted.rates_khz, deployed.trigger.accept.size)
    total = sum(count_events(file, config.data) for file in files)
    scores, groups, weights = [], [], []
    others = OtherFiles(files, config.data, needed=[WEIGHT])
    with progress.task("scoring events", total) as task:
        for chunk in others.chunks():
            scores.append(golden.scores(chunk.codes))
            groups.append(chunk.groups)
            if (own := chunk.columns.get(WEIGHT)) is not None:
                weights.append(own)
            task.advance(chunk.n_read)
    if (refusal := others.refusal()) is not None:
        raise InputError(refusal)
    background = np.concatenate(scores)
    if not len(background):
        raise InputError(f"{others} has no event that is kept; give files of background events to --events")
    trigger = others.crossings(trigger)
    points = choose_thresholds(
        background, np.concatenate(groups), trigger, config.evaluation.confidence_level,
        np.concatenate(weights) if weights else None,
    )  # fmt: skip
    score = deployed.trigger.network.score.type
    writes = threshold_writes([point.code for point in points], score.width)
    result = ThresholdSet(
        network=network_hashes(deployed.trigger).network,
        score_type=str(score),
        files=tuple(ThresholdFile(name=file.name, sha256=content_hash(file)) for file in files),
        events=len(background),
        converted=tuple(converted),
        thresholds=tuple(point.entry(score, trigger) for point in points),
        writes=tuple(RegisterWrite(address=f"0x{address:03x}", word=f"0x{word:08x}") for address, word in writes),
    )
    write_json(output, as_json(result))
    return result


def _trigger(configured: Trigger, rates_khz: Sequence[float], n_thresholds: int) -> Trigger:
    """Give the trigger with other rates, as many as the block has thresholds."""
    if not rates_khz:
        return configured
    if len(rates_khz) != n_thresholds:
        raise InputError(
            f"{len(rates_khz)} rates are given, and the block has {n_thresholds} thresholds; give one for each"
        )
    crossings_khz = configured.bunch_crossing_rate_khz
    if bad := [rate for rate in rates_khz if not 1e-9 <= rate < crossings_khz]:
        raise InputError(
            f"--rate-khz {bad[0]:g} is not between 0 and {crossings_khz:g}, the rate of the bunch crossings"
        )
    return configured.model_copy(update={"thresholds": tuple(Threshold(rate_khz=rate) for rate in rates_khz)})
