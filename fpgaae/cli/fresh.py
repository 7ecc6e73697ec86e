"""A command that goes on in a fresh process: what Keras and TensorFlow take of memory, they give back at its end only.

Half of a machine's memory is then left for the compilers of the C simulation.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import NamedTuple

from fpgaae.processes import become

_NEED_NO_KERAS = frozenset(("csim", "prove", "trace", "rtl", "synth", "place"))
_LARGE = "tensorflow"


class Program(NamedTuple):
    """The program that this process runs; in a test or a notebook there is none."""

    words: tuple[str, ...]

    def go_on(self, done: str, left: Iterable[str]) -> None:
        """Become a fresh process that does what is left of `fpgaae run`, if Keras is loaded and none of that needs it.

        Parameters
        ----------
        done
            The stage that has just been shown.
        left
            The stages behind it.
        """
        stages = frozenset(left)
        if stages and stages <= _NEED_NO_KERAS and _LARGE in sys.modules:
            become([sys.executable, *self.words, "--shown", done])
