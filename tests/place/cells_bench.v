// Compares the cells as nextpnr packs them with those of Yosys, of which they were packed, for all inputs or random ones.
module pair #(parameter [15:0] INIT0 = 0, INIT1 = 0, parameter INJECT0 = "NO", INJECT1 = "NO") (
    input wire [8:0] in, output wire [2:0] packed_cells, yosys_cells
);
    wire chain, carry_out;
    TRELLIS_COMB #(.MODE("CCU2"), .INITVAL(INIT0), .CCU2_INJECT1(INJECT0)) first (
        .A(in[0]), .B(in[1]), .C(in[2]), .D(in[3]), .FCI(in[8]), .F(packed_cells[0]), .FCO(chain));
    TRELLIS_COMB #(.MODE("CCU2"), .INITVAL(INIT1), .CCU2_INJECT1(INJECT1)) second (
        .A(in[4]), .B(in[5]), .C(in[6]), .D(in[7]), .FCI(chain), .F(packed_cells[1]), .FCO(packed_cells[2]));
    CCU2C #(.INIT0(INIT0), .INIT1(INIT1), .INJECT1_0(INJECT0), .INJECT1_1(INJECT1)) both (
        .CIN(in[8]), .A0(in[0]), .B0(in[1]), .C0(in[2]), .D0(in[3]), .A1(in[4]), .B1(in[5]), .C1(in[6]), .D1(in[7]),
        .S0(yosys_cells[0]), .S1(yosys_cells[1]), .COUT(yosys_cells[2]));
endmodule

module bench;
    reg [8:0] in;
    reg clk = 0, lsr, ce, data;
    wire [2:0] packed_cells [0:7], yosys_cells [0:7];
    integer i, n, wrong = 0, ones = 0;
    genvar k;
    generate
        for (k = 0; k < 8; k = k + 1) begin : pairs
            pair #(.INIT0(16'h96AA * (2 * k + 1) + k), .INIT1(16'h66A5 * (4 * k + 1)), .INJECT0(k[0] ? "YES" : "NO"),
                   .INJECT1(k[1] ? "YES" : "NO")) own (.in(in), .packed_cells(packed_cells[k]), .yosys_cells(yosys_cells[k]));
        end
    endgenerate

    wire f0, f1, wide, wider, lut0, lut1, five, six;
    TRELLIS_COMB #(.INITVAL(16'hCA35)) k0 (.A(in[0]), .B(in[1]), .C(in[2]), .D(in[3]), .M(in[4]), .F1(f1), .F(f0), .OFX(wide));
    TRELLIS_COMB #(.INITVAL(16'h1E87), .IS_Z1(1)) k1 (.A(in[0]), .B(in[1]), .C(in[2]), .D(in[3]), .M(in[5]), .FXA(wide), .FXB(in[6]),
        .F(f1), .OFX(wider));
    LUT4 #(.INIT(16'hCA35)) l0 (.A(in[0]), .B(in[1]), .C(in[2]), .D(in[3]), .Z(lut0));
    LUT4 #(.INIT(16'h1E87)) l1 (.A(in[0]), .B(in[1]), .C(in[2]), .D(in[3]), .Z(lut1));
    PFUMX m0 (.ALUT(lut1), .BLUT(lut0), .C0(in[4]), .Z(five));
    L6MUX21 m1 (.D0(five), .D1(in[6]), .SD(in[5]), .Z(six));

    wire [3:0] q, yosys_q;
    `define REGISTER(place, over) \
        TRELLIS_FF #(.SRMODE(over), .CEMUX(place[0] ? "INV" : "CE"), .LSRMUX(place[1] ? "INV" : "LSR"), .REGSET(place[1] ? "SET" : "RESET")) \
            own``place (.CLK(clk), .LSR(lsr), .CE(ce), .DI(data), .M(in[0]), .Q(q[place])); \
        TRELLIS_FF_OF_YOSYS #(.SRMODE(over), .CEMUX(place[0] ? "INV" : "CE"), .LSRMUX(place[1] ? "INV" : "LSR"), .REGSET(place[1] ? "SET" : "RESET")) \
            of``place (.CLK(clk), .LSR(lsr), .CE(ce), .DI(data), .M(in[0]), .Q(yosys_q[place]));
    localparam [1:0] P0 = 0, P1 = 1, P2 = 2, P3 = 3;
    `REGISTER(P0, "LSR_OVER_CE")
    `REGISTER(P1, "LSR_OVER_CE")
    `REGISTER(P2, "LSR_OVER_CE")
    `REGISTER(P3, "LSR_OVER_CE")

    initial begin
        for (i = 0; i < 512; i = i + 1) begin
            in = i; lsr = $random; ce = $random; data = $random;
            #1 clk = 1;
            #1 clk = 0;
            for (n = 0; n < 8; n = n + 1) begin
                if (packed_cells[n] !== yosys_cells[n]) wrong = wrong + 1;
                ones = ones + packed_cells[n][2];
            end
            if ({f0, f1, wide, wider} !== {lut0, lut1, five, six}) wrong = wrong + 1;
            if (q !== yosys_q) wrong = wrong + 1;
            ones = ones + q[0] + q[3] + wider;
        end
        $display("wrong %0d of cells that were one %0d times", wrong, ones);
        $finish;
    end
endmodule
