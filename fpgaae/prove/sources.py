"""The sources of a written project beside the golden network, layer by layer, for every event."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from fpgaae.errors import CheckFailed
from fpgaae.fixedpoint import Codes
from fpgaae.golden.layers.base import Layer
from fpgaae.golden.layers.weighted import Weighted
from fpgaae.golden.network import IntegerNetwork
from fpgaae.golden.trigger import GoldenTrigger
from fpgaae.hls.project import DRIVER, WeightPort
from fpgaae.prove.branches import as_synthesized, is_of_a_vendor, other_branches
from fpgaae.prove.build import run_symbolic
from fpgaae.prove.front_end import slot_of
from fpgaae.prove.influence import may_branch
from fpgaae.prove.judges import judge
from fpgaae.prove.subject import Difference, Finding, Source, Subject
from fpgaae.prove.symbols import Trace


@dataclass(frozen=True)
class Sources:
    """A written project and what it should compute.

    Parameters
    ----------
    golden_names
        By recorded layer, in order, the golden layer that it computes.
    edited
        Files, relative to the project, that are not as `convert` wrote them.
    """

    project: Path
    project_name: str
    trigger: GoldenTrigger
    golden_names: Mapping[str, str]
    weight_ports: tuple[WeightPort, ...] = ()
    edited: tuple[str, ...] = ()

    @property
    def network(self) -> IntegerNetwork:
        """The golden network."""
        return self.trigger.network


@dataclass(frozen=True)
class SourceProof:
    """What was found of each recorded layer, in order.

    Parameters
    ----------
    in_synthesis
        Whether the branch was followed that is synthesized, and not that which the C simulation sees.
    """

    trace: Trace
    subjects: tuple[Subject, ...]
    findings: dict[str, Finding]
    in_synthesis: bool = False

    @property
    def proven(self) -> bool:
        """Whether every layer equals its golden one."""
        return all(not finding.differences and finding.open is None for finding in self.findings.values())

    @property
    def differs(self) -> bool:
        """Whether some layer is another function than its golden one."""
        return any(finding.differences for finding in self.findings.values())

    def left_open(self, reason: str) -> SourceProof:
        """Say of the last layer, and so of all, that nothing is shown."""
        return replace(self, findings={**self.findings, next(reversed(self.findings)): Finding("", open=reason)})

    @classmethod
    def nothing(cls) -> SourceProof:
        """Give what is found of sources that can't be followed at all."""
        return cls(Trace(), (), {})

    def refuted(self, layer: str, channel: int) -> SourceProof:
        """Let a layer that an event shows to differ be refuted, where the forms alone left all open."""
        if self.differs:
            return self
        why = self.findings[layer].open
        reason = "an event shows it" if why is None else f"an event shows it; {why}"
        return replace(self, findings={**self.findings, layer: Finding("", (Difference(channel, reason),))})


def prove_sources(sources: Sources, folder: Path, prepared: Path | None = None) -> SourceProof:
    """Compile and run a project over symbols, and compare every layer.

    Where synthesis may see other sources than the C simulation, both are followed, and the proof is given of the one
    that differs, or is open.

    Parameters
    ----------
    folder
        Of what is made.
    prepared
        What `prepare` gave, where several projects are proven.

    Raises
    ------
    CheckFailed
        If it does not compile or run over symbols.
    """
    proof = _proof(sources, folder, prepared)
    others = list(other_branches(sources.project, sources.edited))
    if proof.differs or DRIVER in sources.edited or not others:
        return proof
    if (other := next(filter(is_of_a_vendor, others), None)) is not None:
        return proof.left_open(f"synthesis may see another source than was followed: {other}")
    branch = folder / "synthesis"
    branch.mkdir(exist_ok=True)
    copied = replace(sources, project=as_synthesized(sources.project, branch / "project", sources.edited))
    try:
        shipped = replace(_proof(copied, branch, prepared), in_synthesis=True)
    except CheckFailed as error:
        return proof.left_open(f"the branch that is synthesized can't be followed: {error}")
    return shipped if proof.proven or shipped.differs else proof


