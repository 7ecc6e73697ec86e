// The AXI4-Stream wrapper: each event that is taken comes out once, in its turn, with its tlast and the result of that
// very event, LATENCY + 1 clocks later at the latest once its turn has come; an event is taken whenever fewer than PLACES
// are under way; what is offered stays until it is taken. `wrong` says that this (`bad`), or what is needed to prove it by
// induction (`broken`), fails. Events are numbered as they come; one that is marked is followed.
module properties (
    input wire                        aclk,
    input wire                        any_reset,
    input wire [8*@INPUT_BYTES@-1:0]  s_axis_tdata,
    input wire                        s_axis_tvalid,
    input wire                        s_axis_tlast,
    input wire                        m_axis_tready,
    input wire                        pick,
    output wire                       wrong
);
    localparam DEPTH_BITS = @DEPTH_BITS@, LATENCY = @LATENCY@, PLACES = 1 << DEPTH_BITS;
    localparam RESULT_BITS = @RESULT_BITS@, SPARE = 8 * @OUTPUT_BYTES@ - RESULT_BITS;

    (* hierconn *) wire [@INPUT_BITS@-1:0] \dut.trigger.marked ;
    (* hierconn *) wire [RESULT_BITS-1:0]  \dut.trigger.value ;
    (* hierconn *) wire [LATENCY-1:0]      \dut.trigger.hit ;
    (* hierconn *) wire [LATENCY-1:0]      \dut.under_way ;
    (* hierconn *) wire [LATENCY-1:0]      \dut.last ;
    (* hierconn *) wire [DEPTH_BITS:0]     \dut.written ;
    (* hierconn *) wire [DEPTH_BITS:0]     \dut.taken ;
    (* hierconn *) wire [DEPTH_BITS:0]     \dut.promised ;
@FIFO_WIRES@
    wire [PLACES*(RESULT_BITS+1)-1:0] fifo = {@FIFO@};

    reg started = 0;  // a reset comes first
    wire aresetn = started && !any_reset;
    wire s_axis_tready, m_axis_tvalid, m_axis_tlast;
    wire [8*@OUTPUT_BYTES@-1:0] m_axis_tdata;

    @PROJECT@_axis dut (
        .aclk(aclk), .aresetn(aresetn),
        .s_axis_tdata(s_axis_tdata), .s_axis_tvalid(s_axis_tvalid), .s_axis_tready(s_axis_tready),
        .s_axis_tlast(s_axis_tlast), .m_axis_tdata(m_axis_tdata), .m_axis_tvalid(m_axis_tvalid),
        .m_axis_tready(m_axis_tready), .m_axis_tlast(m_axis_tlast)
    );

    reg [DEPTH_BITS:0] came = 0, went = 0, number = 0;  // events taken, results given, and that of the event followed
    reg follows = 0, last = 0;
    reg [LATENCY:0] age = 0;  // of the event that is followed, one bit set
    reg was_offered = 0;
    reg [8*@OUTPUT_BYTES@:0] offered = 0;
    wire in = s_axis_tvalid && s_axis_tready, out = m_axis_tvalid && m_axis_tready;
    wire marks = pick && in && !follows && s_axis_tdata[@INPUT_BITS@-1:0] == \dut.trigger.marked ;
    wire [DEPTH_BITS:0] under_way = came - went;
    wire turn = follows && number == went;
    wire [8*@OUTPUT_BYTES@:0] offer = {m_axis_tlast, m_axis_tdata};
    wire [8*@OUTPUT_BYTES@:0] right = {last, {SPARE{1'b0}}, \dut.trigger.value };

    always @(posedge aclk) begin
        started <= 1;
        was_offered <= aresetn && m_axis_tvalid && !m_axis_tready;
        offered <= offer;
        if (!aresetn) begin
            came <= 0; went <= 0; follows <= 0; age <= 0;
        end else begin
            came <= came + in;
            went <= went + out;
            age  <= (age << 1) | (age & (1 << LATENCY));
            if (marks) begin
                follows <= 1; number <= came; last <= s_axis_tlast; age <= 1;
            end else if (turn && out) begin
                follows <= 0; age <= 0;
            end
        end
    end

    wire bad = s_axis_tready != (aresetn && under_way != PLACES)
        || (out && under_way == 0)
        || (aresetn && was_offered && (!m_axis_tvalid || offered != offer))
        || (aresetn && turn && m_axis_tvalid && offer != right)
        || (aresetn && turn && age[LATENCY] && !m_axis_tvalid);

    // The numbers of the events in the pipeline follow each other from that of the next one that is written.
    reg broken;
    reg [DEPTH_BITS:0] next, after;
    wire [RESULT_BITS:0] place = fifo[number[DEPTH_BITS-1:0]*(RESULT_BITS+1) +: RESULT_BITS+1];
    integer k;
    always @* begin
        broken = \dut.taken != went || \dut.promised != under_way || under_way > PLACES
            || follows != (age != 0) || (age & (age - 1)) != 0
            || (age[LATENCY] && !({number - went} < {\dut.written - went} && place == {last, \dut.trigger.value }))
            || (was_offered && (\dut.written == went || offer != offered));
        next = \dut.written ;
        for (k = LATENCY - 1; k >= 0; k = k - 1) begin
            after = next + \dut.under_way [k];
            if ({next - went} > PLACES || {next - went} > {after - went}) broken = 1;
            if (age[k] && !(\dut.under_way [k] && \dut.trigger.hit [k] && \dut.last [k] == last && number == next))
                broken = 1;
            next = after;
        end
        if (next != came) broken = 1;
    end
    assign wrong = started && (bad || broken);
endmodule
