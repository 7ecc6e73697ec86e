"""Model files of every kind from `import` to `csim`: `python -m benchmarks.foreign_models --json models.jsonl`.

40 models of a random generator (layers, widths, axes, shapes, options) and those by hand that stand for published ones,
in every format. Each is saved by Keras 2, Keras 3, QKeras or `onnx`, imported with a config of its own, converted,
compiled (quickly, from the root of the repository) and compared bit for bit; its float twin is compared with what Keras
or ONNX computes with the file. A model that is to be refused is right if the sentence says what is wanted of it.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.foreign_draws import ModelBuilder
from benchmarks.foreign_file import Saved
from benchmarks.foreign_rows import ROWS
from benchmarks.model_runs import add_options, run_all
from fpgaae import api
from fpgaae.errors import FpgaaeError
from fpgaae.files import read_json
from fpgaae.hls.lint.findings import Severity
from fpgaae.hls.lint.run import lint_target
from tests.support import array_config, merged

TWIN_TOLERANCE = 1e-5  # of the largest value of any layer
_RIGHT = frozenset({"exact", "refused as wanted"})
_N_RANDOM, _N_EVENTS, _MOST_DRAWS = 40, 3000, 30


def random_model(number: int, folder: Path) -> Saved:
    """Save the random model of a number, drawn anew if lint refuses it: dense and of images, float and quantized.

    Raises
    ------
    RuntimeError
        If lint refuses every draw.
    """
    import keras  # noqa: PLC0415
    import tf_keras  # noqa: PLC0415

    is_image, is_quantized = bool(number % 2), number % 4 > 1
    version = 2 if is_quantized else 2 + (number // 4) % 2
    ending = (".h5", ".keras")[number // 8 % 2]
    for attempt in range(_MOST_DRAWS):
        rng = np.random.default_rng([number, attempt])
        builder = ModelBuilder(rng, keras if version == 3 else tf_keras, is_quantized=is_quantized, is_image=is_image)
        model = builder.model()
        file = folder / f"model{ending}"
        model.save(file)
        (report,) = lint_target(file, folder)
        if not any(finding.severity is Severity.ERROR for finding in report.findings):
            return Saved(file, tuple(model.input_shape[1:]))
    raise RuntimeError(f"lint refuses {_MOST_DRAWS} draws of number {number}")


def run(name: str, folder: Path) -> dict[str, Any]:
    """Save a model, take it from `import` to `csim`, and say what came out."""
    from tf_keras.backend import clear_session  # noqa: PLC0415

    clear_session()
    started = time.perf_counter()
    saved = ROWS[name](folder) if name in ROWS else random_model(int(name), folder)
    entry: dict[str, Any] = {"name": name, "file": saved.model.name}
    try:
        found = _proven(saved, folder)
    except FpgaaeError as error:
        said = str(error)
        is_wanted = saved.refusal is not None and re.search(saved.refusal, said) is not None
        entry |= {"outcome": "refused as wanted" if is_wanted else "refused", "said": said}
    except Exception as error:  # noqa: BLE001 - what breaks is a finding, too
        entry |= {"outcome": "broken", "said": f"{type(error).__name__}: {error}"}
    else:
        entry |= {"outcome": "taken, but to be refused" if saved.refusal else _judged(saved, found), **found}
    return {**entry, "seconds": round(time.perf_counter() - started, 1)}


def _proven(saved: Saved, folder: Path) -> dict[str, Any]:
    config = _write_config(saved, folder)
    opened = api.import_model(saved.model, config, runs=folder / "runs", **saved.asked)
    stages = opened.experiment.folder
    twin = read_json(stages / "import" / "import.json")["twin"]
    for stage in ("convert", "csim"):
        api.run(config, to=stage, runs=folder / "runs")
    csim, train = read_json(stages / "csim" / "csim.json"), read_json(stages / "train" / "train.json")
    return {
        "twin": twin["largest_difference"] / max(twin["largest_value"], 1.0),
        "layers": len(csim["layers"]),
        "mismatched_values": sum(layer["mismatched_values"] for layer in csim["layers"]),
        "score_mismatches": csim["score_mismatches"],
        "passed": csim["passed"],
        "least_db": min((e["sqnr_db"] for e in train["quantization_error"].values() if e["sqnr_db"] is not None),
                        default=None),
    }  # fmt: skip


def _judged(saved: Saved, found: dict[str, Any]) -> str:
    if not found["passed"] or found["mismatched_values"] or found["score_mismatches"]:
        return "differs"
    if not found["twin"] <= TWIN_TOLERANCE:
        return "another twin"
    if saved.least_db is not None and not (found["least_db"] or 0) >= saved.least_db:
        return "noisy"
    return "exact"


def _write_config(saved: Saved, folder: Path) -> Path:
    own = {
        "data": {"scaling": {"offset": 0, "shift": saved.unit}},
        "quantization": {"inputs": {"bits": 9, "integer_bits": 4}},
        "csim": {"max_events_per_process": 100, "random_events": 100, "processes": 1},
    }
    return array_config(folder, _image(saved.shape), _N_EVENTS, **merged(own, saved.config))


def _image(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Give the shape of the array, whose one channel is left out."""
    return shape[:-1] if len(shape) > 2 and shape[-1] == 1 else shape


def _run_apart(name: str) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        return run(name, Path(folder))


def _complaint(name: str, entry: dict[str, Any]) -> str | None:
    return None if entry["outcome"] in _RIGHT else f"--only {name}: {entry['outcome']} {entry.get('said', entry)}"


def main() -> int:
    """Run the models; 0 if all are right."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.foreign_models", description=str(__doc__).split(":")[0])
    parser.add_argument("--only", nargs="+", metavar="NAME", help=f"numbers, or {', '.join(ROWS)}")
    add_options(parser)
    arguments = parser.parse_args()
    found = run_all(arguments.only or [*ROWS, *map(str, range(_N_RANDOM))], _run_apart, _complaint, arguments)
    exact = [entry for entry in found if entry["outcome"] == "exact"]
    wanted = sum(entry["outcome"] == "refused as wanted" for entry in found)
    print(f"{len(exact)} of {len(found)} exact, {wanted} refused as wanted")
    print(f"largest difference of a twin {max((entry['twin'] for entry in exact), default=0):.2g} of its largest value")
    return int(len(exact) + wanted < len(found))


if __name__ == "__main__":
    sys.exit(main())
