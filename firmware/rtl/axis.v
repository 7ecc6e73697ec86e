// The trigger block of @PROJECT@ between two AXI4-Streams: an event a transfer in, {@LATENTS{latents, }@accept, score} a transfer out.
//
// The pipeline can't be stopped, so that an event is taken only when there is a place for its result: results wait in a
// FIFO of 2**DEPTH_BITS places until the receiver takes them, and s_axis_tready is low while every place is promised.
// With 2**DEPTH_BITS >= LATENCY + 2 an event a clock goes through as long as the receiver is ready.
// tlast travels with its event. aresetn (synchronous, low) forgets every event under way.
`timescale 1 ns / 1 ps
`default_nettype none

module @PROJECT@_axis #(
    parameter INPUT_BITS   = @INPUT_BITS@,
    parameter SCORE_BITS   = @SCORE_BITS@,
    parameter N_ACCEPT     = @N_ACCEPT@,
@LATENTS{    parameter LATENTS_BITS = @LATENTS_BITS@,
}@    parameter LATENCY      = @LATENCY@,
    parameter DEPTH_BITS   = @DEPTH_BITS@,
    parameter INPUT_BYTES  = (INPUT_BITS + 7) / 8,
    parameter OUTPUT_BYTES = (SCORE_BITS + N_ACCEPT@LATENTS{ + LATENTS_BITS}@ + 7) / 8
) (
    input  wire                      aclk,
    input  wire                      aresetn,
    /* verilator lint_off UNUSED */
    input  wire [8*INPUT_BYTES-1:0]  s_axis_tdata,   // the objects, in the lowest INPUT_BITS
    /* verilator lint_on UNUSED */
    input  wire                      s_axis_tvalid,
    output wire                      s_axis_tready,
    input  wire                      s_axis_tlast,
    output wire [8*OUTPUT_BYTES-1:0] m_axis_tdata,   // the score in the lowest SCORE_BITS, then the accept bits, @LATENTS{the latents, }@then 0
    output wire                      m_axis_tvalid,
    input  wire                      m_axis_tready,
    output wire                      m_axis_tlast
);
    localparam RESULT_BITS = SCORE_BITS + N_ACCEPT@LATENTS{ + LATENTS_BITS}@;
    localparam PLACES = 1 << DEPTH_BITS;

    wire [SCORE_BITS-1:0] score;
    wire [N_ACCEPT-1:0]   accept;
@LATENTS{    wire [LATENTS_BITS-1:0] latents;
}@
    reg [LATENCY-1:0]     under_way = 0;             // valid and last bit of the event in each step of the pipeline
    reg [LATENCY-1:0]     last      = 0;
    reg [RESULT_BITS:0]   fifo [0:PLACES-1];         // {last, @LATENTS{latents, }@accept, score}
    reg [DEPTH_BITS:0]    written   = 0;             // one bit more than an address, to tell full from empty
    reg [DEPTH_BITS:0]    taken     = 0;
    reg [DEPTH_BITS:0]    promised  = 0;             // places of events that were taken in and not yet given out

    wire event_in   = s_axis_tvalid && s_axis_tready;
    wire result     = under_way[LATENCY-1];
    wire result_out = m_axis_tvalid && m_axis_tready;

    wire [RESULT_BITS:0] oldest = fifo[taken[DEPTH_BITS-1:0]];

    assign s_axis_tready = aresetn && !promised[DEPTH_BITS];
    assign m_axis_tvalid = written != taken;
    assign m_axis_tlast  = oldest[RESULT_BITS];

    generate
        if (8 * OUTPUT_BYTES > RESULT_BITS) begin : padded
            assign m_axis_tdata = {{(8 * OUTPUT_BYTES - RESULT_BITS) {1'b0}}, oldest[RESULT_BITS-1:0]};
        end else begin : exact
            assign m_axis_tdata = oldest[RESULT_BITS-1:0];
        end
    endgenerate

    always @(posedge aclk) begin
        last <= (last << 1) | {{(LATENCY - 1) {1'b0}}, s_axis_tlast};
        if (result) fifo[written[DEPTH_BITS-1:0]] <= {last[LATENCY-1], @LATENTS{latents, }@accept, score};
        if (!aresetn) begin
            under_way <= 0;
            written   <= 0;
            taken     <= 0;
            promised  <= 0;
        end else begin
            under_way <= (under_way << 1) | {{(LATENCY - 1) {1'b0}}, event_in};
            if (result) written <= written + 1'b1;
            if (result_out) taken <= taken + 1'b1;
            if (event_in && !result_out) promised <= promised + 1'b1;
            if (!event_in && result_out) promised <= promised - 1'b1;
        end
    end

    @PROJECT@_trigger trigger (
        .clk(aclk),
        .objects(s_axis_tdata[INPUT_BITS-1:0]),
        .score(score),
        .accept(accept)@LATENTS{,
        .latents(latents)}@
    );
endmodule

`default_nettype wire
