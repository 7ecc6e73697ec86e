"""Which functions of a header of ours a project is compiled with: those that it calls, and those that these call."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

_HEAD = re.compile(r"^(?:template <|struct |inline |static )", re.MULTILINE)
_NAME = re.compile(r"\bstruct (\w+)|\b(\w+)\(")


class Definition(NamedTuple):
    """A struct or a function at the outermost level."""

    name: str
    start: int
    end: int
    text: str


def definitions(text: str) -> Iterator[Definition]:
    """Take a header apart; a definition ends where a brace closes at the begin of a line, or without a body at once."""
    for head in _HEAD.finditer(text):
        name = _NAME.search(text, head.start())
        end = text.find("\n}", head.start())
        if name is not None and end > name.start():
            yield Definition(name[1] or name[2], head.start(), end, text[head.start() : end])


def used_definitions(
    text: str, called_in: str, leave: Callable[[Definition], bool] = lambda _: False
) -> list[Definition]:
    """Give the definitions of a header that a source uses.

    Parameters
    ----------
    leave
        Tells definitions that are not meant, such as the overloads for streams.
    """
    rest = [one for one in definitions(text) if not leave(one)]
    used: list[Definition] = []
    sources = [called_in]
    while sources:
        source = sources.pop()
        for one in [one for one in rest if re.search(rf"\b{one.name}\b", source)]:
            rest.remove(one)
            used.append(one)
            sources.append(one.text.split("{", 1)[-1] if "{" in one.text else one.text)
    return used
