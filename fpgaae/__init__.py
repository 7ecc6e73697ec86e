"""fpgaae: from trigger objects to verified trigger firmware.

`fpgaae.run("l1_ae.yaml")` does in Python what `fpgaae run l1_ae.yaml` does; `fpgaae.api` says what else there is.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fpgaae.api import (
        Run,
        check_machine,
        choose_thresholds,
        compare,
        compare_layers,
        compare_methods,
        compare_netlist,
        compare_runs,
        copy_config,
        draft_config,
        emulate,
        error_of,
        evaluate_events,
        explore_method,
        export_cmssw,
        export_emulator,
        export_ip,
        find_config,
        import_model,
        last_stage,
        lint,
        list_configs,
        load_config,
        mutate,
        mutate_proof,
        open_run,
        place_front,
        repeat,
        report_folder,
        run,
        run_scan,
        run_stage,
        train_together,
        write_comparison,
    )
    from fpgaae.errors import CheckFailed, ConfigError, FpgaaeError, InputError, ToolMissing

__version__ = "0.1.0"
__all__ = [
    "CheckFailed", "ConfigError", "FpgaaeError", "InputError", "Run", "ToolMissing", "__version__", "check_machine",
    "choose_thresholds", "compare", "compare_layers", "compare_methods", "compare_netlist", "compare_runs",
    "copy_config", "draft_config", "emulate", "error_of", "evaluate_events", "explore_method", "export_cmssw",
    "export_emulator", "export_ip", "find_config", "import_model", "last_stage", "lint", "list_configs",
    "load_config", "mutate", "mutate_proof", "open_run", "place_front", "repeat", "report_folder", "run",
    "run_stage", "run_scan", "train_together", "write_comparison",
]  # fmt: skip
_ERRORS = frozenset({"CheckFailed", "ConfigError", "FpgaaeError", "InputError", "ToolMissing"})


def __getattr__(name: str) -> Any:  # noqa: ANN401
    """Import what is asked for, so that `import fpgaae` is quick."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("fpgaae.errors" if name in _ERRORS else "fpgaae.api"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
