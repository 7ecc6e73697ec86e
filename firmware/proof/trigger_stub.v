// In the place of the trigger block: any event that is `marked` gives `value` LATENCY clocks later, all else anything.
// Both are registers that nothing writes, so that what is proven holds for each event and whatever the block makes of it.
module @PROJECT@_trigger (
    input  wire                      clk,
    input  wire [@INPUT_BITS@-1:0]   objects,
    output wire [@SCORE_BITS@-1:0]   score,
    output wire [@N_ACCEPT@-1:0]     accept@LATENTS{,
    output wire [@LATENTS_BITS@-1:0] latents}@
);
    reg [@INPUT_BITS@-1:0]  marked;
    reg [@RESULT_BITS@-1:0] value;
    (* anyseq *) wire [@RESULT_BITS@-1:0] other;
    reg [@LATENCY@-1:0]     hit;

    always @(posedge clk) begin
        marked <= marked;
        value  <= value;
        hit    <= (hit << 1) | (objects == marked);
    end
    assign {@LATENTS{latents, }@accept, score} = hit[@LATENCY@-1] ? value : other;
endmodule
