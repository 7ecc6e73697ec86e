"""Clock against latency: the traced block placed and routed at several pipelinings, each kept as soon as it is done."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from fpgaae.data.features import FeatureMap
from fpgaae.data.readers import event_hashes
from fpgaae.errors import InputError
from fpgaae.files import lock, sha256, write_json
from fpgaae.golden.trigger import GoldenTrigger
from fpgaae.place.pipelining import Placer
from fpgaae.place.programs import Programs, find_programs
from fpgaae.place.route import FAMILY, package_of
from fpgaae.progress import Progress
from fpgaae.rtl.design import LOGIC_FILE
from fpgaae.runs.experiment import Experiment
from fpgaae.runs.fingerprint import sources_hash
from fpgaae.runs.record import as_json, read_record
from fpgaae.runs.results.data import DataResult
from fpgaae.runs.results.place import FRONT_FILE, FrontPoint, KeptPoint, PlaceFront
from fpgaae.runs.run import require_current

_FASTEST_MHZ = 400.0  # that is asked of the router, so that each pipelining gets as fast as it can
_DEEPEST = 100


def place_front(experiment: Experiment, adders: Sequence[int], progress: Progress) -> PlaceFront:
    """Place and route with so many adders, at most, between two registers, and write `place_front/front.json`.

    A point that was placed before, of the same logic, hand-written Verilog, chip, seed and programs, is kept.

    Raises
    ------
    InputError
        If `trace` was not run on the present config, or a number of adders is none.
    ToolMissing
        If Yosys or nextpnr is missing.
    CheckFailed
        If the block does not fit the chip.
    """
    if not adders:
        raise InputError("--adders has no number; give some, such as 2,3,4,5,6")
    if bad := [own for own in adders if not 1 <= own <= _DEEPEST]:
        raise InputError(f"--adders {bad[0]} is not between 1 and {_DEEPEST}, adders between two registers")
    require_current(experiment, "trace", event_hashes(experiment.config, experiment.config_file), may_be_edited=True)
    programs, config = find_programs(), experiment.config
    trigger = GoldenTrigger.load(experiment.stage_folder("convert"), FeatureMap.of(experiment.result(DataResult)))
    trace = experiment.stage_folder("trace")
    placer = Placer(config, programs, trigger, trace)
    file = experiment.folder / FRONT_FILE
    file.parent.mkdir(exist_ok=True)
    made_from = _made_from(experiment, programs, trace)
    points = []
    for depth in sorted(set(adders)):
        own = made_from | {"adders": str(depth)}
        kept = file.with_name(f"adders_{depth}.json")
        with progress.task(f"place and route, {depth} adders between registers", None):
            point = _kept(kept, own) or _placed(placer, depth)
        write_json(kept, as_json(KeptPoint(made_from=own, point=point)))
        points.append(point)
    front = PlaceFront(
        family=FAMILY,
        device=config.place.device,
        package=package_of(config.place),
        speed=config.place.speed,
        wanted_mhz=config.place.clock_mhz,
        synthesis=programs.yosys.version,
        router=programs.nextpnr.version,
        logic=made_from["logic"],
        points=tuple(points),
    )
    with lock(experiment.folder):
        write_json(file, as_json(front))
    return front


def _made_from(experiment: Experiment, programs: Programs, trace: Path) -> dict[str, str]:
    """Give all that a point rests on, but for its adders."""
    place, firmware = experiment.config.place, experiment.config.firmware
    return {
        "logic": sha256(trace / LOGIC_FILE),
        "chip": f"{FAMILY} {place.device} {package_of(place)} speed {place.speed}",
        "seed": str(place.seed),
        "lanes": str(place.lanes),
        "name": firmware.project_name,
        "sources": sources_hash(experiment.spec("place")),
        "synthesis": programs.yosys.version,
        "router": programs.nextpnr.version,
    }


def _kept(file: Path, made_from: dict[str, str]) -> FrontPoint | None:
    """Give the point of a file where that was made from the same."""
    if not file.is_file():
        return None
    kept = read_record(KeptPoint, file, f"remove {file}, and it is placed again")
    return kept.point if kept.made_from == made_from else None


def _placed(placer: Placer, depth: int) -> FrontPoint:
    with tempfile.TemporaryDirectory(prefix="fpgaae-place-") as scratch:
        placed = placer.place(depth, Path(scratch) / "project", _FASTEST_MHZ)
    return FrontPoint(**vars(placed.attempt), critical_path=placed.routed.path)
