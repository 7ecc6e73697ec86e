"""Packages of the extras: no command that can do without one imports it, and where one is needed `require` asks first.

A module that imports such a package at its top (or a module that does) needs the package; whoever imports that module
inside a function must have asked `require` for the package before, in the same function.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping

import pytest
from sources import MODULES, syntax_tree

from fpgaae.optional import EXTRAS

OPTIONAL = frozenset(module for extra in EXTRAS.values() for module in extra.modules)
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
BASE = (
    "cli.commands", "pipeline", "doctor", "data.stage", "data.inputs", "data.tables", "data.domains.sounds",
    "data.domains.econ_t", "data.domains.images", "hls.lint.run", "hls.convert_stage", "hls.csim", "hls.mutation",
    "training.reference", "training.quantized", "training.imported", "training.imported_network",
    "training.imported_reference", "training.imported_train", "training.post_training",
    "training.methods.stage", "training.methods.comparison", "evaluation.stage", "evaluation.drift_run",
    "report.stage", "explore.run", "emulator.export", "emulator.emulate", "scan.run", "scan.board", "cluster",
    "rtl.synthesize",
)  # fmt: skip
Needs = Mapping[str, frozenset[str]]


def _imported(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module:
        yield node.module
        yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _is_for_type_checkers(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def _at_import(node: ast.AST) -> Iterator[str]:
    """Give what a module imports when it is imported."""
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, FUNCTIONS) and not _is_for_type_checkers(child):
            yield from _imported(child)
            yield from _at_import(child)


def _needed(names: Iterator[str], needs: Needs) -> frozenset[str]:
    """Give the packages of the extras that imports of these names need."""
    return frozenset(
        package for name in names for package in ({name.split(".")[0]} & OPTIONAL) | needs.get(name, frozenset())
    )


@pytest.fixture(scope="module")
def needs() -> Needs:
    """What each module of the package needs when it is imported, also through others."""
    needs: Needs = {}
    while True:
        found = {name: _needed(_at_import(syntax_tree(name)), needs) for name in MODULES}
        if found == needs:
            return needs
        needs = found


def _unasked(tree: ast.Module, own: frozenset[str], needs: Needs) -> list[str]:
    """Say where a function imports what needs a package that `require` was not asked for before."""
    found = []
    for function in (node for node in ast.walk(tree) if isinstance(node, FUNCTIONS)):
        asked = {
            (node.args[0].value.split(".")[0], node.lineno)
            for node in ast.walk(function)
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "require"
            and isinstance(node.args[0], ast.Constant) and isinstance(node.args[0].value, str)
        }  # fmt: skip
        for node in ast.walk(function):
            before = {package for package, line in asked if line < getattr(node, "lineno", 0)}
            direct = _needed(_imported(node), {}) - own
            missing = _needed(_imported(node), needs) - own - before | direct
            found += [f"line {getattr(node, 'lineno', 0)}, {package}" for package in sorted(missing)]
    return found


@pytest.mark.parametrize("module", BASE)
def test_what_the_base_install_runs_imports_no_optional_package(module: str, needs: Needs) -> None:
    assert not needs[f"fpgaae.{module}"]


@pytest.mark.slow
@pytest.mark.parametrize("module", list(MODULES))
def test_an_optional_package_is_asked_for_before_it_is_imported(module: str, needs: Needs) -> None:
    assert not _unasked(syntax_tree(module), needs[module], needs), module


def test_the_modules_that_need_a_package_say_so() -> None:
    """Whoever reads a module's first lines knows that it can't be imported everywhere."""
    written = {"jax": "jax", "da4ml": "da4ml", "pyarrow": "pyarrow", "uproot": "uproot", "awkward": "awkward",
               "optuna": "optuna"}  # fmt: skip
    for name, tree in ((name, syntax_tree(name)) for name in MODULES):
        for package in _needed(_at_import(tree), {}):
            assert written[package] in (ast.get_docstring(tree) or "").lower(), name


@pytest.mark.parametrize(
    ("source", "wrong"),
    [
        ("def f():\n    import librosa\n", ["line 2, librosa"]),
        ("def f():\n    require('librosa', 'so')\n    import librosa\n", ["line 3, librosa"]),
        ("def f():\n    from a.needing import x\n", ["line 2, da4ml"]),
        ("def f():\n    from a import needing\n", ["line 2, da4ml"]),
        ("def f():\n    from a.needing import x\n    require('da4ml', 'so')\n", ["line 2, da4ml"]),
        ("def f():\n    require('jax', 'so')\n    from a.needing import x\n", ["line 3, da4ml"]),
        ("def f():\n    require('da4ml', 'so')\n    from a.needing import x\n", []),
        ("if TYPE_CHECKING:\n    import librosa\n", []),
    ],
)
def test_the_check_sees_what_is_not_asked_for(source: str, wrong: list[str]) -> None:
    tree = ast.parse(source)
    assert _unasked(tree, frozenset(), {"a.needing": frozenset({"da4ml"})}) == wrong
    assert not _needed(_at_import(tree), {})


@pytest.mark.parametrize(
    "source", ["import jax.numpy as jnp\n", "try:\n    from jax import grad\nexcept E:\n    pass\n"]
)
def test_the_check_sees_imports_at_the_top(source: str) -> None:
    assert _needed(_at_import(ast.parse(source)), {}) == {"jax"}
