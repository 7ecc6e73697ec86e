#!/usr/bin/env -S uv run --script

# /// script
# dependencies = ["nox>=2024.4.15"]
# ///

"""The targets of the Makefile for those who use nox: `nox --list`, `nox -s check`. `make` needs nothing installed."""

from __future__ import annotations

import nox

nox.needs_version = ">=2024.4.15"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.reuse_existing_virtualenvs = True

PYTHONS = ["3.10", "3.11", "3.12", "3.13"]
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
ONE_CORE = dict.fromkeys(_THREADS, "1")  # threads of the libraries would wait for each other, as in the Makefile
PYTEST = ("python", "-m", "pytest", "-n", "2", "--dist", "worksteal")


def _install(session: nox.Session, extras: str, constraints: str = "constraints.txt") -> None:
    session.install("--constraint", constraints, "--editable", f".[{extras}]")


@nox.session(default=True)
def check(session: nox.Session) -> None:
    """Format, lint, types and the quick tests."""
    _install(session, "all,dev,docs")
    session.run("python", "-m", "ruff", "format", "--check")
    session.run("python", "-m", "ruff", "check")
    session.run("python", "-m", "mypy")
    session.run(*PYTEST, "-m", "not slow", *session.posargs, env=ONE_CORE)


@nox.session(python=PYTHONS, default=False)
def tests(session: nox.Session) -> None:
    """Run every test."""
    _install(session, "all,dev,docs")
    session.run(*PYTEST, *session.posargs, env=ONE_CORE)


@nox.session(python=PYTHONS[0], venv_backend="uv", default=False)
def lowest(session: nox.Session) -> None:
    """Run the main job and the quick tests with the lowest versions that `pyproject.toml` takes."""
    session.install("--resolution", "lowest-direct", "--editable", ".[all,dev]")
    folder = session.create_tmp()
    session.run("fpgaae", "run", "configs/l1_ae.yaml", "--to", "evaluate", "--force", "--runs", folder)
    # of a warning between old packages and new ones that they bring, nothing follows here
    session.run(*PYTEST, "-W", "default", "-m", "not slow", *session.posargs, env=ONE_CORE)


@nox.session(default=False)
def docs(session: nox.Session) -> None:
    """Build the site; a warning or a dead link is an error."""
    _install(session, "docs")
    session.run("python", "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", "docs", "docs/_build/html")


@nox.session(default=False)
def bench(session: nox.Session) -> None:
    """Time every stage."""
    _install(session, "all,dev")
    session.run("python", "-m", "benchmarks.main", *session.posargs)


if __name__ == "__main__":
    nox.main()
