// What the cells of a routed ECP5 netlist compute, as nextpnr packs them: half a slice of two LUTs with its carry and its
// wider multiplexers, a register, a pin, the buffer of a clock net. Modes that a trigger block never has stop the simulation.
`timescale 1 ns / 1 ps

module TRELLIS_COMB #(
    parameter MODE         = "LOGIC",
    parameter INITVAL      = 16'h0000,
    parameter CCU2_INJECT1 = "NO",
    parameter IS_Z1        = 0,
    parameter WREMUX       = "WRE"
) (
    input  wire A, B, C, D, M,
    input  wire FCI, F1, FXA, FXB,
    input  wire WD, WRE, WCK, WAD0, WAD1, WAD2, WAD3, DI0, DI1,
    output wire F, FCO, OFX
);
    localparam [15:0] TABLE = INITVAL;

    wire lut4 = TABLE[{D, C, B, A}];
    wire lut2 = TABLE[{2'b00, B, A}];

    assign OFX = IS_Z1 ? (M ? FXB : FXA) : (M ? F1 : F);

    generate
        if (MODE == "LOGIC") begin : logic_of_four
            assign F   = lut4;
            assign FCO = 1'b0;
        end else if (MODE == "CCU2") begin : carry
            wire in_use = CCU2_INJECT1 != "YES";
            assign F   = lut4 ^ (in_use & FCI);
            assign FCO = lut4 ? FCI : in_use & lut2;
        end else begin : unknown
            initial $fatal;
        end
    endgenerate
endmodule

module TRELLIS_FF #(
    parameter GSR     = "ENABLED",
    parameter CEMUX   = "1",
    parameter CLKMUX  = "CLK",
    parameter LSRMUX  = "LSR",
    parameter LSRMODE = "LSR",
    parameter SRMODE  = "LSR_OVER_CE",
    parameter REGSET  = "RESET",
    parameter SD      = "1"
) (
    input  wire CLK, LSR, CE, DI, M,
    output reg  Q
);
    localparam ONE = REGSET == "SET" ? 1'b1 : 1'b0;

    wire next    = SD == "0" ? M : DI;
    wire enabled = CEMUX == "1" || (CEMUX == "0" ? 1'b0 : CEMUX == "INV" ? !CE : CE);
    wire reset   = LSRMUX == "INV" ? !LSR : LSR;

    initial Q = ONE;

    always @(posedge CLK)
        if (reset && (SRMODE == "LSR_OVER_CE" || enabled)) Q <= ONE;
        else if (enabled) Q <= next;

    initial if (CLKMUX == "INV" || LSRMODE != "LSR" || SRMODE == "ASYNC") $fatal;
endmodule

module TRELLIS_IO_INPUT #(
    parameter DIR           = "INPUT",
    parameter DATAMUX_MDDR  = "PADDO",
    parameter DATAMUX_ODDR  = "PADDO"
) (
    input  wire B, I, T, IOLDO, IOLTO,
    output wire O
);
    assign O = B;
endmodule

module TRELLIS_IO_OUTPUT #(
    parameter DIR           = "OUTPUT",
    parameter DATAMUX_MDDR  = "PADDO",
    parameter DATAMUX_ODDR  = "PADDO"
) (
    input  wire I, T, IOLDO, IOLTO,
    output wire B, O
);
    assign B = I;
    assign O = I;
endmodule

module DCCA (
    input  wire CLKI, CE,
    output wire CLKO
);
    assign CLKO = CLKI;
endmodule
