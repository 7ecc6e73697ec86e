"""What is asked for of a model file that is imported, beside the file itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class ImportChoices:
    """Which part of a model is taken, and how it is quantized."""

    quantize: bool = False  # anew, although its quantizers are known
    encoder: bool = False  # cut at the bottleneck
    outputs: tuple[str, ...] = ()  # layers that it is cut behind; none: what the model puts out
    keep_db: float | None = (
        None  # signal to noise for which the smallest widths are searched; None: those of the config
    )

    def others(self) -> Mapping[str, Any]:
        """Give what differs from the defaults, but for `quantize`."""
        usual = asdict(ImportChoices())
        return {key: value for key, value in asdict(self).items() if value != usual[key] and key != "quantize"}
