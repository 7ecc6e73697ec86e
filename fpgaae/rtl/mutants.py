"""Damaged copies of a traced project: the wrappers, the block, the registers and the logic of its stages, and tables.

Whether the check of `rtl` sees them is decided in `fpgaae.rtl.mutation`.
"""

from __future__ import annotations

import re
from enum import Enum
from pathlib import Path

import numpy as np

from fpgaae.hls.mutant import Kind, Maker, Mutant, Slip, pick, slips
from fpgaae.rtl.design import VERILOG_FOLDER, VHDL_FOLDER

_VALID, _AXIS, _TRIGGER, _CORE = (f"verilog/*_{name}.v" for name in ("valid", "axis", "trigger", "core"))
_STAGE, _VHDL_STAGE = "verilog/*_core_stage*.v", "vhdl/*_core_stage*.vhd"
_VHDL_TRIGGER, _VHDL_CORE = "vhdl/*_trigger.vhd", "vhdl/*_core.vhd"


class Damage(str, Enum):
    """What is damaged."""

    RESET = "reset"
    VALID = "valid logic"
    BACK_PRESSURE = "back-pressure"
    FIFO = "results that wait"
    TLAST = "tlast"
    STREAM_BITS = "bits of a stream"
    REGISTER = "register of a stage"
    STATE = "state between events"
    EXCHANGED_OBJECTS = "exchanged objects"
    ACCEPT_ORDER = "order of the accept bits"
    SCORE_BITS = "bits of the score"
    SIGN = "sign of an operand"
    WIDTH = "a bit narrower"
    SHIFT = "shift of an operand"
    OPERATION = "sum and difference"
    OPERANDS = "exchanged operands"
    SLICE = "bits of a value"
    RECTIFIED = "rectification or saturation"
    CONSTANT = "constant, threshold or half"
    WIRING = "exchanged results of a stage"
    MODULE = "module of an operation"
    TABLE = "table"
    VHDL_REGISTER = "register of a stage (VHDL)"
    VHDL_STATE = "state between events (VHDL)"
    VHDL_OBJECTS = "exchanged objects (VHDL)"
    VHDL_ACCEPT = "order of the accept bits (VHDL)"
    VHDL_OPERATION = "operation of a stage (VHDL)"
    VHDL_CONSTANT = "constant, threshold or half (VHDL)"
    VHDL_MODULE = "module of an operation (VHDL)"
    VHDL_TABLE = "table (VHDL)"


class RtlSources:
    """The damageable files of a traced project."""

    def __init__(self, project: Path) -> None:
        self.project = project
        self._files = tuple(
            str(file.relative_to(project))
            for folder, ending in ((VERILOG_FOLDER, "v"), (VHDL_FOLDER, "vhd"))
            for file in sorted((project / folder).glob(f"*.{ending}"))
        )
        self._stages = "".join(self.text(file) for file in self._files if "_core_stage" in file)

    def files(self) -> tuple[str, ...]:
        """Name the Verilog and VHDL files."""
        return self._files

    def tables(self, folder: str) -> list[str]:
        """Name the tables of one language."""
        return [str(file.relative_to(self.project)) for file in sorted((self.project / folder).glob("*.mem"))]

    def text(self, file: str) -> str:
        """Read a source."""
        return (self.project / file).read_text(encoding="utf-8")

    def is_used(self, file: str, place: int) -> bool:
        """Tell whether a module is instantiated."""
        del place
        module = Path(file).stem
        return module.startswith(tuple(self._project_modules())) or module in self._stages

    def _project_modules(self) -> list[str]:
        return [Path(file).stem.removesuffix("_core") for file in self._files if file.endswith("_core.v")]


def _two_exchanged(damage: Enum, files: str, pattern: str) -> Maker[RtlSources]:
    """Exchange what the group `x` of two matches holds, where the group `n` is the same."""

    def make(sources: RtlSources, rng: np.random.Generator) -> Mutant | None:
        chosen = [file for file in sources.files() if Path(file).match(files)]
        file = chosen[pick(rng, chosen)]
        text = sources.text(file)
        found = list(re.finditer(pattern, text, re.MULTILINE))
        if not found:
            return None
        a = found[pick(rng, found)]
        others = [match for match in found if match["n"] == a["n"] and match["x"] != a["x"]]
        if not others:
            return None
        b = others[pick(rng, others)]
        a, b = sorted((a, b), key=lambda match: match.start())
        edited = text[: a.start("x")] + b["x"] + text[a.end("x") : b.start("x")] + a["x"] + text[b.end("x") :]
        return Mutant(damage, file, f"{file}: {a['x']} and {b['x']} are exchanged", {file: edited})

    return make


