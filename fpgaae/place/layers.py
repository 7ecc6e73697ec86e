"""Which layer of the network each operation of a pipeline belongs to (needs da4ml).

To cut the logic into stages numbers its operations anew. An operation is therefore known by its values on some events,
but for sign and scale, and belongs to the first layer whose codes are computed by one of the same values.
"""

from __future__ import annotations

import numpy as np
from da4ml.cmvm.types import CombLogic, Pipeline
from numpy.typing import NDArray

from fpgaae.golden.trigger import GoldenTrigger
from fpgaae.rtl.pipeline import interpretable, with_every_value
from fpgaae.rtl.trace import trace_layers

_EVENTS = 96
_SEED = 1
_INPUT = -1  # opcode of what is read from the stage before
_MUX = 6  # whose data names a third operand

Values = NDArray[np.float64]  # (n_events, n_operations)


def layers_of_operations(trigger: GoldenTrigger, pipeline: Pipeline) -> list[list[str | None]]:
    """Name the layer of each operation of each stage; None for one that is the same for all events, or in no layer."""
    events = _events(trigger)
    network = trigger.network
    logic = trace_layers(trigger, [layer.name for layer in network.layers])
    keys = _keys(_values(logic, events))
    owner: dict[bytes, str] = {}
    outputs = iter(logic.out_idxs)
    seen: set[int] = set()
    for layer in network.layers:
        for operation in _computed_for([next(outputs) for _ in range(layer.size)], logic, seen):
            if (key := keys[operation]) is not None:
                owner.setdefault(key, layer.name)
    found, words = [], events
    for stage in pipeline.solutions:
        values = _values(stage, words)
        found.append([None if key is None else owner.get(key) for key in _keys(values)])
        words = interpretable(stage).predict(words, n_threads=1).reshape(len(events), -1)
    return found


def _events(trigger: GoldenTrigger) -> Values:
    low, high = trigger.features.port_limits
    rng = np.random.default_rng(_SEED)
    return rng.integers(low, high + 1, size=(_EVENTS, len(low))).astype(np.float64)


def _values(logic: CombLogic, words: Values) -> Values:
    """Compute every operation of some logic."""
    values = with_every_value(logic).predict(words, n_threads=1)
    return np.asarray(values, dtype=np.float64).reshape(len(words), -1)


def _keys(values: Values) -> list[bytes | None]:
    """Give the values of each operation without their scale and sign; None where they are all the same."""
    keys: list[bytes | None] = []
    for column in values.T:
        if (column == column[0]).all():
            keys.append(None)
            continue
        first = column[np.flatnonzero(column)[0]]
        scale = np.ldexp(1.0, 1 - int(np.frexp(np.abs(column).max())[1]))
        keys.append((column * scale * np.sign(first) + 0.0).tobytes())  # + 0.0: no negative zeros
    return keys


def _computed_for(outputs: list[int], logic: CombLogic, seen: set[int]) -> list[int]:
    """Give the operations that some outputs need and none before them did, but for the inputs, and note them."""
    pending, found = list(outputs), []
    while pending:
        index = pending.pop()
        if index < 0 or index in seen:
            continue
        seen.add(index)
        operation = logic.ops[index]
        if operation.opcode == _INPUT:
            continue
        found.append(index)
        pending += [operation.id0, operation.id1]
        if abs(operation.opcode) == _MUX:
            pending.append(operation.data & 0xFFFFFFFF)
    return found
