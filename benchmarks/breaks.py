"""Breaks one line of the package at a time and sees whether a test fails: `python -m benchmarks.breaks [NAME...]`.

A suite that has become faster, or was moved, may have lost its bite; this says where. Each break is made in a copy of
the tree, never in the tree itself, and its tests are run there, first without it. It ends with 1 if a break is missed.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

_ROOT = Path(__file__).resolve().parent.parent
_COPIED = ("fpgaae", "firmware", "tests", "configs", "docs", "benchmarks", "pyproject.toml", "constraints.txt")
_COPIED_TOO = ("README.md", "Makefile")
_TIMEOUT_S = 600
_TAIL_LINES = 15
_NO_TESTS_FAILED, _TESTS_FAILED = 0, 1  # exit codes of pytest


class Break(NamedTuple):
    """A line that is made wrong."""

    name: str
    place: str  # the file, or the folder in one of whose files the old text stands
    old: str
    new: str
    tests: str  # of which one at least must fail: arguments of pytest

    def file(self, root: Path) -> Path:
        """Give the file that holds the old text, once.

        Raises
        ------
        LookupError
            If there is none, or more than one.
        """
        here = root / self.place
        files = sorted(file for file in here.rglob("*") if file.suffix in {".py", ".h"}) if here.is_dir() else [here]
        found = [file for file in files if self.old in file.read_text(encoding="utf-8")]
        if len(found) != 1 or found[0].read_text(encoding="utf-8").count(self.old) != 1:
            raise LookupError(f"{self.name}: {self.place} must hold once: {self.old}")
        return found[0]


BREAKS = (
    Break("rounding", "fpgaae/fixedpoint.py", "up = rest > half", "up = rest >= half",
          "tests/test_fixedpoint.py"),
    Break("parsed-sign", "fpgaae/fixedpoint.py", 'width, width, not integer["u"])', 'width, width, bool(integer["u"]))',
          "tests/test_fixedpoint.py -k types_are_read"),
    Break("empty-slot", "fpgaae/data/integers.py", "empty = given[..., 0] == 0", "empty = given[..., 0] < 0",
          "tests/data/test_integers.py"),
    Break("offset", "fpgaae/data", "centred = codes.astype(np.int64) - self.offsets",
          "centred = codes.astype(np.int64) + self.offsets", "tests/data/test_features.py"),
    Break("split", "fpgaae/data", ".astype(np.float64) * 2.0**-53", ".astype(np.float64) * 2.0**-54",
          "tests/data/test_splits.py"),
    Break("line-of-a-key", "fpgaae/config", "for length in range(len(path), -1, -1):",
          "for length in range(len(path) - 1, -1, -1):",
          "tests/config/test_yaml_source.py tests/config/test_config.py"),
    Break("extends", "fpgaae/config", "if key not in whole and isinstance(value, dict)",
          "if key in whole and isinstance(value, dict)", "tests/config/test_yaml_source.py"),
    Break("check-that-failed", "fpgaae/runs", "if spec.is_check and not _says_passed(folder / spec.result_file):",
          "if spec.is_check and not folder.exists():", "tests/runs/test_run_folders.py -m 'not slow'"),
    Break("killed-rename", "fpgaae/runs", "if old.exists() and not folder.exists():",
          "if old.exists() and folder.exists():", "tests/runs/test_run_folders.py -m 'not slow'"),
    Break("same-padding", "fpgaae/golden", "around += [total // 2, total - total // 2]",
          "around += [total - total // 2, total // 2]", "tests/golden/test_golden_convolution.py"),
    Break("mean-of-negatives", "fpgaae/golden", "np.sign(sums) * (np.abs(sums) // window.n_values)",
          "sums // window.n_values", "tests/golden/test_golden_convolution.py -k pooling"),
    Break("golden-score", "fpgaae/golden", "total(difference.codes * difference.codes)",
          "total(np.abs(difference.codes))", "tests/golden/test_golden_scores.py"),
    Break("exact-product", "fpgaae/golden", "np.float32 if largest_sum <= _FLOAT32_EXACT", "np.float32 if True",
          "tests/golden"),
    Break("last-activation", "fpgaae/models", "rectified=name != RECONSTRUCTION", "rectified=True",
          "tests/models/test_plan.py tests/models/test_float_model.py"),
    Break("tail", "fpgaae/training", "_MAKE_THE_SCORE else np.quantile(magnitude, 1 - TAIL)",
          "_MAKE_THE_SCORE else np.quantile(magnitude, TAIL)",
          "tests/training/test_widths.py"),
    Break("targets-in-order", "fpgaae/training", "self.grades[start : start + len(x)]", "self.grades[: len(x)]",
          "tests/training/test_distillation.py -m 'not slow'"),
    Break("memory-of-a-device", "fpgaae/training", "if size > _USABLE * limit:", "if size > limit / _USABLE:",
          "tests/training/methods/test_devices.py"),
    Break("largest-difference", "fpgaae/hls", "int(np.abs(got - expected).max())", "int(np.abs(got - expected).min())",
          "tests/hls/test_code_comparison.py"),
    Break("one-wrong-value", "fpgaae/hls", "wrong_events |= wrong.any(axis=1)", "wrong_events |= wrong.all(axis=1)",
          "tests/hls/test_code_comparison.py"),
    Break("dsp-width", "fpgaae/hls", "max(a, b) <= DSP_WIDE_BITS", "max(a, b) < DSP_WIDE_BITS",
          "tests/hls/test_lint_description.py"),
    Break("events-at-threshold", "fpgaae/hls", "passed.passed, behind - first, level",
          "passed.passed, behind - first - 1, level", "tests/hls/test_working_points.py"),
    Break("half-of-the-divergence", "firmware/hls", "ap_ufixed<1, 0> half = 0.5;", "ap_ufixed<1, 0> half = 0;",
          "tests/hls/test_scores_csim.py -m 'not slow'"),
    Break("rtl-rounding", "fpgaae/rtl", "x = x + 2 ** (drop - 1)", "x = x + 2**drop", "tests/rtl/test_arithmetic.py"),
    Break("emulator-shift", "fpgaae/emulator", "drop = feature.shift - to.fraction",
          "drop = feature.shift - to.fraction + 1", "tests/emulator/test_emulator.py -k every_score"),
    Break("ties", "fpgaae/evaluation", "return (below + not_above) / (2 * background.size * signal.size)",
          "return (2 * below) / (2 * background.size * signal.size)", "tests/evaluation/test_metrics.py"),
    Break("cut-between", "fpgaae/evaluation", "(lower + above.min()) / 2", "(lower + above.max()) / 2",
          "tests/evaluation/test_decisions.py"),
    Break("interval", "fpgaae/statistics.py", "tail = (1 - check_level(level)) / 2", "tail = 1 - check_level(level)",
          "tests/test_statistics.py"),
    Break("one-error", "fpgaae/report", "if smaller >= SYMMETRIC_RATIO * larger:",
          "if smaller <= SYMMETRIC_RATIO * larger:", "tests/report/test_tables.py"),
    Break("pareto", "fpgaae/scan", "np.any(costs < own, axis=1)", "np.any(costs <= own, axis=1)",
          "tests/scan/test_scan_results.py"),
    Break("use-and-method", "fpgaae/explore",
          "if lacking is not None and config.method", "if lacking is None and config.method",
          "tests/explore/test_uses.py -m 'not slow'"),
    Break("exit-code", "fpgaae/cli", "fail(str(error), error.exit_code)", "fail(str(error), 1)",
          "tests/cli/test_cli.py -m 'not slow'"),
)  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; 0 if every break is caught, 1 if one is missed, 2 if one can't be tried."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.breaks", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="of a break; by default all")
    wanted = parser.parse_args(arguments).names
    if unknown := set(wanted) - {one.name for one in BREAKS}:
        parser.error(f"there is no break {', '.join(sorted(unknown))}")
    breaks = [one for one in BREAKS if one.name in wanted or not wanted]
    with tempfile.TemporaryDirectory() as folder:
        root = _copy(Path(folder))
        found = [_is_caught(one, root) for one in breaks]
    print(f"{found.count(True)} of {len(found)} breaks are caught, {found.count(None)} can't be tried")
    return 1 if False in found else 2 if None in found else 0


def _copy(root: Path) -> Path:
    """Copy what the tests need; the copy's package is the one that is imported, in every process."""
    for name in (*_COPIED, *_COPIED_TOO):
        source = _ROOT / name
        if source.is_dir():
            shutil.copytree(source, root / name, ignore=shutil.ignore_patterns("__pycache__", "build", "*.egg-info"))
        else:
            shutil.copy2(source, root / name)
    (root / "fpgaae_firmware").symlink_to("firmware")
    return root


