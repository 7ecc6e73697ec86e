"""The entry point of `fpgaae`: Ctrl-C is one sentence from the first import on."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line."""
    try:
        from fpgaae.cli.commands import main as run_command_line  # noqa: PLC0415

        run_command_line()
    except KeyboardInterrupt:
        sys.stderr.write("fpgaae: interrupted before anything was done\n")
        sys.exit(130)


if __name__ == "__main__":
    main()
