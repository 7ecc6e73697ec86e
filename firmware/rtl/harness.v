// The trigger block of @PROJECT@ behind few pins, for a chip that has not one for every bit of an event.
//
// Events come in over LANES pins, the highest bits of an event first, one group of LANES at each clock edge. The block sees
// the last N_IN groups at every edge. `load` takes the results into the register that goes out over LANES pins, the
// highest bits first, while the next event comes in. An event that is complete behind an edge has its result behind the
// @LATENCY@ edges that follow; `load` is set at the one behind these.
`timescale 1 ns / 1 ps
`default_nettype none

module @PROJECT@_harness #(
    parameter LANES      = @LANES@,
    parameter INPUT_BITS = @INPUT_BITS@,
    parameter SCORE_BITS = @SCORE_BITS@,
    parameter N_ACCEPT   = @N_ACCEPT@,
@LATENTS{    parameter LATENTS_BITS = @LATENTS_BITS@,
}@    parameter N_IN       = (INPUT_BITS + LANES - 1) / LANES,
    parameter N_OUT      = (SCORE_BITS + N_ACCEPT@LATENTS{ + LATENTS_BITS}@ + LANES - 1) / LANES
) (
    input  wire             clk,
    input  wire [LANES-1:0] in,
    input  wire             load,
    output wire [LANES-1:0] out
);
    reg [N_IN*LANES-1:0]  objects = 0;
    reg [N_OUT*LANES-1:0] result  = 0;

    wire [SCORE_BITS-1:0] score;
    wire [N_ACCEPT-1:0]   accept;
@LATENTS{    wire [LATENTS_BITS-1:0] latents;
}@
    assign out = result[N_OUT*LANES-1-:LANES];

    always @(posedge clk) begin
        objects <= (objects << LANES) | in;
        result  <= load ? {@LATENTS{latents, }@accept, score} : result << LANES;
    end

    @PROJECT@_trigger block (
        .clk(clk),
        .objects(objects[INPUT_BITS-1:0]),
        .score(score),
        .accept(accept)@LATENTS{,
        .latents(latents)}@
    );
endmodule

`default_nettype wire
