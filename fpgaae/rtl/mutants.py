"""Mutants of the Verilog of a traced project: the block, the registers and the logic of its stages, and tables.

Whether the check of `rtl` sees them is decided in `fpgaae.rtl.mutation`.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from fpgaae.hls.mutant import Kind, Mutant, Slip, pick, slips
from fpgaae.rtl.design import THREE_INPUT_ADDER, VERILOG_FOLDER
from fpgaae.rtl.rtl_sources import Damage, RtlSources, table_lines, two_exchanged
from fpgaae.rtl.wrapper_mutants import WRAPPER_KINDS

_THREE_INPUT = f"{VERILOG_FOLDER}/{THREE_INPUT_ADDER}.v"
_TRIGGER, _CORE, _STAGE = "verilog/*_trigger.v", "verilog/*_core.v", "verilog/*_core_stage*.v"
_ADDER = re.compile(
    r"(?:shift_adder #\(\d+, \d+, (?P<signs>\d, \d)|three_input_adder #\(\d+, \d+, \d+, (?P<three_signs>\d, \d, \d)), "
    r"(?P<out>\d+), (?P<shifts>-?\d+(?:, \d+)*?)(?P<subtracts>(?:, [01]){1,2})\) "
    r"op_\d+ \((?:[^,]+, ){2,3}(?P<result>(?P<name>v\d+)\[\d+:0\])\);"
)
_HEAD = r"(?P<head>shift_adder #\(\d+, \d+, )"
_SIGNED0, _SIGNED1 = _HEAD + r"(?P<s>[01])(?P<t>, [01], )", _HEAD + r"(?P<t>[01], )(?P<s>[01])(?=, )"
_SHIFTED = r"(?P<head>shift_adder #\(\d+, \d+, [01], [01], \d+, )(?P<n>-?\d+)(?=, )"
_SUB = r"(?P<head>shift_adder #\([^)]*, )(?P<n>[01])\)"
_THREE = r"(?P<head>three_input_adder #\((?:-?\d+, ){%d})(?P<n>-?\d+)(?=[,)])"  # after so many of its parameters
_THREE_SIGNED, _THREE_SHIFTED, _THREE_SUBTRACTED = (3, 4, 5), (7, 8, 9), (10, 11)
_OF_THREE = (
    r"(?P<head>three_input_adder #\([^)]*\) op_\d+ )\((?P<a>v\d+\[\d+:0\]), (?P<b>v\d+\[\d+:0\]), "
    r"(?P<c>v\d+\[\d+:0\]), "
)
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
    signed = "1" in f"{match['signs']}{match['three_signs']}{match['subtracts']}"
    head, tail = text[match.start() : match.start("out")], text[match.end("out") : match.start("result")]
    result = f"{match['name']}[{top - 1}:0]"
    extended = f"{match['name']}[{top - 1}]" if signed else "1'b0"
    line = f"{head}{top}{tail}{result}); assign {match['name']}[{top}] = {extended};"
    edited = text[: match.start()] + line + text[match.end() :]
    return Mutant(Damage.WIDTH, file, f"{file}: {match['name']} has {top} bits instead of {top + 1}", {file: edited})


_CORE_KINDS: tuple[Kind[RtlSources], ...] = (
    slips(
        Damage.REGISTER,
        "it has no pipeline",
        Slip(
            _CORE,
            _REGISTER,
            (
                rf"{_NEXT.replace('(posedge clk)', '(*)')}\g<reg> = \g<from>;{_NEXT}",
                r"begin : late_\g<reg>\n            reg [4095:0] before;\n            before <= \g<from>;\n"
                r"            \g<reg> <= before;\n        end",
            ),
        ),
    ),
    slips(
        Damage.STATE,
        "it has no pipeline",
        Slip(
            _CORE,
            _REGISTER,
            (
                r"\g<reg> <= \g<reg> | \g<from>;",
                r"\g<reg>[0] <= \g<from>[0] & \g<reg>[0];",
                r"if (\g<from>[0]) \g<reg> <= \g<from>;",
                r"begin \g<reg> <= \g<from>; \g<reg>[3] <= \g<reg>[3]; end",
                r"if (\g<from> != 0) \g<reg> <= \g<from>;",
            ),
        ),
    ),
    Kind(
        Damage.EXCHANGED_OBJECTS,
        two_exchanged(Damage.EXCHANGED_OBJECTS, _TRIGGER, _SHORT),
        "no two of its integers have the same width",
    ),
    slips(
        Damage.ACCEPT_ORDER,
        "it has one threshold",
        Slip(_TRIGGER, r"assign accept\[(?P<n>\d)\] = ", (r"assign accept[1 - \g<n>] = ", r"assign accept[\g<n>] = !")),
    ),
    slips(
        Damage.SCORE_BITS,
        "it has no score",
        Slip(
            _TRIGGER,
            r"score = core_output\[0\+:(?P<n>\d+)\]",
            (
                r"score = core_output[1+:\g<n>]",
                r"score = {1'b0, core_output[1+:\g<n> - 1]}",
                r"score = core_output[0+:\g<n> - 1]",
            ),
        ),
        Slip(_TRIGGER, r"= objects\[(?P<x>[1-9]\d*)\+:", (r"= objects[\g<x> - 1+:", r"= objects[\g<x> + 1+:")),
    ),
    slips(
        Damage.LATENTS,
        "its latents are no port",
        Slip(
            _TRIGGER,
            r"(?P<to>assign latents\[\d+\+:(?P<n>\d+)\] = )(?P<x>core_output\[(?P<low>\d+))(?=\+:)",
            (r"\g<to>\g<x> - 1", r"\g<to>\g<x> - \g<n>", r"\g<to>~\g<x>"),
        ),
        Slip("verilog/*_axis.v", r"(?<=\[LATENCY-1\], )latents, accept, ", ("accept, latents, ", "~latents, accept, ")),
        applies=RtlSources.puts_out_latents,
    ),
    slips(
        Damage.SIGN,
        "it adds nothing",
        Slip(_STAGE, _SIGNED0, (r"\g<head>1\g<t>", r"\g<head>0\g<t>")),
        Slip(_STAGE, _SIGNED1, (r"\g<head>\g<t>1", r"\g<head>\g<t>0")),
        *(Slip(_STAGE, _THREE % place, (r"\g<head>1", r"\g<head>0")) for place in _THREE_SIGNED),
    ),
    Kind(Damage.WIDTH, _narrower, "it adds nothing"),
    slips(
        Damage.SHIFT,
        "it adds nothing",
        Slip(_STAGE, _SHIFTED, tuple(rf"\g<head>{n}" for n in range(-3, 4))),
        *(Slip(_STAGE, _THREE % place, tuple(rf"\g<head>{n}" for n in range(4))) for place in _THREE_SHIFTED),
    ),
    slips(
        Damage.OPERATION,
        "it adds nothing",
        Slip(_STAGE, _SUB, (r"\g<head>0)", r"\g<head>1)")),
        *(Slip(_STAGE, _THREE % place, (r"\g<head>0", r"\g<head>1")) for place in _THREE_SUBTRACTED),
    ),
    slips(
        Damage.OPERANDS,
        "it has no operations of two values",
        Slip(_STAGE, _BOTH, (r"\g<head>(\g<b>, \g<a>, ", r"\g<head>(\g<a>, \g<a>, ", r"\g<head>(\g<b>, \g<b>, ")),
        Slip(
            _STAGE,
            _OF_THREE,
            (
                r"\g<head>(\g<b>, \g<a>, \g<c>, ",
                r"\g<head>(\g<a>, \g<c>, \g<b>, ",
                r"\g<head>(\g<a>, \g<b>, \g<b>, ",
                r"\g<head>(\g<a>, \g<a>, \g<c>, ",
            ),
        ),
        Slip(_STAGE, _MUXED, (r"\g<head>\g<b>, \g<a>, ", r"\g<head>\g<a>, \g<a>, ", r"\g<head>\g<b>, \g<b>, ")),
    ),
    slips(
        Damage.SLICE,
        "it takes no bits out of values",
        Slip(
            _STAGE,
            r"(?P<to>assign v\d+\[\d+:\d+\] = v\d+)\[(?P<a>\d+):(?P<b>[1-9]\d*)\];",
            (r"\g<to>[\g<a> - 1:\g<b> - 1];",),
        ),
        Slip(
            _STAGE,
            r"(?P<to>assign (?:v\d+|model_out)\[\d+:\d+\]) = (?P<x>v\d+)\[(?P<a>\d+):(?P<b>\d+)\];",
            (r"\g<to> = \g<x>[\g<a>:\g<b>] >> 1;",),
        ),
    ),
    slips(
        Damage.RECTIFIED,
        "it rectifies nothing",
        Slip(_STAGE, r"(?P<x>v\d+\[\d+:\d+\]) & (?P<m>\{\d+\{)~", (r"\g<x> & \g<m>", r"\g<x> | \g<m>")),
        Slip(_STAGE, r"(?P<x>v\d+\[\d+:\d+\]) & \{\d+\{~v\d+\[\d+\]\}\}", (r"\g<x>",)),
    ),
    slips(Damage.CONSTANT, "it has no constants", *_flipped(3)),
    Kind(
        Damage.WIRING,
        two_exchanged(Damage.WIRING, _STAGE, r"assign model_out\[\d+:\d+\] = (?P<x>v\d+)\[(?P<n>\d+:0)\];"),
        "no stage puts out two values",
    ),
    slips(
        Damage.MODULE,
        "it has no operations",
        Slip(
            "verilog/shift_adder.v",
            r"in0_ext \+ in1_ext",
            ("in0_ext - in1_ext", "in0_ext | in1_ext", "in0_ext + in1_ext + 1"),
        ),
        Slip(
            "verilog/shift_adder.v",
            r"in0_ext - in1_ext",
            ("in1_ext - in0_ext", "in0_ext + in1_ext", "in0_ext + ~in1_ext"),
        ),
        Slip("verilog/shift_adder.v", r"\(SIGNED(?P<n>[01]) == 1\)", (r"(SIGNED\g<n> == 0)", "(0)", "(1)")),
        Slip(_THREE_INPUT, r"\(A & B\) \| \(A & C\) \| \(B & C\)", ("(A & B) | (A & C)", "A & B & C", "A | B | C")),
        Slip(_THREE_INPUT, r"A \^ B \^ C \^ BELOW", ("A ^ B ^ C", "A ^ B ^ BELOW", "(A ^ B ^ C) | BELOW")),
        Slip(
            _THREE_INPUT,
            r"from_below = SUB1 == 1 (?P<o>&&|\|\|) SUB2 == 1",
            ("from_below = SUB1 == 1", "from_below = 1'b0", "from_below = 1'b1"),
        ),
        Slip(_THREE_INPUT, r"SIGNED(?P<n>[012]) == 1 && ", ("1'b0 && ", "1'b1 && ")),
        Slip(_THREE_INPUT, r"SUB(?P<n>[12]) == 1 \? 16'h(?P<a>\w+) : 16'h(?P<b>\w+)", (r"16'h\g<b>", r"16'h\g<a>")),
        Slip(_THREE_INPUT, r"\.DI\(below\[8\*i\+:8\]\)", (".DI(8'b0)", ".DI(sums[8*i+:8])")),
        Slip("verilog/mux.v", r"\(key\)", ("(!key)", "(1'b1)", "(1'b0)")),
        Slip("verilog/multiplier.v", r"\$signed\(in0\) \* \$signed\(in1\)", ("in0 * in1", "$signed(in0) * in1")),
        Slip("verilog/multiplier.v", r"= in0 \* in1", ("= $signed(in0) * $signed(in1)",)),
        Slip("verilog/negative.v", r"= -in_ext", ("= in_ext", "= ~in_ext")),
        Slip("verilog/lookup_table.v", r"entries\[in\]", ("entries[in ^ 1'b1]", "entries[~in]", "entries[in >> 1]")),
    ),
    Kind(Damage.TABLE, table_lines(Damage.TABLE, VERILOG_FOLDER), "it has no tables"),
)
VERILOG_KINDS = (*WRAPPER_KINDS, *_CORE_KINDS)
