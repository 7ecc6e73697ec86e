"""Trains small autoencoders of digits and spins on JAX, and prints what their uses give as JSON."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml
from support import CONFIGS

from fpgaae import pipeline
from fpgaae.runs.experiment import open_experiment
from fpgaae.runs.run import RunOptions

FOLDER = Path(tempfile.mkdtemp(prefix="fpgaae-test-"))
BASE: dict[str, Any] = {
    "quantization": {name: {"bits": 10, "integer_bits": 5} for name in ("inputs", "weights", "activations")},
    "explore": {"events": 400},
}


def explore(name: str, uses: list[str], config: dict[str, Any], epochs: int) -> dict[str, Any]:
    """Train a method and give the results of its uses."""
    fit = {"epochs": epochs, "batch_size": 128, "learning_rate": 3e-3, "final_learning_rate": 1e-4}
    file = FOLDER / f"{name}.yaml"
    file.write_text(
        yaml.safe_dump({**BASE, **config, "training": {"reference": fit, "quantized": fit}}), encoding="utf-8"
    )
    experiment = open_experiment(file, FOLDER / "runs")
    outcomes = pipeline.explore(experiment, uses, RunOptions())
    figures = {use: (experiment.stage_folder(f"explore-{use}") / f"{use}.png").stat().st_size for use in uses}
    again = pipeline.explore(experiment, uses[:1], RunOptions())
    return {
        "figures": figures,
        "current": again[uses[0]].was_current,
        **{use: outcome.result.to_json() for use, outcome in outcomes.items()},
    }


def digits(method: dict[str, Any], hidden: list[int], latent: int) -> dict[str, Any]:
    """Describe an experiment with digits."""
    return {
        "data": {
            "reader": "images",
            "options": {"shift": 0.2, "turn": 3},
            "files": {"digits": "toy:digits:5000#0-8", "zero": "toy:digits:300#0", "one": "toy:digits:300#1"},
            "background": "digits",
            "split": {"train": 0.6, "validation": 0.05, "test": 0.35},
            "hardware": {"array": {"name": "pixel", "shape": [8, 8], "bits": 5}},
        },
        "model": {"encoder": hidden, "latent": latent, "decoder": hidden[::-1], "score": "squared_error"},
        "method": method,
    }


def spins() -> dict[str, Any]:
    """Describe an experiment with a small lattice of spins."""
    return {
        "data": {
            "reader": "ising",
            "options": {"sweeps": 40},
            "files": {"spins": "toy:ising:2048", "ordered": "toy:ordered:200"},
            "background": "spins",
            "split": {"train": 0.6, "validation": 0.05, "test": 0.35},
            "hardware": {"array": {"name": "spin", "shape": [8, 8], "bits": 2, "signed": True}},
        },
        "model": {"encoder": [16], "latent": 1, "decoder": [16], "score": "squared_error"},
        "method": {"kind": "vae", "scores": ["kl"]},
    }


if __name__ == "__main__":
    vae = digits({"kind": "vae", "likelihood_width": 0.5, "scores": ["reconstruction"]}, [48], 2)
    denoising = digits({"kind": "denoising", "noise": "masking", "scores": ["reconstruction"]}, [128], 48)
    measured = {
        "vae": explore("vae", ["latent", "cluster", "compress", "interpolate"], vae, 40),
        "denoising": explore("denoising", ["impute"], denoising, 30),
        "spins": explore("spins", ["correlate"], spins(), 20),
    }
    shipped = open_experiment(CONFIGS / "reference" / "digits_vae.yaml", FOLDER / "runs")
    measured["shipped"] = pipeline.explore(shipped, ["sample"], RunOptions())["sample"].result.to_json()
    json.dump(measured, sys.stdout)
