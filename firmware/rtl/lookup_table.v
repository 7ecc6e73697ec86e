// A table that is read without a clock, so that it becomes LUTs: a function of few bits in the traced logic.
//
// Takes the place of the module of the same name that da4ml writes, whose attribute Icarus 11 and Yosys 0.23 refuse.
// MEM_FILE holds 2**BW_IN hexadecimal entries; simulators and synthesizers look for it in the folder that they run in.
`timescale 1 ns / 1 ps

module lookup_table #(
    parameter BW_IN = 8,
    parameter BW_OUT = 8,
    parameter MEM_FILE = "table.mem"
) (
    input  [BW_IN-1:0]  in,
    output [BW_OUT-1:0] out
);
    reg [BW_OUT-1:0] entries [0:(1<<BW_IN)-1];

    initial $readmemh(MEM_FILE, entries);

    assign out = entries[in];
endmodule
