"""rule4ml's prediction of what the HLS project takes, where that optional package is installed.

rule4ml brings its own TensorFlow and Keras 3, so that it runs in a process of its own.
"""

from __future__ import annotations

import json
import signal
import sys
from importlib.util import find_spec
from typing import Any, NamedTuple

from fpgaae.config.experiment import Firmware
from fpgaae.errors import CheckFailed
from fpgaae.golden.layers.accept import Accept
from fpgaae.golden.layers.cell import Cell
from fpgaae.golden.layers.rounding import Input, Quantizer, Relu
from fpgaae.golden.layers.weighted import Dense
from fpgaae.golden.network import IntegerNetwork
from fpgaae.golden.scores.base import ScoreLayer
from fpgaae.processes import ProgramHangs, run_program

PUBLISHED_ERROR = "R2 0.8 to 0.98, sMAPE 10 to 30 %"  # Rahimifar et al., arXiv 2408.05314, abstract: validation set
BOARD = "alveo-u200"  # the board that it knows with the fabric of a VU9P
_PROGRAM = """
import json, sys
import keras
from rule4ml.models.wrappers import MultiModelWrapper
asked = json.load(sys.stdin)
x = inputs = keras.layers.Input((asked["inputs"],))
for layer in asked["layers"]:
    x = keras.layers.Dense(layer["units"], activation=layer["activation"])(x)
model = keras.Model(inputs, x, name="model")
model.build((None, asked["inputs"]))
estimator = MultiModelWrapper()
estimator.load_default_models()
row = estimator.predict(model, hls_configs=asked["config"]).mean(numeric_only=True)
print(json.dumps({key: float(row[key]) for key in ("LUT", "FF", "DSP", "BRAM")}))
"""
_TIMEOUT_S = 300
_CURE = "install a version that works here, or remove it"


class Taken(NamedTuple):
    """What a design takes; what is not known is None."""

    lut: int
    ff: int
    dsp: int | None = None
    bram: float | None = None  # blocks of 36 kbit


def predict_hls(network: IntegerNetwork, firmware: Firmware) -> Taken | None:
    """Predict LUT, FF, DSP and BRAM (36 kbit) of a dense network; None for another one, or without rule4ml.

    The score is not part of what is predicted. rule4ml knows one precision for all weights: the widest is asked for.

    Raises
    ------
    CheckFailed
        If rule4ml fails, crashes, hangs, or prints something else.
    """
    layers = describe_network(network)
    if layers is None or find_spec("rule4ml") is None:
        return None
    widest = max((layer.kernel_type for layer in network.weighted), key=lambda of: of.width)
    config = {
        "board": BOARD,
        "model": {
            "strategy": "resource" if firmware.strategy == "resource" else "latency",
            "precision": f"ap_fixed<{widest.width}, {widest.integer}>",
            "reuse_factor": firmware.reuse_factor,
        },
    }
    asked = {"inputs": network.layers[0].size, "layers": layers, "config": config}
    command = [sys.executable, "-c", _PROGRAM]
    try:
        done = run_program(command, "rule4ml", limit_s=_TIMEOUT_S, given=json.dumps(asked))
    except ProgramHangs:
        raise CheckFailed(f"rule4ml gave no answer in {_TIMEOUT_S} s; run the stage again, or remove rule4ml") from None
    if done.returncode < 0:
        raise CheckFailed(f"rule4ml crashed ({signal.Signals(-done.returncode).name}); {_CURE}")
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["nothing"])[-1]
        raise CheckFailed(f"rule4ml failed ({said[:200]}); {_CURE}")
    try:
        found = json.loads(done.stdout.strip().splitlines()[-1])
        return Taken(round(found["LUT"]), round(found["FF"]), round(found["DSP"]), found["BRAM"] / 2)
    except (ValueError, LookupError, TypeError, OverflowError):
        raise CheckFailed(f"rule4ml printed no prediction that can be read; {_CURE}") from None


def describe_network(network: IntegerNetwork) -> list[dict[str, Any]] | None:
    """Give the dense layers of a network that is a chain of them; None for another one."""
    if not all(isinstance(layer, (Input, Dense, Quantizer, ScoreLayer, Cell, Accept)) for layer in network.layers):
        return None
    rectified = {layer.inputs[0] for layer in network.layers if isinstance(layer, Relu)}
    dense = [layer for layer in network.layers if isinstance(layer, Dense)]
    if len({layer.inputs for layer in dense}) < len(dense):  # two heads
        return None
    return [
        {"units": layer.size, "activation": "relu" if layer.name in rectified else "linear"} for layer in dense
    ]  # fmt: skip
