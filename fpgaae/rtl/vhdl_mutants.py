"""Mutants of the VHDL of a traced project, and of its tables."""

from __future__ import annotations

from fpgaae.hls.mutant import Kind, Slip, slips
from fpgaae.rtl.design import VHDL_FOLDER
from fpgaae.rtl.rtl_sources import Damage, RtlSources, table_lines, two_exchanged

_VHDL_STAGE, _VHDL_TRIGGER, _VHDL_CORE = "vhdl/*_core_stage*.vhd", "vhdl/*_trigger.vhd", "vhdl/*_core.vhd"
_GENERIC = r"(?P<head>shift_adder generic map\([^)]*{}=>)(?P<n>-?\d+)"
VHDL_KINDS: tuple[Kind[RtlSources], ...] = (
    slips(
        Damage.VHDL_REGISTER,
        "it has no pipeline",
        Slip(
            _VHDL_CORE,
            r"^    process\(clk\) begin\n        if rising_edge\(clk\) then\n            (?P<r>\w+) <= (?P<x>\w+);",
            (r"    \g<r> <= \g<x>;\n    process(clk) begin\n        if rising_edge(clk) then",),
        ),
        Slip(
            _VHDL_CORE,
            r"(?P<r>stage\d+_inp) <= (?P<x>stage\d+_out);",
            (r"if \g<x>(0) = '1' then \g<r> <= \g<x>; end if;",),
        ),
    ),
    slips(
        Damage.VHDL_STATE,
        "it has no pipeline",
        Slip(
            _VHDL_CORE,
            r"(?P<r>stage\d+_inp) <= (?P<x>\w+);",
            (r"\g<r> <= \g<x> or \g<r>;", r"\g<r> <= \g<x>; \g<r>(3) <= \g<r>(3);"),
        ),
    ),
    Kind(
        Damage.VHDL_OBJECTS,
        two_exchanged(
            Damage.VHDL_OBJECTS,
            _VHDL_TRIGGER,
            r"core_input\((?P<n>)\d+ downto \d+\) <= objects\((?P<x>\d+ downto \d+)\)",
        ),
        "it has one integer",
    ),
    slips(
        Damage.VHDL_ACCEPT,
        "it has one threshold",
        Slip(
            _VHDL_TRIGGER,
            r"accept\((?P<n>[01]) downto [01]\) <= ",
            (r"accept(1 - \g<n> downto 1 - \g<n>) <= ", r"accept(\g<n> downto \g<n>) <= not "),
        ),
    ),
    slips(
        Damage.VHDL_LATENTS,
        "its latents are no port",
        Slip(
            _VHDL_TRIGGER,
            r"(?P<to>latents\(\d+ downto \d+\) <= )core_output\((?P<a>\d+) downto (?P<b>\d+)\)",
            (r"\g<to>core_output(\g<a> - 1 downto \g<b> - 1)", r"\g<to>not core_output(\g<a> downto \g<b>)"),
        ),
        applies=RtlSources.puts_out_latents,
    ),
    slips(
        Damage.VHDL_OPERATION,
        "it adds nothing",
        *(
            Slip(_VHDL_STAGE, _GENERIC.format(name), (r"\g<head>0", r"\g<head>1"))
            for name in ("SIGNED0", "SIGNED1", "IS_SUB")
        ),
        Slip(_VHDL_STAGE, _GENERIC.format("SHIFT1"), tuple(rf"\g<head>{n}" for n in range(-2, 3))),
        Slip(_VHDL_STAGE, r"in0=>(?P<a>v\d+),in1=>(?P<b>v\d+)", (r"in0=>\g<b>,in1=>\g<a>",)),
        Slip(_VHDL_STAGE, r" and \(\d+ downto 0 => not (?P<v>v\d+\(\d+\))\)", ("",)),
    ),
    slips(
        Damage.VHDL_CONSTANT,
        "it has no constants",
        Slip(_VHDL_STAGE, r'(?P<a>=>"[01]*)0"', (r'\g<a>1"',)),
        Slip(_VHDL_STAGE, r'(?P<a>=>"[01]*)1"', (r'\g<a>0"',)),
    ),
    slips(
        Damage.VHDL_MODULE,
        "it has no operations",
        Slip("vhdl/shift_adder.vhd", r"signed\(in0_ext\) \+ signed\(in1_ext\)", ("signed(in0_ext) - signed(in1_ext)",)),
        Slip("vhdl/shift_adder.vhd", r"signed\(in0_ext\) - signed\(in1_ext\)", ("signed(in1_ext) - signed(in0_ext)",)),
        Slip("vhdl/shift_adder.vhd", r"sll (?P<s>-?)SHIFT1", (r"sll (1 + \g<s>SHIFT1)",)),
        Slip("vhdl/mux.vhd", r"when key = '1'", ("when key = '0'",)),
        Slip("vhdl/lookup_table.vhd", r"to_integer\(unsigned\(inp\)\)", ("to_integer(unsigned(not inp))",)),
    ),
    Kind(Damage.VHDL_TABLE, table_lines(Damage.VHDL_TABLE, VHDL_FOLDER), "it has no tables"),
)