def _table(damage: Enum, folder: str) -> Maker[RtlSources]:
    """Leave out a line of a table, change or exchange some, begin with another, or leave nothing."""

    def make(sources: RtlSources, rng: np.random.Generator) -> Mutant | None:
        if not (files := sources.tables(folder)):
            return None
        file = files[pick(rng, files)]
        lines = sources.text(file).splitlines()
        new, place, how = list(lines), int(rng.integers(1, len(lines))), int(rng.integers(5))
        if how == 0:
            del new[place:]
        elif how == 1:
            new = new[place:] + new[:place]
        elif how == 2:
            new[place - 1], new[place] = new[place], new[place - 1]
        elif how == 3:
            new[place] = f"{int(new[place], 16) ^ 1:0{len(new[place])}X}"
        else:
            new.append(new[place])
        what = f"line {place} and those behind it are left out", f"it begins with line {place}"
        more = f"lines {place - 1} and {place} are exchanged", f"line {place} is another", f"line {place} stands twice"
        if new == lines:
            return None
        text = "".join(f"{line}\n" for line in new)
        return Mutant(damage, file, f"{file}: {(*what, *more)[how]}", {file: text})

    return make


def _narrower(sources: RtlSources, rng: np.random.Generator) -> Mutant | None:
    """Let an operation have a bit less, of which the sign is extended."""
    chosen = [file for file in sources.files() if Path(file).match(_STAGE)]
    file = chosen[pick(rng, chosen)]
    text = sources.text(file)
    found = [match for match in _ADDER.finditer(text) if int(match["out"]) > 1]
    if not found:
        return None
    match = found[pick(rng, found)]
    top = int(match["out"]) - 1
    signed = "1" in {match["s0"], match["s1"], match["sub"]}
    head, tail = text[match.start() : match.start("out")], text[match.end("out") : match.start("result")]
    result = f"{match['name']}[{top - 1}:0]"
    extended = f"{match['name']}[{top - 1}]" if signed else "1'b0"
    line = f"{head}{top}{tail}{result}); assign {match['name']}[{top}] = {extended};"
    edited = text[: match.start()] + line + text[match.end() :]
    return Mutant(Damage.WIDTH, file, f"{file}: {match['name']} has {top} bits instead of {top + 1}", {file: edited})


_ADDER = re.compile(
    r"shift_adder #\((?P<w0>\d+), (?P<w1>\d+), (?P<s0>\d), (?P<s1>\d), (?P<out>\d+), (?P<shift>-?\d+), (?P<sub>\d)\) "
    r"op_\d+ \((?P<in0>[^,]+), (?P<in1>[^,]+), (?P<result>(?P<name>v\d+)\[\d+:0\])\);"
)
_HEAD = r"(?P<head>shift_adder #\(\d+, \d+, )"
_SIGNED0, _SIGNED1 = _HEAD + r"(?P<s>[01])(?P<t>, [01], )", _HEAD + r"(?P<t>[01], )(?P<s>[01])(?=, )"
_SHIFTED = r"(?P<head>shift_adder #\(\d+, \d+, [01], [01], \d+, )(?P<n>-?\d+)(?=, )"
_SUB = r"(?P<head>shift_adder #\([^)]*, )(?P<n>[01])\)"
_BOTH = r"(?P<head>(?:shift_adder|multiplier) #\([^)]*\) op_\d+ )\((?P<a>v\d+\[\d+:0\]), (?P<b>v\d+\[\d+:0\]), "
_MUXED = r"(?P<head>mux #\([^)]*\) op_\d+ \([^,]+, )(?P<a>[^,]+), (?P<b>[^,]+), "
_MASKED = r"v\d+\[\d+:\d+\] & \{\d+\{~v\d+\[\d+\]\}\}"
_REGISTER = r"(?P<reg>stage\d+_inp|model_out) <= (?P<from>\w+);"
_NEXT = "\n    end\n    always @(posedge clk) begin\n        "
_SHORT = r"(?P<port>core_input\[\d+\+:)(?P<n>\d+)\] = objects\[(?P<x>\d+)"


