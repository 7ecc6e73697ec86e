// The trigger block of @PROJECT@ with plain ports: one event a clock in, its score and decisions LATENCY clocks later.
//
// Written by `fpgaae trace`. @PROJECT@_core is the traced logic, whose ports are packed; here they get names and widths.
// objects: the hardware integers of an event, the first feature in the lowest bits, each in two's complement.@PORT_TABLE@@LATENTS{
// latents: the codes of its @N_LATENTS@ latents, of the type @LATENTS_TYPE@, the first in the lowest bits.}@
// There is no reset and no clock enable: every register takes a new value at every clock edge.
`timescale 1 ns / 1 ps
`default_nettype none

module @PROJECT@_trigger (
    input  wire                      clk,
    input  wire [@INPUT_BITS@ - 1:0] objects,
    output wire [@SCORE_BITS@ - 1:0] score,
    output wire [@N_ACCEPT@ - 1:0]   accept@LATENTS{,
    output wire [@LATENTS_BITS@ - 1:0] latents}@
);
    wire [@CORE_INPUT_BITS@ - 1:0]  core_input;
    wire [@CORE_OUTPUT_BITS@ - 1:0] core_output;

@CONNECTIONS@

    @PROJECT@_core core (
        .clk(clk),
        .model_inp(core_input),
        .model_out(core_output)
    );
endmodule

`default_nettype wire
