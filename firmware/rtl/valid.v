// The trigger block of @PROJECT@ with a valid bit beside its data: what goes in with in_valid comes out with out_valid.
//
// Takes an event at every clock edge, or none; nothing can hold it up. `reset` (synchronous) forgets the events under way.
// LATENCY counts clock edges from the one that takes the objects to the one behind which their result is there, both
// included.
`timescale 1 ns / 1 ps
`default_nettype none

module @PROJECT@_valid #(
    parameter INPUT_BITS = @INPUT_BITS@,
    parameter SCORE_BITS = @SCORE_BITS@,
    parameter N_ACCEPT   = @N_ACCEPT@,
@LATENTS{    parameter LATENTS_BITS = @LATENTS_BITS@,
}@    parameter LATENCY    = @LATENCY@
) (
    input  wire                  clk,
    input  wire                  reset,
    input  wire                  in_valid,
    input  wire [INPUT_BITS-1:0] in_objects,
    output wire                  out_valid,
    output wire [SCORE_BITS-1:0] out_score,
    output wire [N_ACCEPT-1:0]   out_accept@LATENTS{,
    output wire [LATENTS_BITS-1:0] out_latents}@
);
    reg [LATENCY-1:0] under_way = 0;  // the valid bit of the event in each step of the pipeline

    assign out_valid = under_way[LATENCY-1];

    always @(posedge clk)
        if (reset) under_way <= 0;
        else under_way <= (under_way << 1) | {{(LATENCY - 1) {1'b0}}, in_valid};

    @PROJECT@_trigger trigger (
        .clk(clk),
        .objects(in_objects),
        .score(out_score),
        .accept(out_accept)@LATENTS{,
        .latents(out_latents)}@
    );
endmodule

`default_nettype wire
