"""The table of rules as the page `docs/lint.md`; a test holds the file against this."""

from __future__ import annotations

from fpgaae.hls.lint.rules import RULES

_HEAD = """# What `fpgaae lint` looks for

This page is what `fpgaae.hls.lint.page.rules_page` gives of the table in `fpgaae/hls/lint/rules.py`; a test keeps the
two in step. An *error* makes a bit differ or stops the conversion, a *warning* is exact but wasteful or exact only in
integers, a *note* is worth knowing. Percentages are the share of outputs that differed on small networks (hls4ml 1.3.0,
QKeras 0.9.0). h# is an issue or pull request of fastmachinelearning/hls4ml, q# of google/qkeras, t# of
tensorflow/model-optimization.

| rule | severity | cause | cure | see |
|---|---|---|---|---|
"""


def rules_page() -> str:
    """Give the page in Markdown."""
    rows = (
        f"| `{rule.name}` | {rule.severity.value} | {_cell(rule.cause)} | {_cell(rule.cure)} | {rule.references} |\n"
        for rule in RULES.values()
    )
    return _HEAD + "".join(rows)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
