"""What a user does without this project: float training, QAT with pruning, hls4ml, ROC curves; a script by itself.

    python benchmarks/notebook_steps.py EVENTS.npz FOLDER TIMES.json [--float-epochs 20] [--quantized-epochs 25]

EVENTS.npz holds network inputs: `train` and `validation`, `background` and `signal` (the events that are predicted).
The network, its widths and epochs are those of configs/l1_ae.yaml; nothing of fpgaae is imported.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

started = time.perf_counter()
os.environ["TF_USE_LEGACY_KERAS"] = "1"  # QKeras and hls4ml read models of Keras 2
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np  # noqa: E402
import tf_keras  # noqa: E402

sys.modules["keras"] = tf_keras  # where Keras 3 is installed beside it, hls4ml takes it for the model's

import hls4ml  # noqa: E402
import qkeras  # noqa: E402
from sklearn.metrics import roc_auc_score, roc_curve  # noqa: E402
from tensorflow_model_optimization.python.core.sparsity.keras import (  # noqa: E402
    prune,
    pruning_callbacks,
    pruning_schedule,
)

BATCH = 1024
RATE, FINAL_RATE = 3e-3, 3e-5
ENCODER, LATENT, DECODER = (32, 16), 8, (16, 32)

times = {"imports": time.perf_counter() - started}


def timed(name: str, step: Callable[[], Any]) -> Any:  # noqa: ANN401
    """Run a step and note its seconds."""
    before = time.perf_counter()
    result = step()
    times[name] = time.perf_counter() - before
    return result


def schedule(steps: int) -> Any:  # noqa: ANN401
    """Give the learning rate of both trainings."""
    return tf_keras.optimizers.schedules.CosineDecay(RATE, steps, alpha=FINAL_RATE / RATE)


def fit_float(train: Any, validation: Any, epochs: int) -> Any:  # noqa: ANN401
    """Train the float autoencoder by Keras' `fit`."""
    n = train.shape[1]
    hidden = [tf_keras.layers.Dense(size, activation="relu") for size in ENCODER]
    hidden += [tf_keras.layers.Dense(LATENT)]
    hidden += [tf_keras.layers.Dense(size, activation="relu") for size in DECODER]
    model = tf_keras.Sequential([tf_keras.layers.Input((n,)), *hidden, tf_keras.layers.Dense(n)])
    steps = epochs * -(-len(train) // BATCH)
    model.compile(optimizer=tf_keras.optimizers.Adam(schedule(steps)), loss="mse")
    model.fit(train, train, batch_size=BATCH, epochs=epochs, validation_data=(validation, validation), verbose=0)
    return model


def fit_quantized(train: Any, validation: Any, epochs: int) -> Any:  # noqa: ANN401
    """Train the quantized autoencoder and prune half of its weights."""
    n = train.shape[1]
    steps = -(-len(train) // BATCH)
    pruning = pruning_schedule.PolynomialDecay(0.0, 0.5, 0, max(1, epochs // 2) * steps, frequency=max(1, steps // 2))

    def dense(size: int, name: str) -> Any:  # noqa: ANN401
        quantizer = qkeras.quantized_bits(8, 1, alpha=1)
        layer = qkeras.QDense(size, name=name, kernel_quantizer=quantizer, bias_quantizer=quantizer)
        return prune.prune_low_magnitude(layer, pruning_schedule=pruning)

    x = inputs = tf_keras.layers.Input((n,), name="features")
    x = qkeras.QActivation(qkeras.quantized_bits(10, 5, alpha=1), name="features_quantized")(x)
    for index, size in enumerate(ENCODER):
        x = dense(size, f"encoder_{index}")(x)
        x = qkeras.QActivation(qkeras.quantized_relu(8, 4), name=f"encoder_{index}_relu")(x)
    x = dense(LATENT, "latent")(x)
    x = qkeras.QActivation(qkeras.quantized_bits(8, 3, alpha=1), name="latent_quantized")(x)
    for index, size in enumerate(DECODER):
        x = dense(size, f"decoder_{index}")(x)
        x = qkeras.QActivation(qkeras.quantized_relu(8, 3), name=f"decoder_{index}_relu")(x)
    x = dense(n, "reconstruction")(x)
    x = qkeras.QActivation(qkeras.quantized_bits(10, 5, alpha=1), name="reconstruction_quantized")(x)
    model = tf_keras.Model(inputs, x)
    model.compile(optimizer=tf_keras.optimizers.Adam(schedule(epochs * steps)), loss="mse")
    model.fit(
        train, train, batch_size=BATCH, epochs=epochs, validation_data=(validation, validation), verbose=0,
        callbacks=[pruning_callbacks.UpdatePruningStep()],
    )  # fmt: skip
    return prune.strip_pruning(model)


def convert(model: Any, folder: Path) -> Any:  # noqa: ANN401
    """Write the HLS project."""
    config = hls4ml.utils.config_from_keras_model(model, granularity="name", backend="Vitis")
    return hls4ml.converters.convert_from_keras_model(
        model, hls_config=config, output_dir=str(folder), backend="Vitis", io_type="io_parallel",
        part="xcvu9p-flga2104-2L-e", clock_period=5, bit_exact=True,
    )  # fmt: skip


def squared_error(x: Any, found: Any) -> Any:  # noqa: ANN401
    """Give the anomaly scores."""
    return np.square(x - found.reshape(x.shape)).sum(axis=1)


def roc(scores: dict[str, Any], is_signal: Any) -> dict[str, float]:  # noqa: ANN401
    """Draw the ROC curve of each model, and give the area under it."""
    for own in scores.values():
        roc_curve(is_signal, own)
    return {name: float(roc_auc_score(is_signal, own)) for name, own in scores.items()}


def main() -> None:
    """Do all steps and write what each took."""
    parser = argparse.ArgumentParser()
    parser.add_argument("events", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("times", type=Path)
    parser.add_argument("--float-epochs", type=int, default=20)
    parser.add_argument("--quantized-epochs", type=int, default=25)
    given = parser.parse_args()
    with np.load(given.events) as file:
        events = {name: file[name] for name in file.files}
    train, validation = events["train"], events["validation"]
    plain = timed("float training", lambda: fit_float(train, validation, given.float_epochs))
    quantized = timed("quantized training", lambda: fit_quantized(train, validation, given.quantized_epochs))
    project = timed("conversion", lambda: convert(quantized, given.folder))
    timed("compilation", project.compile)
    x = np.ascontiguousarray(np.concatenate([events["background"], events["signal"]]))
    found = timed("firmware's prediction", lambda: project.predict(x))
    is_signal = np.arange(len(x)) >= len(events["background"])

    def curves() -> dict[str, float]:
        models = {"float": plain, "quantized": quantized}
        scores = {name: squared_error(x, own.predict(x, batch_size=8192, verbose=0)) for name, own in models.items()}
        return roc({**scores, "firmware": squared_error(x, found)}, is_signal)

    areas = timed("curves", curves)
    report = {"seconds": times, "events": len(x), "auc": areas}
    given.times.write_text(json.dumps(report), encoding="utf-8")


if __name__ == "__main__":
    main()