def _flipped(n_bits: int) -> tuple[Slip, ...]:
    """Flip one of the lowest bits of a constant operand, or its highest."""
    lowest = tuple(
        Slip(_STAGE, rf"(?P<a>\d+'b[01]*){bit}(?P<b>[01]{{{i}}})(?=, v\d+\[)", (rf"\g<a>{1 - bit}\g<b>",))
        for i in range(n_bits)
        for bit in (0, 1)
    )
    return (*lowest, Slip(_STAGE, r"(?P<a>\d+'b)1(?P<b>[01]+)(?=, v\d+\[)", (r"\g<a>0\g<b>",)))


VERILOG_KINDS: tuple[Kind[RtlSources], ...] = (
    slips(
        Damage.RESET, "it has no wrappers",
        Slip(_VALID, r"if \(reset\)", ("if (!reset)", "if (1'b0)", "if (reset && !in_valid)", "if (reset && under_way[0])")),
        Slip(_VALID, r"if \(reset\) under_way <= 0;", ("if (reset) under_way <= under_way << 1;", "if (reset) under_way[0] <= 0;")),
        Slip(_AXIS, r"if \(!aresetn\)", ("if (1'b0)", "if (aresetn)", "if (!aresetn && written != taken)")),
        Slip(_AXIS, r"^            (?:under_way|written  |taken    |promised ) <= 0;$", ("",)),
        Slip(_AXIS, r"aresetn && !promised", ("!promised",)),
    ),
    slips(
        Damage.VALID, "it has no wrappers",
        Slip(_VALID, r"under_way\[LATENCY-1\]", ("under_way[LATENCY-2]", "|under_way", "in_valid")),
        Slip(_VALID, r", in_valid\}", (", 1'b1}", ", in_valid ^ under_way[0]}")),
        Slip(_VALID, r"\(under_way << 1\)", ("(under_way << 2)", "under_way", "(under_way >> 1)")),
        Slip(_AXIS, r"under_way\[LATENCY-1\]", ("under_way[LATENCY-2]", "|under_way")),
        Slip(_AXIS, r", event_in\}", (", s_axis_tvalid}", ", 1'b1}")),
        Slip(_AXIS, r"s_axis_tvalid && s_axis_tready", ("s_axis_tvalid", "s_axis_tready")),
        Slip("verilog/*_[va][ax][li]*.v", r"parameter LATENCY(?P<s> *)= (?P<n>\d+)", (r"parameter LATENCY = \g<n> - 1", r"parameter LATENCY = \g<n> + 1")),
    ),
    slips(
        Damage.BACK_PRESSURE, "it has no stream wrapper",
        Slip(_AXIS, r"!promised\[DEPTH_BITS\]", ("1'b1", "!promised[DEPTH_BITS-1]", "promised[DEPTH_BITS]", "!written[DEPTH_BITS]")),
        Slip(_AXIS, r"m_axis_tvalid && m_axis_tready", ("m_axis_tvalid", "m_axis_tready")),
        Slip(_AXIS, r"if \(event_in && !result_out\) promised <= promised \+ 1'b1;", ("if (event_in) promised <= promised + 1'b1;", "")),
        Slip(_AXIS, r"if \(!event_in && result_out\) promised <= promised - 1'b1;", ("if (result_out) promised <= promised - 1'b1;", "")),
    ),
    slips(
        Damage.FIFO, "it has no stream wrapper",
        Slip(_AXIS, r"written != taken", ("written[DEPTH_BITS-1:0] != taken[DEPTH_BITS-1:0]", "written > taken", "1'b1", "written != taken + 1'b1")),
        Slip(_AXIS, r"if \(result\) written", ("if (event_in) written", "if (result && m_axis_tready) written")),
        Slip(_AXIS, r"if \(result_out\) taken", ("if (m_axis_tready) taken", "if (m_axis_tvalid) taken")),
        Slip(_AXIS, r"fifo\[taken\[DEPTH_BITS-1:0\]\]", ("fifo[written[DEPTH_BITS-1:0]]", "fifo[taken[DEPTH_BITS-2:0]]", "fifo[0]")),
        Slip(_AXIS, r"if \(result\) fifo\[written\[DEPTH_BITS-1:0\]\]", ("if (result) fifo[written[DEPTH_BITS-2:0]]", "fifo[written[DEPTH_BITS-1:0]]")),
        Slip(_AXIS, r"parameter DEPTH_BITS   = (?P<n>\d+)", (r"parameter DEPTH_BITS   = \g<n> - 1", r"parameter DEPTH_BITS   = \g<n> - 2")),
    ),
    slips(
        Damage.TLAST, "it has no stream wrapper",
        Slip(_AXIS, r"last <= \(last << 1\)", ("last <= last", "last <= (last << 2)")),
        Slip(_AXIS, r", s_axis_tlast\}", (", 1'b1}", ", 1'b0}", ", s_axis_tlast && s_axis_tvalid && m_axis_tready}", ", !s_axis_tlast}")),
        Slip(_AXIS, r"\{last\[LATENCY-1\], ", ("{last[LATENCY-2], ", "{s_axis_tlast, ")),
        Slip(_AXIS, r"oldest\[RESULT_BITS\];", ("oldest[RESULT_BITS] && m_axis_tready;", "oldest[0];", "1'b0;")),
    ),
    slips(
        Damage.STREAM_BITS, "it has no stream wrapper",
        Slip(_AXIS, r"accept, score\}", ("score, accept}", "accept, score ^ 1'b1}")),
        Slip(_AXIS, r"\{\(8 \* OUTPUT_BYTES - RESULT_BITS\) \{1'b0\}\}", ("{(8 * OUTPUT_BYTES - RESULT_BITS) {1'b1}}", "{(8 * OUTPUT_BYTES - RESULT_BITS) {oldest[RESULT_BITS-1]}}")),
        Slip(_AXIS, r"s_axis_tdata\[INPUT_BITS-1:0\]", ("s_axis_tdata[8*INPUT_BYTES-1 -: INPUT_BITS]", "{s_axis_tdata[0], s_axis_tdata[INPUT_BITS-1:1]}", "{1'b0, s_axis_tdata[INPUT_BITS-2:0]}")),
        Slip(_AXIS, r"oldest\[RESULT_BITS-1:0\]\}", ("{1'b0, oldest[RESULT_BITS-2:0]}}", )),
    ),
    slips(
        Damage.REGISTER, "it has no pipeline",
        Slip(_CORE, _REGISTER, (
            rf"{_NEXT.replace('(posedge clk)', '(*)')}\g<reg> = \g<from>;{_NEXT}",
            r"begin : late_\g<reg>\n            reg [4095:0] before;\n            before <= \g<from>;\n            \g<reg> <= before;\n        end",
        )),
    ),
    slips(
        Damage.STATE, "it has no pipeline",
        Slip(_CORE, _REGISTER, (
            r"\g<reg> <= \g<reg> | \g<from>;", r"\g<reg>[0] <= \g<from>[0] & \g<reg>[0];", r"if (\g<from>[0]) \g<reg> <= \g<from>;",
            r"begin \g<reg> <= \g<from>; \g<reg>[3] <= \g<reg>[3]; end", r"if (\g<from> != 0) \g<reg> <= \g<from>;",
        )),
    ),
    Kind(Damage.EXCHANGED_OBJECTS, _two_exchanged(Damage.EXCHANGED_OBJECTS, _TRIGGER, _SHORT), "no two of its integers have the same width"),
    slips(
        Damage.ACCEPT_ORDER, "it has one threshold",
        Slip(_TRIGGER, r"assign accept\[(?P<n>\d)\] = ", (r"assign accept[1 - \g<n>] = ", r"assign accept[\g<n>] = !")),
    ),
    slips(
        Damage.SCORE_BITS, "it has no score",
        Slip(_TRIGGER, r"score = core_output\[0\+:(?P<n>\d+)\]", (r"score = core_output[1+:\g<n>]", r"score = {1'b0, core_output[1+:\g<n> - 1]}", r"score = core_output[0+:\g<n> - 1]")),
        Slip(_TRIGGER, r"= objects\[(?P<x>[1-9]\d*)\+:", (r"= objects[\g<x> - 1+:", r"= objects[\g<x> + 1+:")),
    ),
    slips(Damage.SIGN, "it adds nothing", Slip(_STAGE, _SIGNED0, (r"\g<head>1\g<t>", r"\g<head>0\g<t>")), Slip(_STAGE, _SIGNED1, (r"\g<head>\g<t>1", r"\g<head>\g<t>0"))),
    Kind(Damage.WIDTH, _narrower, "it adds nothing"),
    slips(Damage.SHIFT, "it adds nothing", Slip(_STAGE, _SHIFTED, tuple(rf"\g<head>{n}" for n in range(-3, 4)))),
    slips(Damage.OPERATION, "it adds nothing", Slip(_STAGE, _SUB, (r"\g<head>0)", r"\g<head>1)"))),
    slips(
        Damage.OPERANDS, "it has no operations of two values",
        Slip(_STAGE, _BOTH, (r"\g<head>(\g<b>, \g<a>, ", r"\g<head>(\g<a>, \g<a>, ", r"\g<head>(\g<b>, \g<b>, ")),
        Slip(_STAGE, _MUXED, (r"\g<head>\g<b>, \g<a>, ", r"\g<head>\g<a>, \g<a>, ", r"\g<head>\g<b>, \g<b>, ")),
    ),
    slips(
        Damage.SLICE, "it takes no bits out of values",
        Slip(_STAGE, r"(?P<to>assign v\d+\[\d+:\d+\] = v\d+)\[(?P<a>\d+):(?P<b>[1-9]\d*)\];", (r"\g<to>[\g<a> - 1:\g<b> - 1];",)),
        Slip(_STAGE, r"(?P<to>assign (?:v\d+|model_out)\[\d+:\d+\]) = (?P<x>v\d+)\[(?P<a>\d+):(?P<b>\d+)\];", (r"\g<to> = \g<x>[\g<a>:\g<b>] >> 1;",)),
    ),
    slips(Damage.RECTIFIED, "it rectifies nothing", Slip(_STAGE, rf"(?P<x>v\d+\[\d+:\d+\]) & (?P<m>\{{\d+\{{)~", (r"\g<x> & \g<m>", r"\g<x> | \g<m>")), Slip(_STAGE, rf"(?P<x>v\d+\[\d+:\d+\]) & \{{\d+\{{~v\d+\[\d+\]\}}\}}", (r"\g<x>",))),
    slips(Damage.CONSTANT, "it has no constants", *_flipped(3)),
    Kind(Damage.WIRING, _two_exchanged(Damage.WIRING, _STAGE, r"assign model_out\[\d+:\d+\] = (?P<x>v\d+)\[(?P<n>\d+:0)\];"), "no stage puts out two values"),
    slips(
        Damage.MODULE, "it has no operations",
        Slip("verilog/shift_adder.v", r"in0_ext \+ in1_ext", ("in0_ext - in1_ext", "in0_ext | in1_ext", "in0_ext + in1_ext + 1")),
        Slip("verilog/shift_adder.v", r"in0_ext - in1_ext", ("in1_ext - in0_ext", "in0_ext + in1_ext", "in0_ext + ~in1_ext")),
        Slip("verilog/shift_adder.v", r"\(SIGNED(?P<n>[01]) == 1\)", (r"(SIGNED\g<n> == 0)", "(0)", "(1)")),
        Slip("verilog/mux.v", r"\(key\)", ("(!key)", "(1'b1)", "(1'b0)")),
        Slip("verilog/multiplier.v", r"\$signed\(in0\) \* \$signed\(in1\)", ("in0 * in1", "$signed(in0) * in1")),
        Slip("verilog/multiplier.v", r"= in0 \* in1", ("= $signed(in0) * $signed(in1)",)),
        Slip("verilog/negative.v", r"= -in_ext", ("= in_ext", "= ~in_ext")),
        Slip("verilog/lookup_table.v", r"entries\[in\]", ("entries[in ^ 1'b1]", "entries[~in]", "entries[in >> 1]")),
    ),
    Kind(Damage.TABLE, _table(Damage.TABLE, VERILOG_FOLDER), "it has no tables"),
)  # fmt: skip

