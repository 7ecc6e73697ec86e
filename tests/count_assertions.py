"""Counts what a run of the tests asserts, so that a change of the tests can be shown to lose nothing.

    make test ARGS="-p count_assertions -o enable_assertion_pass_hook=true"

prints, summed over all workers: cases that passed; `assert` statements that held, each once a case, and how often in
all (which chance moves, where hypothesis draws); exceptions and warnings that were asked for and came; comparisons of
arrays by `numpy.testing`. The statements of the helper modules in this folder count too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from _pytest.raises import RaisesExc
from _pytest.recwarn import WarningsChecker

_COUNTS: Counter[str] = Counter()
_SEEN: set[tuple[int, str]] = set()
_ARRAYS = ("assert_allclose", "assert_array_almost_equal", "assert_array_equal", "assert_array_less", "assert_equal")
_OUTPUT = "assertions"

pytest.register_assert_rewrite(*(file.stem for file in Path(__file__).parent.glob("*.py") if file.stem != "conftest"))


def pytest_configure() -> None:
    """Count from here on."""
    RaisesExc.__exit__ = _counted("raises", RaisesExc.__exit__, bool)  # type: ignore[method-assign]
    WarningsChecker.__exit__ = _counted("warns", WarningsChecker.__exit__)  # type: ignore[method-assign]
    for name in _ARRAYS:
        setattr(np.testing, name, _counted("arrays", getattr(np.testing, name)))


def _counted(
    name: str, function: Callable[..., Any], succeeded: Callable[[Any], bool] = lambda _: True
) -> Callable[..., Any]:
    """Count the calls of a function that end without an exception and with a result that means success."""

    @wraps(function)
    def call(*arguments: Any, **options: Any) -> Any:  # noqa: ANN401
        result = function(*arguments, **options)
        _COUNTS[name] += bool(succeeded(result))
        return result

    return call


def pytest_runtest_setup() -> None:
    """Begin a case: what its fixtures assert is counted with the first that asks for them."""
    _SEEN.clear()


def pytest_assertion_pass(lineno: int, orig: str) -> None:
    """Count an `assert` that held."""
    _COUNTS["asserts in all"] += 1
    if (lineno, orig) not in _SEEN:
        _SEEN.add((lineno, orig))
        _COUNTS["asserts"] += 1


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Count a case that passed."""
    _COUNTS["cases"] += report.when == "call" and report.passed


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hand the counts of a worker to the process that started it, which sees its cases itself."""
    if hasattr(session.config, "workeroutput"):
        del _COUNTS["cases"]
        session.config.workeroutput[_OUTPUT] = dict(_COUNTS)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:  # noqa: ANN401
    """Add what a worker counted."""
    _COUNTS.update(getattr(node, "workeroutput", {}).get(_OUTPUT, {}))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the sums."""
    terminalreporter.write_line("counted: " + ", ".join(f"{_COUNTS[name]:,} {name}" for name in sorted(_COUNTS)))
