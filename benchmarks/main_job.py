"""The main job: every stage up to the bit check from an empty runs folder, then once more with nothing changed."""

from __future__ import annotations

from pathlib import Path

from benchmarks.measure import CONFIGS, Bench, Usage, epochs, new_bench
from benchmarks.result import Goal, Result, Settings

NAME = "main_job"
STAGES = ("data", "reference", "train", "convert", "csim")
_FIRST_SECONDS, _SECOND_SECONDS, _MEMORY_MIB, _EVENTS = 300, 15, 3 * 1024, 20_000


def run(settings: Settings) -> Result:
    """Time `make train convert csim` stage by stage."""
    columns = ("stage", "seconds", "share of the job", "again", "again / first", "peak MiB", "other cores")
    result = Result(NAME, columns)
    names = ("l1_ae",) if settings.quick else ("l1_ae", "l1_vae")
    for name in names:
        with new_bench() as bench:
            config = bench.config(name, epochs(2, 2)) if settings.quick else CONFIGS / f"{name}.yaml"
            _add(result, bench, config)
    return result


def _add(result: Result, bench: Bench, config: Path) -> None:
    first = {stage: bench.stage(stage, config) for stage in STAGES}
    again = {stage: bench.stage(stage, config) for stage in STAGES}
    whole, whole_again = _sum(list(first.values())), _sum(list(again.values()))
    for stage, a, b in (*((s, first[s], again[s]) for s in STAGES), ("all", whole, whole_again)):
        result.rows.append(
            (
                f"{config.stem} {stage}", a.seconds, a.seconds / whole.seconds, b.seconds, b.seconds / a.seconds,
                a.tree_peak_mib, a.other_cores,
            )
        )  # fmt: skip
    csim = bench.result(config, "csim/csim.json")
    result.goals += [
        Goal(f"{config.stem}, from an empty runs folder", whole.seconds, _FIRST_SECONDS, "s"),
        Goal(f"{config.stem}, again with nothing changed", whole_again.seconds, _SECOND_SECONDS, "s"),
        Goal(f"{config.stem}, peak memory of all processes", whole.tree_peak_mib, _MEMORY_MIB, "MiB"),
        Goal(f"{config.stem}, peak memory of one process", whole.process_peak_mib, _MEMORY_MIB, "MiB"),
        Goal(f"{config.stem}, events in csim", csim["events"], _EVENTS, "events", at_least=True),
    ]


def _sum(usages: list[Usage]) -> Usage:
    """Give the times of several runs in all, and the peak of any."""
    seconds = sum(usage.seconds for usage in usages)
    return Usage(
        seconds,
        sum(usage.cpu_seconds for usage in usages),
        max(usage.tree_peak_mib for usage in usages),
        max(usage.process_peak_mib for usage in usages),
        sum(usage.other_cores * usage.seconds for usage in usages) / seconds,
    )
