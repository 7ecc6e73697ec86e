"""What a rule is, and what lint says where one is broken."""

from __future__ import annotations

from enum import Enum
from typing import Any, NamedTuple

from fpgaae.runs.record import as_json
from fpgaae.runs.results.convert import LintFinding


class Severity(str, Enum):
    """How much a finding matters."""

    ERROR = "error"  # a bit differs, or the model does not convert
    WARNING = "warning"  # exact but wasteful, or exact only in integers
    NOTE = "note"  # worth knowing


class Rule(NamedTuple):
    """One rule; its name is stable."""

    name: str
    severity: Severity
    cause: str
    cure: str
    references: str = ""


class Finding(NamedTuple):
    """A place where a rule is broken."""

    rule: str
    severity: Severity
    layer: str  # "" where it is not about a layer
    found: str  # the value that was found
    cause: str
    cure: str

    def entry(self) -> LintFinding:
        """Give the entry of `convert.json`."""
        return LintFinding(
            rule=self.rule,
            severity=self.severity.value,
            layer=self.layer,
            found=self.found,
            cause=self.cause,
            cure=self.cure,
        )

    def __str__(self) -> str:
        """Say it in one sentence."""
        where = f" in {self.layer}" if self.layer else ""
        found = f" ({self.found})" if self.found else ""
        return f"{self.rule}{where}{found}: {self.cause}; {self.cure}"


class Report(NamedTuple):
    """What was looked at, and what was found there."""

    subject: str
    findings: tuple[Finding, ...]

    @property
    def has_errors(self) -> bool:
        """Whether anything would make the firmware differ."""
        return any(finding.severity is Severity.ERROR for finding in self.findings)

    def to_json(self) -> list[dict[str, Any]]:
        """Give plain values, each finding with its subject."""
        return [{"subject": self.subject, **as_json(finding.entry())} for finding in self.findings]
