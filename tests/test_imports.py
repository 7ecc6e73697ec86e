"""The module map of the design: imports point one way, and heavy packages are imported only where they are used."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter

import pytest
from sources import MODULES, syntax_tree

HEAVY = ("tensorflow", "keras", "tf_keras", "qkeras", "tensorflow_model_optimization", "hls4ml", "da4ml")

# From the ground up: a module imports those of its own line and of the lines above it.
LAYERS = (
    ("errors", "files", "limits", "names", "processes", "section", "optional"),
    ("fixedpoint", "statistics", "progress", "tensorflow_setup", "doctor", "cluster", "meeting"),
    ("methods",),
    ("config",),
    ("runs",),
    ("data",),
    ("golden",),
    ("models",),
    ("propose",),
    ("hls",),
    ("rtl",),
    ("place",),
    ("emulator",),
    ("prove",),
    ("evaluation",),
    ("training",),
    ("report",),
    ("explore",),
    ("ip",),
    ("pipeline",),
    ("scan",),
    ("api",),
    ("cli",),
    ("__main__",),
)
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}


def _imports(tree: ast.Module) -> Iterator[str]:
    """Give every module that a file imports, also inside its functions."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: a relative import"
            assert node.module
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (name if name in MODULES else node.module for name in names)


@cache
def _imports_of_the_package(module: str) -> set[str]:
    return {name for name in _imports(syntax_tree(module)) if name.split(".")[0] == "fpgaae" and name != "fpgaae"}


def _package(module: str) -> str:
    return module.split(".")[1]


def test_every_module_has_a_place_in_the_map() -> None:
    assert {_package(name) for name in MODULES if name != "fpgaae"} <= set(LEVEL)


@pytest.mark.parametrize("module", [name for name in MODULES if name != "fpgaae"])
def test_a_module_imports_only_those_above_it(module: str) -> None:
    for imported in _imports_of_the_package(module):
        if _package(imported) == _package(module):
            continue
        assert LEVEL[_package(imported)] <= LEVEL[_package(module)], f"{module} imports {imported}"


def test_no_module_imports_itself_through_others() -> None:
    graph = {module: _imports_of_the_package(module) for module in MODULES}
    try:
        tuple(TopologicalSorter(graph).static_order())
    except CycleError as error:
        pytest.fail(f"modules import each other: {error.args[1]}")


def test_the_check_sees_imports_of_every_form() -> None:
    tree = ast.parse(
        "import fpgaae.cli.commands\nfrom fpgaae.runs import run\nfrom fpgaae.data import readers, splits\n"
        "def f():\n    from fpgaae.hls.csim import run_csim\n    import tensorflow as tf\n"
    )
    assert list(_imports(tree)) == [
        "fpgaae.cli.commands", "fpgaae.runs.run", "fpgaae.data.readers", "fpgaae.data.splits", "fpgaae.hls.csim",
        "tensorflow",
    ]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(
    "modules",
    [
        ("fpgaae.cli.commands", "fpgaae.pipeline"),
        ("fpgaae.api", "fpgaae.emulator.arrays"),
        ("fpgaae.hls.csim", "fpgaae.hls.csim_library", "fpgaae.hls.stimulus", "fpgaae.golden.network"),
        ("fpgaae.data.stage", "fpgaae.doctor", "fpgaae.report.stage", "fpgaae.data.inputs"),
        ("fpgaae.hls.lint.run", "fpgaae.hls.lint.page", "fpgaae.hls.conversion"),
        ("fpgaae.emulator.emulate", "fpgaae.emulator.spans"),
    ],
    ids=["command-line", "python", "csim", "data", "lint", "emulate"],
)
def test_what_needs_no_tensorflow_does_not_import_it(modules: tuple[str, ...]) -> None:
    program = "\n".join(
        ["import sys", *(f"import {module}" for module in modules), "print(*{n.split('.')[0] for n in sys.modules})"]
    )
    output = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True, timeout=120)
    found = set(output.stdout.split())
    assert "fpgaae" in found
    assert found.isdisjoint(HEAVY), found & set(HEAVY)


@pytest.mark.slow
def test_the_modules_that_import_tensorflow_say_so() -> None:
    """Whoever reads a module's first lines knows what importing it costs."""
    for module, path in MODULES.items():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        top = {
            name.split(".")[0]
            for node in tree.body
            for name in (
                [alias.name for alias in node.names] if isinstance(node, ast.Import)
                else [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            )
        }  # fmt: skip
        if top & set(HEAVY):
            words = (ast.get_docstring(tree) or "").lower()
            assert any(name in words for name in ("tensorflow", "keras", "hls4ml", "da4ml")), module


# What the command line may use beside the Python interface: errors, typed results, and what says how these are shown.
SHOWN = (
    "fpgaae.api", "fpgaae.cli", "fpgaae.errors", "fpgaae.progress", "fpgaae.statistics", "fpgaae.runs", "fpgaae.doctor",
    "fpgaae.hls.lint.findings", "fpgaae.report.tables", "fpgaae.report.flatness", "fpgaae.scan.table",
)  # fmt: skip
# To go on as another process is the command line's own affair: a caller from Python keeps the process that it has. The
# program that a training on several processes starts in each is no command.
ITS_OWN = {
    "fpgaae.cli.fresh": {"fpgaae.processes"},
    "fpgaae.cli.part": {"fpgaae.meeting", "fpgaae.pipeline"},
}


@pytest.mark.parametrize("module", [name for name in MODULES if _package(f"{name}.") == "cli"])
def test_the_command_line_uses_the_python_interface(module: str) -> None:
    others = {
        name for name in _imports_of_the_package(module) if not f"{name}.".startswith(tuple(f"{s}." for s in SHOWN))
    }
    assert others == ITS_OWN.get(module, set()), f"{module} does by itself what fpgaae.api should offer"
