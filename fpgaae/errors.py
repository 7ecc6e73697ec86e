"""The errors that a user can meet, each with the exit code of the command line.

A message is one sentence that says what is wrong, with which value, where, and what to do about it. Everything that a
user can cause is raised as one of these classes; any other exception is a defect of this package.
"""

from __future__ import annotations


class FpgaaeError(Exception):
    """Base of every expected error; `exit_code` is what the command line returns for it."""

    exit_code = 1


class CheckFailed(FpgaaeError):
    """A proof failed: a bit differs, a loss is not finite, a requirement is not met."""

    exit_code = 1


class InputError(FpgaaeError):
    """What the user gave (a file, a value, the state of a run folder) can't be used."""

    exit_code = 2


class ConfigError(InputError):
    """The experiment's YAML file is wrong; the message names the key, the file and the line."""


class ToolMissing(FpgaaeError):
    """A program or package that the command needs is not installed; the message gives the install line."""

    exit_code = 3
