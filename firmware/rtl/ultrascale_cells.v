// What the primitives of UltraScale and UltraScale+ compute that `three_input_adder.v` instantiates (AMD UG974).

module LUT6_2 #(
    parameter [63:0] INIT = 0
) (
    output O6, O5,
    input I0, I1, I2, I3, I4, I5
);
  wire [31:0] of_four = I4 ? {INIT[63:48], INIT[31:16]} : {INIT[47:32], INIT[15:0]};  // for I5 = 1 and for I5 = 0
  wire [15:0] of_three = I3 ? {of_four[31:24], of_four[15:8]} : {of_four[23:16], of_four[7:0]};
  wire [7:0] of_two = I2 ? {of_three[15:12], of_three[7:4]} : {of_three[11:8], of_three[3:0]};
  wire [3:0] of_one = I1 ? {of_two[7:6], of_two[3:2]} : {of_two[5:4], of_two[1:0]};
  wire [1:0] found = I0 ? {of_one[3], of_one[1]} : {of_one[2], of_one[0]};
  assign O6 = I5 ? found[1] : found[0];
  assign O5 = found[0];
endmodule

// As one chain (CARRY_TYPE SINGLE_CY8) that starts with CI: a carry is the one from below where S is 1, and DI where it is
// not. So it is in a sum of two numbers whose bits differ where S is 1, and are DI where it is not; in Verilator a sum is
// faster than bits that depend on bits of the same word.
module CARRY8 (
    output [7:0] CO, O,
    input CI, CI_TOP,
    input [7:0] DI, S
);
  wire [7:0] first = S | DI;
  wire [7:0] second = ~S & DI;
  wire [8:0] total = first + second + CI;
  assign O = total[7:0];
  assign CO = {total[8], O[7:1] ^ S[7:1]};
endmodule
