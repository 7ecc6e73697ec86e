"""fpgaae: from trigger objects to verified trigger firmware.

`fpgaae.run("l1_ae.yaml")` does in Python what `fpgaae run l1_ae.yaml` does; `fpgaae.api` says what else there is.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fpgaae.api import (
        Run,
        compare,
        copy_config,
        draft_config,
        import_model,
        list_configs,
        load_config,
        open_run,
        run,
    )
    from fpgaae.errors import CheckFailed, ConfigError, FpgaaeError, InputError, ToolMissing

__version__ = "0.1.0"
__all__ = [
    "CheckFailed", "ConfigError", "FpgaaeError", "InputError", "Run", "ToolMissing", "__version__", "compare",
    "copy_config", "draft_config", "import_model", "list_configs", "load_config", "open_run", "run",
]  # fmt: skip
_ERRORS = frozenset({"CheckFailed", "ConfigError", "FpgaaeError", "InputError", "ToolMissing"})


def __getattr__(name: str) -> Any:  # noqa: ANN401
    """Import what is asked for, so that `import fpgaae` is quick."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("fpgaae.errors" if name in _ERRORS else "fpgaae.api"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
