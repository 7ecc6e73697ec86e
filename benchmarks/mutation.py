"""200 damaged copies of a project: how many the bit check catches, and how long that takes."""

from __future__ import annotations

from typing import Any

from benchmarks.measure import Bench, epochs, new_bench
from benchmarks.result import Goal, Result, Settings

NAME = "mutation"
_MUTANTS, _FEW = 200, 12
_MODELS: dict[str, dict[str, Any]] = {"l1_ae": {}, "l1_vae_kl": {"firmware": {"io_type": "io_stream"}}}


def run(settings: Settings) -> Result:
    """Damage the default autoencoder, and a streaming encoder whose score has a table."""
    result = Result(NAME, ("model", "damaged", "mutants", "caught", "equivalent", "missed", "wrong layer"))
    for name in list(_MODELS)[:1] if settings.quick else _MODELS:
        with new_bench() as bench:
            _add(result, bench, name, _FEW if settings.quick else _MUTANTS)
    return result


def _add(result: Result, bench: Bench, name: str, n: int) -> None:
    config = bench.config(name, {**epochs(1, 1), **_MODELS[name]})
    for stage in ("data", "reference", "train", "convert"):
        bench.stage(stage, config)
    bench.stage("csim", config)
    bench.stage("csim", config, "--mutate", str(n))
    found = bench.result(config, "csim/mutants.json")
    for damage in dict.fromkeys(mutant["damage"] for mutant in found["mutants"]):
        own = [mutant for mutant in found["mutants"] if mutant["damage"] == damage]
        counts = [float(sum(m["outcome"] == outcome for m in own)) for outcome in ("caught", "equivalent", "missed")]
        wrong = float(sum(mutant["attributed"] is False for mutant in own))
        result.rows.append((name, damage, float(len(own)), *counts, wrong))
    result.goals += [
        Goal(f"{name}, caught or equivalent", found["caught"] + found["equivalent"], n, "mutants", at_least=True),
        Goal(
            f"{name}, layer named", found["caught"] - found["misattributed"], found["caught"], "mutants", at_least=True
        ),
        Goal(f"{name}, time for {n} mutants", found["seconds"], 900, "s"),
    ]
