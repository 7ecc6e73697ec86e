"""The section `data.hardware`: kinds of trigger objects or an array of cells, and how wide their integers are.

What the firmware makes of them does not belong here.
"""

from __future__ import annotations

from collections.abc import Collection
from math import pi, prod
from typing import Annotated, Any

from pydantic import Field, model_validator

from fpgaae.config.words import EtaWord, PhiWord, PtWord, Saturated
from fpgaae.limits import EVENT_VALUES
from fpgaae.names import CodeName
from fpgaae.section import Lsb, Section

SUMS_OF_EVENT = ("met", "mht_", "et_", "ht_")  # how the names of sums over an event begin: they are no objects


class ObjectWidths(Section):
    """Slots and hardware widths of one kind of trigger object; 0 bits leave a property out (it is then 0).

    Either as the integers that the firmware's ports take (`pt_bits`, `eta_bits`, `phi_bits`: pT without a sign, eta and
    a phi around 0 with one), or as the words that the trigger sends (`pt`, `eta`, `phi`).
    """

    name: CodeName
    slots: Annotated[int, Field(ge=1, le=64)]  # most objects of the kind in an event
    pt_bits: Annotated[int, Field(ge=1, le=16)]
    eta_bits: Annotated[int, Field(ge=0, le=16)]
    phi_bits: Annotated[int, Field(ge=0, le=16)]
    pt: PtWord | None = None
    eta: EtaWord | None = None
    phi: PhiWord | None = None
    saturated: Saturated | None = None  # None: as `hardware.saturated`

    @model_validator(mode="before")
    @classmethod
    def _bits_of_words(cls, given: Any) -> Any:  # noqa: ANN401
        """Let the bits of words stand for those of integers; a property without a word is then left out."""
        if not isinstance(given, dict):
            return given
        words = {key: given[key] for key in ("pt", "eta", "phi") if given.get(key) is not None}
        if not words:
            return given
        bits: dict[str, Any] = {"eta_bits": 0, "phi_bits": 0}
        for key, word in words.items():
            found = word.get("bits") if isinstance(word, dict) else getattr(word, "bits", None)
            bits[f"{key}_bits"] = found if found in range(1, 17) else 1  # the word itself is refused
        if twice := [key for key, value in bits.items() if given.get(key, value) != value]:
            raise ValueError(f"{twice[0]}: the word `{twice[0].removesuffix('_bits')}` says the bits; leave this out")
        return {**given, **bits}

    @property
    def has_words(self) -> bool:
        """Whether the words of the trigger are declared, and not the integers of the ports only."""
        return (self.pt or self.eta or self.phi) is not None


class ArrayWidth(Section):
    """A detector that is read out as an array of numbers, such as the cells of a calorimeter, all of one width."""

    name: CodeName  # of the firmware's port
    shape: Annotated[tuple[Annotated[int, Field(ge=1, le=4096)], ...], Field(min_length=1, max_length=3)]
    bits: Annotated[int, Field(ge=1, le=16)]  # of a cell
    signed: bool = False
    lsb: Lsb = 1.0  # what a count stands for
    absent: tuple[int, ...] = ()  # cells, counted in order, that the detector has not: no port, always 0

    @model_validator(mode="after")
    def _cells_fit(self) -> ArrayWidth:
        if any(not 0 <= cell < self.n_cells for cell in self.absent) or len(set(self.absent)) >= self.n_cells:
            raise ValueError(f"absent: cells are counted from 0 to {self.n_cells - 1}, and one must be left")
        if self.n_cells > EVENT_VALUES:
            raise ValueError(f"an array of {self.n_cells} cells is more than the {EVENT_VALUES} that an event may have")
        return self

    @property
    def n_cells(self) -> int:
        """Number of hardware integers of an event."""
        return prod(self.shape)


