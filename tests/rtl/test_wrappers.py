"""The hand-written wrappers in Icarus: back-pressure, gaps, reset in mid-stream, against a queue of what is expected.

The trigger block is a stand-in of the same ports: a delay line that adds 3.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import networks
import pytest

from fpgaae.rtl.project import wrapper_text

_LATENCY = 6
_VALUES = {
    "PROJECT": "dut", "INPUT_BITS": 13, "SCORE_BITS": 14, "N_ACCEPT": 2, "LATENCY": _LATENCY, "DEPTH_BITS": 3,
}  # fmt: skip
_STAND_IN = f"""
module dut_trigger (input wire clk, input wire [12:0] objects, output wire [13:0] score, output wire [1:0] accept);
    reg [12:0] line [0:{_LATENCY - 1}];
    integer i;
    always @(posedge clk) begin
        line[0] <= objects;
        for (i = 1; i < {_LATENCY}; i = i + 1) line[i] <= line[i-1];
    end
    assign score = line[{_LATENCY - 1}] + 3;
    assign accept = line[{_LATENCY - 1}][1:0];
endmodule
"""
# Both benches send a counter, keep what went in in a queue, and end with `passed` and the number of events and clocks.
_AXIS_BENCH = """
module bench;
    reg clk = 0, resetn = 0, valid = 0, last = 0, ready = 0;
    reg [12:0] next = 0;
    wire s_ready, m_valid, m_last;
    wire [15:0] m_data;
    reg [12:0] queue [0:65535];
    reg last_queue [0:65535];
    integer head = 0, tail = 0, clocks = 0, errors = 0, received = 0, seed = 7;
    reg stalled = 0;
    reg [16:0] held = 0;
    wire [13:0] score = queue[head] + 14'd3;
    dut_axis dut (.aclk(clk), .aresetn(resetn), .s_axis_tdata({3'b101, next}), .s_axis_tvalid(valid),
        .s_axis_tready(s_ready), .s_axis_tlast(last), .m_axis_tdata(m_data), .m_axis_tvalid(m_valid),
        .m_axis_tready(ready), .m_axis_tlast(m_last));
    always #5 clk = ~clk;
    always @(posedge clk) begin
        clocks <= clocks + 1;
        if (!resetn) begin
            head = tail;
            stalled <= 0;
        end else begin
            if (stalled && (!m_valid || {m_last, m_data} !== held)) errors = errors + 1;  // an offer was taken back
            stalled <= m_valid && !ready;
            held <= {m_last, m_data};
            if (m_valid && ready) begin
                if (head == tail || m_data !== {queue[head][1:0], score} || m_last !== last_queue[head])
                    errors = errors + 1;
                head = head + 1;
                received = received + 1;
            end
            if (valid && s_ready) begin
                queue[tail] = next;
                last_queue[tail] = last;
                tail = tail + 1;
            end
        end
    end
    always @(negedge clk) begin  // a transfer that waits stays as it is
        if (!valid || s_ready_seen) begin
            valid <= resetn && ($unsigned($random(seed)) % 100 < @IN@);
            next <= next + 1;
            last <= $random(seed);
        end
        ready <= $unsigned($random(seed)) % 100 < @OUT@;
        resetn <= !(clocks < 4 || (@RESET@ && clocks % 500 > 490));
    end
    reg s_ready_seen = 0;
    always @(posedge clk) s_ready_seen <= s_ready && resetn;
    initial begin
        #100000;
        $display("%0d errors %0d received %0d clocks", errors, received, clocks);
        $finish;
    end
endmodule
"""
_VALID_BENCH = """
module bench;
    reg clk = 0, reset = 1, valid = 0;
    reg [12:0] next = 0;
    wire out_valid;
    wire [13:0] score;
    wire [1:0] accept;
    reg [12:0] queue [0:65535];
    integer head = 0, tail = 0, clocks = 0, errors = 0, received = 0, seed = 7;
    wire [13:0] expected = queue[head] + 14'd3;
    dut_valid dut (.clk(clk), .reset(reset), .in_valid(valid), .in_objects(next), .out_valid(out_valid),
        .out_score(score), .out_accept(accept));
    always #5 clk = ~clk;
    always @(posedge clk) begin
        clocks <= clocks + 1;
        if (out_valid) begin
            if (head == tail || score !== expected || accept !== queue[head][1:0]) errors = errors + 1;
            head = head + 1;
            received = received + 1;
        end
        if (reset) head = tail;
        else if (valid) begin
            queue[tail] = next;
            tail = tail + 1;
        end
    end
    always @(negedge clk) begin
        valid <= $unsigned($random(seed)) % 100 < @IN@;
        next <= next + 1;
        reset <= clocks < 4 || (@RESET@ && clocks % 500 > 490);
    end
    initial begin
        #100000;
        $display("%0d errors %0d received %0d clocks", errors, received, clocks);
        $finish;
    end
endmodule
"""


def _run(folder: Path, wrapper: str, bench: str, **rates: int) -> tuple[int, int, int]:
    """Give errors, received events and clocks."""
    networks.need("iverilog")
    for name, value in rates.items():
        bench = bench.replace(f"@{name}@", str(value))
    source = folder / "bench.v"
    source.write_text(f"`timescale 1 ns / 1 ps\n{_STAND_IN}\n{wrapper}\n{bench}")
    command = ["iverilog", "-g2005-sv", "-Wall", "-s", "bench", "-o", str(folder / "bench.vvp"), str(source)]
    compiled = subprocess.run(command, capture_output=True, text=True, check=False)
    assert compiled.returncode == 0, compiled.stderr
    said = subprocess.run(["vvp", str(folder / "bench.vvp")], capture_output=True, text=True, check=True).stdout.split()
    return int(said[0]), int(said[2]), int(said[4])


_STREAMS = {
    "an event a clock": {"IN": 100, "OUT": 100, "RESET": 0},
    "gaps": {"IN": 40, "OUT": 100, "RESET": 0},
    "back-pressure": {"IN": 100, "OUT": 40, "RESET": 0},
    "both": {"IN": 60, "OUT": 60, "RESET": 0},
    "reset in mid-stream": {"IN": 90, "OUT": 60, "RESET": 1},
}


@pytest.mark.parametrize("rates", _STREAMS.values(), ids=_STREAMS)
def test_axi_stream_keeps_every_event_in_order(rates: dict[str, int], tmp_path: Path) -> None:
    errors, received, clocks = _run(tmp_path, wrapper_text("axis", _VALUES), _AXIS_BENCH, **rates)
    assert errors == 0
    share = min(rates["IN"], rates["OUT"]) / 100
    assert received > (0.85 if rates["RESET"] or rates["IN"] == rates["OUT"] else 0.95) * share * clocks - 20


@pytest.mark.parametrize("rates", [_STREAMS[name] for name in ("an event a clock", "gaps", "reset in mid-stream")])
def test_valid_goes_with_its_event(rates: dict[str, int], tmp_path: Path) -> None:
    errors, received, clocks = _run(tmp_path, wrapper_text("valid", _VALUES), _VALID_BENCH, **rates)
    assert errors == 0
    assert received > 0.85 * rates["IN"] / 100 * clocks - 20


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("!promised[DEPTH_BITS]", "1'b1"),
        ("promised  <= 0;\n", "\n"),
        ("under_way <= 0;\n", "\n"),
        ("last <= (last << 1)", "last <= last"),
    ],
    ids=["takes what it can't hold", "keeps promises over a reset", "keeps events over a reset", "loses tlast"],
)
def test_a_broken_axi_wrapper_is_caught(old: str, new: str, tmp_path: Path) -> None:
    text = wrapper_text("axis", _VALUES)
    assert old in text
    errors, received, clocks = _run(tmp_path, text.replace(old, new), _AXIS_BENCH, IN=90, OUT=60, RESET=1)
    assert errors or received < 0.4 * clocks
