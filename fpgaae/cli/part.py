"""The program of one process of a training on several (`fpgaae.pipeline.train_together`).

It says how it ended in a line of JSON. What native libraries print goes to a log: one is shown when all have failed.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any, NoReturn

from fpgaae import pipeline
from fpgaae.cli.output import open_progress, sentence_of
from fpgaae.errors import FpgaaeError
from fpgaae.meeting import Place
from fpgaae.runs.experiment import open_experiment
from fpgaae.runs.run import RunOptions

_OF_ANOTHER = ("UNAVAILABLE", "ABORTED", "DEADLINE_EXCEEDED", "CANCELLED")  # what XLA says of others that are gone


def main() -> None:
    """Train as one of several processes."""
    given: dict[str, Any] = json.loads(sys.argv[1])
    answer = os.dup(1)
    sys.stdout = sys.stderr = os.fdopen(os.dup(2), "w", buffering=1)
    log = os.open(given["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(log, 1)
    os.dup2(log, 2)

    def end(how: str, what: str = "", exit_code: int = 0) -> NoReturn:
        os.write(answer, json.dumps({"how": how, "what": what, "exit_code": exit_code}).encode() + b"\n")
        sys.stderr.flush()
        os._exit(exit_code)  # JAX would wait for processes that are gone

    try:
        experiment = open_experiment(Path(given["config"]), Path(given["runs"]))
        options = RunOptions(given["force"], progress=open_progress(not given["is_shown"]))
        pipeline.run_part(experiment, Place(*given["place"]), options)
    except (FpgaaeError, OSError) as error:
        end("error", *sentence_of(error))
    except Exception as error:
        if not _is_of_another(error):
            raise
        end("cut", str(error), 1)
    end("done")


def _is_of_another(error: Exception) -> bool:
    """Tell whether an error is that of a sum over processes of which one is gone."""
    said = str(error)
    return said.startswith(_OF_ANOTHER) or "Gloo" in said or "NCCL" in said


if __name__ == "__main__":
    main()
