// The sum of three values: in0 + in1 + in2, each shifted to the left, in1 and in2 subtracted where SUB1 and SUB2 say so.
//
// Where the part is an UltraScale or UltraScale+, a bit of it is synthesized as one LUT: O5 is the carry of the three bits
// and goes into the LUT of the bit above, O6 the sum of the bits and of that carry, which CARRY8 adds up. A subtracted
// value goes in inverted, and the 1 that this lacks as the lowest carry of either kind. Bits that one value alone has are
// passed on. On other parts it is what Verilog makes of a sum.
`timescale 1 ns / 1 ps

module three_input_adder #(
    parameter BW_INPUT0 = 8,
    parameter BW_INPUT1 = 8,
    parameter BW_INPUT2 = 8,
    parameter SIGNED0 = 0,
    parameter SIGNED1 = 0,
    parameter SIGNED2 = 0,
    parameter BW_OUT = 10,
    parameter SHIFT0 = 0,
    parameter SHIFT1 = 0,
    parameter SHIFT2 = 0,
    parameter SUB1 = 0,
    parameter SUB2 = 0
) (
    input  [BW_INPUT0-1:0] in0,
    input  [BW_INPUT1-1:0] in1,
    input  [BW_INPUT2-1:0] in2,
    output [BW_OUT-1:0]    out
);
    localparam HAS_PRIMITIVES = @HAS_PRIMITIVES@;

    // verilator lint_off WIDTH
    wire [BW_OUT-1:0] a = {{BW_OUT{SIGNED0 == 1 && in0[BW_INPUT0-1]}}, in0} << SHIFT0;
    wire [BW_OUT-1:0] b = {{BW_OUT{SIGNED1 == 1 && in1[BW_INPUT1-1]}}, in1} << SHIFT1;
    wire [BW_OUT-1:0] c = {{BW_OUT{SIGNED2 == 1 && in2[BW_INPUT2-1]}}, in2} << SHIFT2;
    // verilator lint_on WIDTH

    // The lowest bit that two values have, or one that is subtracted.
    localparam LESS   = SHIFT0 < SHIFT1 ? SHIFT0 : SHIFT1;
    localparam MORE   = SHIFT0 < SHIFT1 ? SHIFT1 : SHIFT0;
    localparam SECOND = SHIFT2 < LESS ? LESS : SHIFT2 < MORE ? SHIFT2 : MORE;
    localparam FIRST  = SUB1 == 1 && SHIFT1 < SECOND ? SHIFT1 : SUB2 == 1 && SHIFT2 < SECOND ? SHIFT2 : SECOND;
    localparam BITS   = BW_OUT - FIRST;
    localparam BLOCKS = (BITS + 7) / 8;

    // The tables of a LUT, whose inputs are a bit of each value and the carry from below.
    localparam [15:0] A = 16'hAAAA, B = SUB1 == 1 ? 16'h3333 : 16'hCCCC, C = SUB2 == 1 ? 16'h0F0F : 16'hF0F0;
    localparam [15:0] BELOW = 16'hFF00, SUM = A ^ B ^ C ^ BELOW, CARRY = (A & B) | (A & C) | (B & C);

    genvar i;
    generate
        if (HAS_PRIMITIVES == 1) begin : primitives
            wire [8*BLOCKS-1:0] below, sums, totals;  // no bit of one of them depends on others of the same

            for (i = 0; i < BITS; i = i + 1) begin : of_bit
                wire from_below, carry;
                if (i == 0) begin : lowest
                    assign from_below = SUB1 == 1 && SUB2 == 1;
                end else begin : higher
                    assign from_below = of_bit[i-1].carry;
                end
                LUT6_2 #(.INIT({SUM, SUM, CARRY, CARRY})) lut (
                    .I0(a[FIRST+i]), .I1(b[FIRST+i]), .I2(c[FIRST+i]), .I3(from_below), .I4(1'b0), .I5(1'b1),
                    .O5(carry), .O6(sums[i])
                );
                assign below[i] = from_below;
            end
            for (i = BITS; i < 8 * BLOCKS; i = i + 1) begin : unused
                assign below[i] = 1'b0;
                assign sums[i]  = 1'b0;
            end
            for (i = 0; i < BLOCKS; i = i + 1) begin : of_eight_bits
                wire       from_below;
                wire [7:0] carry;
                if (i == 0) begin : lowest
                    assign from_below = SUB1 == 1 || SUB2 == 1;
                end else begin : higher
                    assign from_below = of_eight_bits[i-1].carry[7];
                end
                CARRY8 carry8 (
                    .CI(from_below), .CI_TOP(1'b0), .DI(below[8*i+:8]), .S(sums[8*i+:8]), .O(totals[8*i+:8]), .CO(carry)
                );
            end
            if (FIRST > 0) begin : of_one_value
                assign out[FIRST-1:0] = a[FIRST-1:0] | b[FIRST-1:0] | c[FIRST-1:0];
            end
            assign out[BW_OUT-1:FIRST] = totals[BITS-1:0];
        end else begin : generic
            if (SUB1 == 1 && SUB2 == 1) begin : minus_minus
                assign out = a - b - c;
            end else if (SUB1 == 1) begin : minus_plus
                assign out = a - b + c;
            end else if (SUB2 == 1) begin : plus_minus
                assign out = a + b - c;
            end else begin : plus_plus
                assign out = a + b + c;
            end
        end
    endgenerate
endmodule
