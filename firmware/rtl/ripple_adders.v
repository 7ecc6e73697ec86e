// How Yosys writes additions and subtractions as gates for the proofs of the stages: bit by bit, which takes it half of
// the time of its own carries, and ABC less than these.
(* techmap_celltype = "$add $sub" *)
module ripple_adder (A, B, Y);
    parameter A_SIGNED = 0;
    parameter B_SIGNED = 0;
    parameter A_WIDTH = 1;
    parameter B_WIDTH = 1;
    parameter Y_WIDTH = 1;
    parameter _TECHMAP_CELLTYPE_ = "";
    localparam SUBTRACTS = _TECHMAP_CELLTYPE_ == "$sub";

    input  [A_WIDTH-1:0] A;
    input  [B_WIDTH-1:0] B;
    output [Y_WIDTH-1:0] Y;

    wire [Y_WIDTH-1:0] a, b, second, odd;
    wire [Y_WIDTH:0]   carry;

    \$pos #(.A_SIGNED(A_SIGNED && B_SIGNED), .A_WIDTH(A_WIDTH), .Y_WIDTH(Y_WIDTH)) extend_a (.A(A), .Y(a));
    \$pos #(.A_SIGNED(A_SIGNED && B_SIGNED), .A_WIDTH(B_WIDTH), .Y_WIDTH(Y_WIDTH)) extend_b (.A(B), .Y(b));

    assign second = SUBTRACTS ? ~b : b;
    assign odd    = a ^ second;
    assign carry  = {(a & second) | (carry[Y_WIDTH-1:0] & odd), SUBTRACTS ? 1'b1 : 1'b0};
    assign Y      = odd ^ carry[Y_WIDTH-1:0];
endmodule