_GENERIC = r"(?P<head>shift_adder generic map\([^)]*{}=>)(?P<n>-?\d+)"
VHDL_KINDS: tuple[Kind[RtlSources], ...] = (
    slips(
        Damage.VHDL_REGISTER, "it has no pipeline",
        Slip(_VHDL_CORE, r"^    process\(clk\) begin\n        if rising_edge\(clk\) then\n            (?P<r>\w+) <= (?P<x>\w+);", (r"    \g<r> <= \g<x>;\n    process(clk) begin\n        if rising_edge(clk) then",)),
        Slip(_VHDL_CORE, r"(?P<r>stage\d+_inp) <= (?P<x>stage\d+_out);", (r"if \g<x>(0) = '1' then \g<r> <= \g<x>; end if;",)),
    ),
    slips(Damage.VHDL_STATE, "it has no pipeline", Slip(_VHDL_CORE, r"(?P<r>stage\d+_inp) <= (?P<x>\w+);", (r"\g<r> <= \g<x> or \g<r>;", r"\g<r> <= \g<x>; \g<r>(3) <= \g<r>(3);"))),
    Kind(Damage.VHDL_OBJECTS, _two_exchanged(Damage.VHDL_OBJECTS, _VHDL_TRIGGER, r"core_input\((?P<n>)\d+ downto \d+\) <= objects\((?P<x>\d+ downto \d+)\)"), "it has one integer"),
    slips(Damage.VHDL_ACCEPT, "it has one threshold", Slip(_VHDL_TRIGGER, r"accept\((?P<n>[01]) downto [01]\) <= ", (r"accept(1 - \g<n> downto 1 - \g<n>) <= ", r"accept(\g<n> downto \g<n>) <= not "))),
    slips(
        Damage.VHDL_OPERATION, "it adds nothing",
        *(Slip(_VHDL_STAGE, _GENERIC.format(name), (r"\g<head>0", r"\g<head>1")) for name in ("SIGNED0", "SIGNED1", "IS_SUB")),
        Slip(_VHDL_STAGE, _GENERIC.format("SHIFT1"), tuple(rf"\g<head>{n}" for n in range(-2, 3))),
        Slip(_VHDL_STAGE, r"in0=>(?P<a>v\d+),in1=>(?P<b>v\d+)", (r"in0=>\g<b>,in1=>\g<a>",)),
        Slip(_VHDL_STAGE, r" and \(\d+ downto 0 => not (?P<v>v\d+\(\d+\))\)", ("", )),
    ),
    slips(Damage.VHDL_CONSTANT, "it has no constants", Slip(_VHDL_STAGE, r'(?P<a>=>"[01]*)0"', (r'\g<a>1"',)), Slip(_VHDL_STAGE, r'(?P<a>=>"[01]*)1"', (r'\g<a>0"',))),
    slips(
        Damage.VHDL_MODULE, "it has no operations",
        Slip("vhdl/shift_adder.vhd", r"signed\(in0_ext\) \+ signed\(in1_ext\)", ("signed(in0_ext) - signed(in1_ext)",)),
        Slip("vhdl/shift_adder.vhd", r"signed\(in0_ext\) - signed\(in1_ext\)", ("signed(in1_ext) - signed(in0_ext)",)),
        Slip("vhdl/shift_adder.vhd", r"sll (?P<s>-?)SHIFT1", (r"sll (1 + \g<s>SHIFT1)",)),
        Slip("vhdl/mux.vhd", r"when key = '1'", ("when key = '0'",)),
        Slip("vhdl/lookup_table.vhd", r"to_integer\(unsigned\(inp\)\)", ("to_integer(unsigned(not inp))",)),
    ),
    Kind(Damage.VHDL_TABLE, _table(Damage.VHDL_TABLE, VHDL_FOLDER), "it has no tables"),
)  # fmt: skip
