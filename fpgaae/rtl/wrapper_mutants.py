"""Mutants of the wrappers with a valid bit and with AXI4-Streams."""

from __future__ import annotations

from fpgaae.hls.mutant import Kind, Slip, slips
from fpgaae.rtl.rtl_sources import Damage, RtlSources

_VALID, _AXIS, _BOTH = "verilog/*_valid.v", "verilog/*_axis.v", "verilog/*_[va][ax][li]*.v"

WRAPPER_KINDS: tuple[Kind[RtlSources], ...] = (
    slips(
        Damage.RESET,
        "it has no wrappers",
        Slip(
            _VALID,
            r"if \(reset\)",
            ("if (!reset)", "if (1'b0)", "if (reset && !in_valid)", "if (reset && under_way[0])"),
        ),
        Slip(
            _VALID,
            r"if \(reset\) under_way <= 0;",
            ("if (reset) under_way <= under_way << 1;", "if (reset) under_way[0] <= 0;"),
        ),
        Slip(_AXIS, r"if \(!aresetn\)", ("if (1'b0)", "if (aresetn)", "if (!aresetn && written != taken)")),
        Slip(_AXIS, r"^            (?:under_way|written  |taken    |promised ) <= 0;$", ("",)),
        Slip(_AXIS, r"aresetn && !promised", ("!promised",)),
    ),
    slips(
        Damage.VALID,
        "it has no wrappers",
        Slip(_VALID, r"under_way\[LATENCY-1\]", ("under_way[LATENCY-2]", "|under_way", "in_valid")),
        Slip(_VALID, r", in_valid\}", (", 1'b1}", ", in_valid ^ under_way[0]}")),
        Slip(_VALID, r"\(under_way << 1\)", ("(under_way << 2)", "under_way", "(under_way >> 1)")),
        Slip(_AXIS, r"under_way\[LATENCY-1\]", ("under_way[LATENCY-2]", "|under_way")),
        Slip(_AXIS, r", event_in\}", (", s_axis_tvalid}", ", 1'b1}")),
        Slip(_AXIS, r"s_axis_tvalid && s_axis_tready", ("s_axis_tvalid", "s_axis_tready")),
        Slip(
            _BOTH,
            r"parameter LATENCY(?P<s> *)= (?P<n>\d+)",
            (r"parameter LATENCY = \g<n> - 1", r"parameter LATENCY = \g<n> + 1"),
        ),
    ),
    slips(
        Damage.BACK_PRESSURE,
        "it has no stream wrapper",
        Slip(
            _AXIS,
            r"!promised\[DEPTH_BITS\]",
            ("1'b1", "!promised[DEPTH_BITS-1]", "promised[DEPTH_BITS]", "!written[DEPTH_BITS]"),
        ),
        Slip(_AXIS, r"m_axis_tvalid && m_axis_tready", ("m_axis_tvalid", "m_axis_tready")),
        Slip(
            _AXIS,
            r"if \(event_in && !result_out\) promised <= promised \+ 1'b1;",
            ("if (event_in) promised <= promised + 1'b1;", ""),
        ),
        Slip(
            _AXIS,
            r"if \(!event_in && result_out\) promised <= promised - 1'b1;",
            ("if (result_out) promised <= promised - 1'b1;", ""),
        ),
    ),
    slips(
        Damage.FIFO,
        "it has no stream wrapper",
        Slip(
            _AXIS,
            r"written != taken",
            ("written[DEPTH_BITS-1:0] != taken[DEPTH_BITS-1:0]", "written > taken", "1'b1", "written != taken + 1'b1"),
        ),
        Slip(_AXIS, r"if \(result\) written", ("if (event_in) written", "if (result && m_axis_tready) written")),
        Slip(_AXIS, r"if \(result_out\) taken", ("if (m_axis_tready) taken", "if (m_axis_tvalid) taken")),
        Slip(
            _AXIS,
            r"fifo\[taken\[DEPTH_BITS-1:0\]\]",
            ("fifo[written[DEPTH_BITS-1:0]]", "fifo[taken[DEPTH_BITS-2:0]]", "fifo[0]"),
        ),
        Slip(
            _AXIS,
            r"if \(result\) fifo\[written\[DEPTH_BITS-1:0\]\]",
            ("if (result) fifo[written[DEPTH_BITS-2:0]]", "fifo[written[DEPTH_BITS-1:0]]"),
        ),
        Slip(
            _AXIS,
            r"parameter DEPTH_BITS   = (?P<n>\d+)",
            (r"parameter DEPTH_BITS   = \g<n> - 1", r"parameter DEPTH_BITS   = \g<n> - 2"),
        ),
    ),
    slips(
        Damage.TLAST,
        "it has no stream wrapper",
        Slip(_AXIS, r"last <= \(last << 1\)", ("last <= last", "last <= (last << 2)")),
        Slip(
            _AXIS,
            r", s_axis_tlast\}",
            (", 1'b1}", ", 1'b0}", ", s_axis_tlast && s_axis_tvalid && m_axis_tready}", ", !s_axis_tlast}"),
        ),
        Slip(_AXIS, r"\{last\[LATENCY-1\], ", ("{last[LATENCY-2], ", "{s_axis_tlast, ")),
        Slip(_AXIS, r"oldest\[RESULT_BITS\];", ("oldest[RESULT_BITS] && m_axis_tready;", "oldest[0];", "1'b0;")),
    ),
    slips(
        Damage.STREAM_BITS,
        "it has no stream wrapper",
        Slip(_AXIS, r"accept, score\}", ("score, accept}", "accept, score ^ 1'b1}")),
        Slip(
            _AXIS,
            r"\{\(8 \* OUTPUT_BYTES - RESULT_BITS\) \{1'b0\}\}",
            ("{(8 * OUTPUT_BYTES - RESULT_BITS) {1'b1}}", "{(8 * OUTPUT_BYTES - RESULT_BITS) {oldest[RESULT_BITS-1]}}"),
        ),
        Slip(
            _AXIS,
            r"s_axis_tdata\[INPUT_BITS-1:0\]",
            (
                "s_axis_tdata[8*INPUT_BYTES-1 -: INPUT_BITS]",
                "{s_axis_tdata[0], s_axis_tdata[INPUT_BITS-1:1]}",
                "{1'b0, s_axis_tdata[INPUT_BITS-2:0]}",
            ),
        ),
        Slip(_AXIS, r"oldest\[RESULT_BITS-1:0\]\}", ("{1'b0, oldest[RESULT_BITS-2:0]}}",)),
    ),
)
