"""What identifies a deployed network: hashes of everything that decides the emulator's answer."""

from __future__ import annotations

import hashlib
import json
from typing import Any, NamedTuple

import numpy as np

from fpgaae.golden.trigger import GoldenTrigger
from fpgaae.runs.record import as_json

_PLACE = ("name", "kind", "inputs", "size", "shape", "window")
_TYPES = ("type", "kernel_type", "bias_type", "table_type")
_UNSEEN = ("reloadable",)  # the trained weights are the same


class NetworkHashes(NamedTuple):
    """SHA-256 of what decides the answer."""

    weights: str  # kernels, biases, tables, thresholds
    types: str  # layers, how they are connected, their types and windows, and the scaling of the inputs

    @property
    def network(self) -> str:
        """Both in one."""
        return hashlib.sha256((self.weights + self.types).encode()).hexdigest()


def network_hashes(trigger: GoldenTrigger) -> NetworkHashes:
    """Identify a network by its content."""
    weights = hashlib.sha256()
    entries: list[Any] = [[as_json(entry) for entry in trigger.features.entries()]]
    for layer in trigger.network.layers:
        entry, arrays = layer.entry(), layer.arrays()
        shape = arrays["kernel"].shape if "kernel" in arrays else (0, 0)
        entries.append([entry[key] for key in _PLACE])
        entries.append([shape, *(_type_text(entry[key]) for key in _TYPES)])
        entries += [[key, entry[key]] for key in entry if key not in {*_PLACE, *_TYPES, *_UNSEEN}]  # of its kind alone
        for codes in arrays.values():
            weights.update(np.ascontiguousarray(codes, dtype="<i8").tobytes())
    types = hashlib.sha256(json.dumps(entries, sort_keys=True).encode())
    return NetworkHashes(weights.hexdigest(), types.hexdigest())


def _type_text(entry: Any) -> str:  # noqa: ANN401
    """Write a type as ever: its name, or `None`; of types per channel the list."""
    return entry if isinstance(entry, str) else json.dumps(entry) if entry else str(entry)
