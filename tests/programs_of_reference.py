"""Runs a program of tests/training/methods/programs in a process of its own: Keras has one backend a process."""

from __future__ import annotations

import json
import os
import subprocess
import sys

from support import REPOSITORY

from fpgaae.files import Json


def output_of(program: str) -> Json:
    """Run a program, and give the JSON that it prints."""
    file = REPOSITORY / "tests" / "training" / "methods" / "programs" / f"{program}.py"
    path = os.pathsep.join([str(REPOSITORY / "tests"), str(REPOSITORY), os.environ.get("PYTHONPATH", "")])
    environment = {name: value for name, value in os.environ.items() if name != "KERAS_BACKEND"} | {"PYTHONPATH": path}
    done = subprocess.run(
        [sys.executable, str(file)], capture_output=True, text=True, check=False, env=environment, timeout=1800
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found: Json = json.loads(done.stdout.splitlines()[-1])
    return found
