// The valid wrapper: out_valid is set LATENCY clocks behind each in_valid that no reset follows, beside the result of
// that very event, and at no other clock. `wrong` says that this, or what is needed to prove it by induction, fails.
module properties (
    input wire                    clk,
    input wire                    any_reset,
    input wire                    in_valid,
    input wire [@INPUT_BITS@-1:0] in_objects,
    output wire                   wrong
);
    (* hierconn *) wire [@INPUT_BITS@-1:0]  \dut.trigger.marked ;
    (* hierconn *) wire [@RESULT_BITS@-1:0] \dut.trigger.value ;
    (* hierconn *) wire [@LATENCY@-1:0]     \dut.trigger.hit ;
    (* hierconn *) wire [@LATENCY@-1:0]     \dut.under_way ;
    wire out_valid;
    wire [@SCORE_BITS@-1:0] out_score;
    wire [@N_ACCEPT@-1:0] out_accept;
@LATENTS{    wire [@LATENTS_BITS@-1:0] out_latents;
}@
    reg started = 0;  // a reset comes first
    wire reset = any_reset || !started;
    reg [@LATENCY@-1:0] due = 0, due_marked = 0;
    wire marks = in_valid && in_objects == \dut.trigger.marked ;

    @PROJECT@_valid dut (
        .clk(clk), .reset(reset), .in_valid(in_valid), .in_objects(in_objects), .out_valid(out_valid),
        .out_score(out_score), .out_accept(out_accept)@LATENTS{, .out_latents(out_latents)}@
    );

    always @(posedge clk) begin
        started <= 1;
        due <= reset ? 0 : (due << 1) | in_valid;
        due_marked <= reset ? 0 : (due_marked << 1) | marks;
    end

    wire bad = out_valid != due[@LATENCY@-1]
        || (due_marked[@LATENCY@-1] && {@LATENTS{out_latents, }@out_accept, out_score} != \dut.trigger.value );
    wire broken = \dut.under_way != due || (due_marked & ~(due & \dut.trigger.hit )) != 0;
    assign wrong = started && (bad || broken);
endmodule