def _is_caught(one: Break, root: Path) -> bool | None:
    """Try a break and undo it; None if its line is not there, or its tests fail without it."""
    try:
        file = one.file(root)
    except LookupError as error:
        print(f"?       {error}", flush=True)
        return None
    if (done := _tests(one, root)).returncode != _NO_TESTS_FAILED:
        print(f"?       {one.name}: its tests do not pass without it:\n{_tail(done)}", flush=True)
        return None
    whole = file.read_text(encoding="utf-8")
    started = time.perf_counter()
    file.write_text(whole.replace(one.old, one.new), encoding="utf-8")
    try:
        done = _tests(one, root)
    finally:
        file.write_text(whole, encoding="utf-8")
    caught = done.returncode == _TESTS_FAILED
    failed = [line.split(" - ")[0] for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    by = failed[0] if failed else _tail(done)
    print(f"{'caught' if caught else 'MISSED'}  {one.name} ({time.perf_counter() - started:.0f} s)  {by}", flush=True)
    return caught


def _tests(one: Break, root: Path) -> subprocess.CompletedProcess[str]:
    """Run the tests of a break up to the first that fails."""
    command = f'"{sys.executable}" -m pytest -x -q -n 0 -p no:cacheprovider {one.tests}'
    return subprocess.run(
        command, shell=True, cwd=root, env=os.environ | {"PYTHONPATH": str(root)}, capture_output=True, text=True,
        check=False, timeout=_TIMEOUT_S,
    )  # fmt: skip


def _tail(done: subprocess.CompletedProcess[str]) -> str:
    return "\n".join((done.stdout + done.stderr).splitlines()[-_TAIL_LINES:])


if __name__ == "__main__":
    sys.exit(main())