class Hardware(Section):
    """The hardware integers: what a Level-1 trigger sends for each object, or a detector for each cell of an array."""

    pt_lsb_gev: Lsb = 0.5  # GeV of a step of pT
    eta_lsb: Lsb = 0.0435
    phi_steps: Annotated[int, Field(ge=4, le=65536)] = 144  # steps of a whole turn
    saturated: Saturated = Saturated.KEEP  # objects whose pT is the overflow code
    objects: tuple[ObjectWidths, ...] = ()
    array: ArrayWidth | None = None

    @model_validator(mode="after")
    def _one_layout(self) -> Hardware:
        if bool(self.objects) is (self.array is not None):
            raise ValueError("give either `objects` (trigger objects) or `array` (cells of a detector)")
        return self

    @model_validator(mode="after")
    def _names_differ(self) -> Hardware:
        names = [kind.name for kind in self.objects]
        types = {f"{name}_object" for name in names}
        for index, name in enumerate(names):
            if name in names[:index] or name in types:
                raise ValueError(f"data.hardware.objects.{index}.name: `{name}` stands for two things; rename one")
        if 3 * self.n_slots > EVENT_VALUES:
            raise ValueError(f"{self.n_slots} slots have more than the {EVENT_VALUES} integers that an event may have")
        return self

    @model_validator(mode="after")
    def _phi_fits(self) -> Hardware:
        for kind in self.objects:
            if kind.phi_bits and 2**kind.phi_bits < self.steps_of(kind):
                raise ValueError(f"{kind.phi_bits} phi_bits of {kind.name} can't hold {self.steps_of(kind)} phi_steps")
        return self

    @model_validator(mode="after")
    def _pt_can_be_added(self) -> Hardware:
        if len({self.pt_lsb_of(kind) for kind in self.objects}) > 1:
            raise ValueError("the pT of all objects must have one LSB, since they are added up; give one `lsb_gev`")
        return self

    def pt_lsb_of(self, kind: ObjectWidths) -> float:
        """Give the GeV that a step of an object's pT stands for."""
        return (kind.pt and kind.pt.lsb_gev) or self.pt_lsb_gev

    def eta_lsb_of(self, kind: ObjectWidths) -> float:
        """Give what a step of an object's eta stands for."""
        return (kind.eta and kind.eta.lsb) or self.eta_lsb

    def steps_of(self, kind: ObjectWidths) -> int:
        """Give the steps of a turn of an object's phi."""
        return (kind.phi and kind.phi.steps) or self.phi_steps

    def steps_of_features(self) -> tuple[float, ...]:
        """Give what a step of every feature stands for, 0 for one that is not there: slot by slot, or cell by cell."""
        if self.array is not None:
            array = self.array
            return tuple(0.0 if cell in array.absent else array.lsb for cell in range(array.n_cells))
        return tuple(
            step if bits else 0.0
            for kind in self.objects
            for _ in range(kind.slots)
            for bits, step in (
                (kind.pt_bits, self.pt_lsb_of(kind)),
                (kind.eta_bits, self.eta_lsb_of(kind)),
                (kind.phi_bits, 2 * pi / self.steps_of(kind)),
            )
        )

    def amount_places(self, kinds: Collection[str] = ()) -> tuple[int, ...]:
        """Give the features that are amounts, never negative: the pT of each slot of some kinds, or the cells.

        Parameters
        ----------
        kinds
            Names of kinds of objects; none: all but the sums over an event.

        Raises
        ------
        ValueError
            If there is no such kind, or the cells have a sign.
        """
        if self.array is not None:
            if kinds:
                raise ValueError("an array has no kinds of objects; leave `of` out")
            if self.array.signed:
                raise ValueError("the cells of `data.hardware.array` have a sign, so that their sum is no amount")
            return tuple(cell for cell in range(self.array.n_cells) if cell not in self.array.absent)
        names = [kind.name for kind in self.objects]
        if unknown := [name for name in kinds if name not in names]:
            raise ValueError(f"`data.hardware` has no objects called {unknown[0]}; it has {', '.join(names)}")
        wanted = kinds or [name for name in names if not f"{name}_".startswith(SUMS_OF_EVENT)]
        if not wanted:
            raise ValueError("all of `data.hardware.objects` are sums over the event; name those that count under `of`")
        slots = [kind.name for kind in self.objects for _ in range(kind.slots)]
        return tuple(3 * slot for slot, name in enumerate(slots) if name in wanted)

    def saturated_of(self, kind: ObjectWidths) -> Saturated:
        """Tell what becomes of such objects whose pT is the overflow code."""
        return kind.saturated or self.saturated

    @property
    def kinds_with_words(self) -> tuple[str, ...]:
        """The kinds of objects that arrive as words which are not the hardware integers themselves."""
        return tuple(kind.name for kind in self.objects if kind.has_words or self.saturated_of(kind) is Saturated.ZERO)

    @property
    def n_slots(self) -> int:
        """Number of objects an event holds."""
        return sum(kind.slots for kind in self.objects)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """The hardware integers of an event as (height, width, channels): an object a row, or the array."""
        if self.array is None:
            return self.n_slots, 3, 1
        height, width, channels = (*self.array.shape, 1, 1)[:3]
        return height, width, channels