def _proof(sources: Sources, folder: Path, prepared: Path | None) -> SourceProof:
    trace = run_symbolic(sources.project, sources.project_name, list(_ranges(sources)), folder, prepared)
    findings: dict[str, Finding] = {}
    subjects = []
    for index, (recorded, name) in enumerate(sources.golden_names.items()):
        if index not in trace.layers:
            findings[recorded] = _not_reached(trace, index)
            continue
        if trace.layers[index].name != recorded:
            said = f"{trace.layers[index].name} is recorded in its place"
            findings[recorded] = Finding("", (Difference(0, said),))
            continue
        subject = _subject(sources, trace, index, name)
        subjects.append(subject)
        found = _independent(judge(subject), index, trace, sources, recorded)
        findings[recorded] = found if found.differences else _unfinished(trace, index) or found
    if more := [layer.name for index, layer in trace.layers.items() if index >= len(sources.golden_names)]:
        raise CheckFailed(f"the project records a layer {more[0]} that was not converted")
    proof = SourceProof(trace, tuple(subjects), findings)
    if DRIVER in sources.edited and not findings[next(reversed(findings))].differences:
        return proof.left_open(f"{DRIVER} was edited, so that what it runs may not be the block that ships")
    return proof


def _not_reached(trace: Trace, index: int) -> Finding:
    if trace.stopped is None:
        return Finding("", (Difference(0, "it is not recorded"),))
    if trace.stopped[0] == index:
        return Finding("", open=trace.stopped[1])
    return Finding("", open=f"nothing behind {trace.layers[max(trace.layers)].name} was followed")


def _unfinished(trace: Trace, index: int) -> Finding | None:
    """Give why a layer was not followed on every path."""
    if index in trace.given_up:
        return Finding("", open=trace.given_up[index])
    if trace.stopped is None:
        return None
    stopped, reason = trace.stopped
    if stopped == index:
        return Finding("", open=reason)
    if index < stopped and index not in trace.branching:
        return None
    return Finding("", open=f"not every path was followed, since a layer behind it stops all: {reason}")


def _independent(finding: Finding, index: int, trace: Trace, sources: Sources, recorded: str) -> Finding:
    """Let a proof that takes branches of different values as independent stand only where they are known to be.

    Every branch of a group is followed, but groups side by side: that none decides about another one's value is a
    property of the layer functions that `convert` writes; an edit that can't reach a layer's own keeps it.
    """
    if finding.differences or index not in trace.branching:
        return finding
    project, name = sources.project, sources.project_name
    code = next((file for file in sources.edited if may_branch(project, name, file, recorded)), None)
    if code is None:
        return finding
    return Finding("", open=f"{code} was edited, so that its branches may depend on each other")


def _subject(sources: Sources, trace: Trace, index: int, name: str) -> Subject:
    golden, recorded = sources.network[name], list(sources.golden_names.values())
    reads = tuple(
        Source(recorded.index(_recorded(source, sources)), sources.network[source]) for source in golden.inputs
    )
    ports: dict[str, list[tuple[int, WeightPort]]] = {}
    start = 0
    for port in sources.weight_ports:
        ports.setdefault(port.layer, []).append((start, port))
        start += port.size
    frozen = {layer: tuple(of) for layer, of in ports.items()}
    return Subject(trace, index, golden, reads, sources.trigger.features, frozen, first_threshold=start)


def _recorded(name: str, sources: Sources) -> str:
    """Give the recorded layer whose codes a layer passes on, or the layer itself."""
    while name not in sources.golden_names.values() and sources.network[name].passes_on:
        name = sources.network[name].inputs[0]
    return name


def _ranges(sources: Sources) -> Sequence[str]:
    slots = [slot_of(sources.trigger.features, place)[0] for place in range(len(sources.trigger.features))]
    return [
        " ".join(map(str, [len(slots), *slots])),
        *_layer_ranges(sources),
    ]


def _layer_ranges(sources: Sources) -> Sequence[str]:
    return [
        " ".join(
            map(str, [index, layer.type.fraction, layer.size, *np.stack(code_ends(layer, sources.network), 1).ravel()])
        )
        for index, layer in enumerate(sources.network[name] for name in sources.golden_names.values())
    ]


def code_ends(layer: Layer, network: IntegerNetwork) -> tuple[Codes, Codes]:
    """Give the smallest and the largest code of each value that a golden layer can put out."""
    low, high = layer.ends
    if isinstance(layer, Weighted):
        smallest, largest = layer.range(network.sources(layer))
        return np.maximum(low, smallest), np.minimum(high, largest)
    return low, high
