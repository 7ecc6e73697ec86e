// Both wrappers of @PROJECT@ for `fpgaae rtl`, each on a clock of its own, so that one rests while the other is driven.
// Nothing is connected or compared here.
`timescale 1 ns / 1 ps
`default_nettype none

module @PROJECT@_bench #(
    parameter INPUT_BYTES  = (@INPUT_BITS@ + 7) / 8,
    parameter OUTPUT_BYTES = (@RESULT_BITS@ + 7) / 8
) (
    input  wire                      clk,
    input  wire                      reset,
    input  wire                      in_valid,
    input  wire [@INPUT_BITS@-1:0]   in_objects,
    output wire                      out_valid,
    output wire [@SCORE_BITS@-1:0]   out_score,
    output wire [@N_ACCEPT@-1:0]     out_accept,
@LATENTS{    output wire [@LATENTS_BITS@-1:0] out_latents,
}@    input  wire                      aclk,
    input  wire                      aresetn,
    input  wire [8*INPUT_BYTES-1:0]  s_axis_tdata,
    input  wire                      s_axis_tvalid,
    output wire                      s_axis_tready,
    input  wire                      s_axis_tlast,
    output wire [8*OUTPUT_BYTES-1:0] m_axis_tdata,
    output wire                      m_axis_tvalid,
    input  wire                      m_axis_tready,
    output wire                      m_axis_tlast
);
    @PROJECT@_valid valid (
        .clk(clk),
        .reset(reset),
        .in_valid(in_valid),
        .in_objects(in_objects),
        .out_valid(out_valid),
        .out_score(out_score),
        .out_accept(out_accept)@LATENTS{,
        .out_latents(out_latents)}@
    );

    @PROJECT@_axis axis (
        .aclk(aclk),
        .aresetn(aresetn),
        .s_axis_tdata(s_axis_tdata),
        .s_axis_tvalid(s_axis_tvalid),
        .s_axis_tready(s_axis_tready),
        .s_axis_tlast(s_axis_tlast),
        .m_axis_tdata(m_axis_tdata),
        .m_axis_tvalid(m_axis_tvalid),
        .m_axis_tready(m_axis_tready),
        .m_axis_tlast(m_axis_tlast)
    );
endmodule

`default_nettype wire
