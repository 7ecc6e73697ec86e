"""The examples of the Python interface, run in a folder that holds what they show."""

from __future__ import annotations

import doctest
from collections.abc import Iterator
from pathlib import Path

import pytest

import fpgaae
from fpgaae import api

# Where an experiment with what the example needs is there already; all others run in tests/test_main_job.py.
ELSEWHERE = {
    "compare_layers": "rtl/test_layer_comparison.py",
    "compare_netlist": "place/test_mapped.py",
    "export_cmssw": "emulator/test_model_package.py",
    "export_ip": "ip/test_export_ip.py",
    "mutate_proof": "prove/test_prove_mutants.py",
    "place_front": "place/test_front.py",
    "repeat": "scan/test_repeat.py",
    "run_scan": "scan/test_scan_run.py",
}


def examples_of(name: str) -> list[doctest.DocTest]:
    """Give the examples of a public function or class, its methods included."""
    return doctest.DocTestFinder().find(getattr(api, name), name, globs={"fpgaae": fpgaae})


def run_examples(tests: list[doctest.DocTest], folder: Path) -> int:
    """Run examples in a folder; give how many lines there were."""
    runner = doctest.DocTestRunner(optionflags=doctest.REPORT_NDIFF)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        failed = [test.name for test in tests if runner.run(test).failed]
    assert failed == [], "see what doctest printed"
    return runner.tries


def without_a_test(root: Path) -> Iterator[str]:
    """Name the functions whose examples no test runs."""
    for name, file in ELSEWHERE.items():
        if f'examples_of("{name}")' not in (root / file).read_text(encoding="utf-8"):
            yield name
