"""What a table (Parquet, CSV, ROOT) holds in which of its columns: the section `data.table`.

How tables are read does not belong here.
"""

from __future__ import annotations

from enum import Enum

from fpgaae.section import Section


class TableValues(str, Enum):
    """What the numbers of a table are."""

    INTEGERS = "integers"  # hardware integers, as a Level-1 trigger sends them
    PHYSICAL = "physical"  # pT in GeV, eta, phi in rad


class ObjectColumns(Section):
    """Columns of one kind of object: of lists, or of one slot each with `{slot}`, counted from 1, in the name."""

    pt: str  # column of each quantity
    eta: str | None = None  # None: 0
    phi: str | None = None  # a missing one is zero


class Table(Section):
    """Which column of a table (Parquet, CSV, ROOT) holds what; arrays of objects (HDF5, npz) need none."""

    tree: str | None = None  # of a ROOT file that has several
    values: TableValues = TableValues.INTEGERS
    objects: dict[str, ObjectColumns]  # by the name of the kind in `hardware.objects`
