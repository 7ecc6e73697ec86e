// The trigger block of @PROJECT@ with thresholds that are loaded over AXI4-Lite, and counters: @PROJECT@_valid, and behind it
// one clock more, in which the score is compared with the thresholds in force. RESET values are the trained thresholds.
//
// THRESHOLD_* are written one by one; COMMIT in CONTROL puts all of them in force at one clock edge, so that each event is
// compared with one whole set. SNAPSHOT copies all counters at one clock edge into the words that are read; CLEAR sets them to
// 0. An event counts as one with saturated inputs where the front end takes an input of it to an end of its type. Where ENABLE is 0 no event is accepted or counted. The map is @PROJECT@.rdl. aresetn (synchronous, low) resets the
// registers and forgets the events under way; the trained thresholds are in force again. Words that have no register read 0.
`timescale 1 ns / 1 ps
`default_nettype none

module @PROJECT@_registers #(
    parameter INPUT_BITS = @INPUT_BITS@,
    parameter SCORE_BITS = @SCORE_BITS@,
    parameter N_ACCEPT   = @N_ACCEPT@,
    parameter [N_ACCEPT*64-1:0] TRAINED = @TRAINED@,
    parameter [255:0] HASH = 256'h@HASH@
) (
    input  wire                  aclk,
    input  wire                  aresetn,
    input  wire                  in_valid,
    input  wire [INPUT_BITS-1:0] in_objects,
    output reg                   out_valid,
    output reg  [SCORE_BITS-1:0] out_score,
    output reg  [N_ACCEPT-1:0]   out_accept,
@LATENTS{    output reg  [@LATENTS_BITS@-1:0] out_latents,
}@    input  wire [11:0]           s_axi_awaddr,
    input  wire                  s_axi_awvalid,
    output wire                  s_axi_awready,
    input  wire [31:0]           s_axi_wdata,
    input  wire [3:0]            s_axi_wstrb,
    input  wire                  s_axi_wvalid,
    output wire                  s_axi_wready,
    output wire [1:0]            s_axi_bresp,
    output reg                   s_axi_bvalid,
    input  wire                  s_axi_bready,
    input  wire [11:0]           s_axi_araddr,
    input  wire                  s_axi_arvalid,
    output wire                  s_axi_arready,
    output reg  [31:0]           s_axi_rdata,
    output wire [1:0]            s_axi_rresp,
    output reg                   s_axi_rvalid,
    input  wire                  s_axi_rready
);
    localparam N_COUNTERS = 3 + N_ACCEPT;  // events, saturated scores, saturated inputs, accepted by each threshold
    localparam N_SLOTS = @N_SLOTS@, BLOCK_LATENCY = @BLOCK_LATENCY@;
    localparam [SCORE_BITS-1:0] LARGEST = {SCORE_BITS{1'b1}};

    wire                  valid;
    wire [SCORE_BITS-1:0] score;
@LATENTS{    wire [@LATENTS_BITS@-1:0] latents;
}@

    // Slots of the event that comes in with an input beyond its type, and, as its score is there, whether there was one.
    wire [N_SLOTS-1:0]    beyond = {
@BEYOND@
    };
    reg  [N_SLOTS-1:0]    was_beyond;
    wire                  saturated;

    always @(posedge aclk) was_beyond <= beyond;

    generate
        if (BLOCK_LATENCY == 1) begin : at_once
            assign saturated = |was_beyond;
        end else begin : under_way
            reg  [BLOCK_LATENCY-2:0] line;
            wire [BLOCK_LATENCY-1:0] next = {line, |was_beyond};

            assign saturated = line[BLOCK_LATENCY-2];
            always @(posedge aclk) line <= next[BLOCK_LATENCY-2:0];
        end
    endgenerate

    reg                   enable;
    reg  [63:0]           loaded   [0:N_ACCEPT-1];
    reg  [63:0]           in_force [0:N_ACCEPT-1];
    reg  [63:0]           counter  [0:N_COUNTERS-1];
    reg  [63:0]           snapshot [0:N_COUNTERS-1];

    // A write goes through when address and data are there and the answer of the one before is taken.
    wire write   = aresetn && s_axi_awvalid && s_axi_wvalid && (!s_axi_bvalid || s_axi_bready);
    wire read    = aresetn && s_axi_arvalid && (!s_axi_rvalid || s_axi_rready);
    wire control = write && s_axi_awaddr[11:2] == 10'h@CONTROL@ && s_axi_wstrb[0];
    wire commit  = control && s_axi_wdata[1];
    wire sample  = control && s_axi_wdata[2];
    wire clear   = control && s_axi_wdata[3];

    assign s_axi_awready = write;
    assign s_axi_wready  = write;
    assign s_axi_arready = read;
    assign s_axi_bresp   = 2'b00;
    assign s_axi_rresp   = 2'b00;

    wire [31:0] strobe = {{8{s_axi_wstrb[3]}}, {8{s_axi_wstrb[2]}}, {8{s_axi_wstrb[1]}}, {8{s_axi_wstrb[0]}}};
    wire [9:0]  at     = s_axi_araddr[11:2];
    reg  [31:0] word;
    integer     i, k;

    always @* begin
        word = 0;
        case (at)
            10'h@IDENTITY@: word = 32'h46504145;  // "FPAE"
            10'h@MAP_VERSION@: word = @MAP_VERSION_VALUE@;
            10'h@CONTROL@: word = {31'b0, enable};
            10'h@SIZES@: word = {8'd@LATENCY@, 8'd@SCORE_BITS@, 16'd@N_ACCEPT@};
            default: ;
        endcase
        for (i = 0; i < 8; i = i + 1) if (at == 10'h@HASH_AT@ + i[9:0]) word = HASH[32*i+:32];
        for (i = 0; i < N_COUNTERS; i = i + 1) begin
            if (at == 10'h@COUNTERS@ + {i[8:0], 1'b0}) word = snapshot[i][31:0];
            if (at == 10'h@COUNTERS@ + {i[8:0], 1'b1}) word = snapshot[i][63:32];
        end
        for (i = 0; i < N_ACCEPT; i = i + 1) begin
            if (at == 10'h@THRESHOLDS@ + {i[8:0], 1'b0}) word = loaded[i][31:0];
            if (at == 10'h@THRESHOLDS@ + {i[8:0], 1'b1}) word = loaded[i][63:32];
            if (at == 10'h@IN_FORCE@ + {i[8:0], 1'b0}) word = in_force[i][31:0];
            if (at == 10'h@IN_FORCE@ + {i[8:0], 1'b1}) word = in_force[i][63:32];
        end
    end

    wire [N_ACCEPT-1:0]   above;
    wire [N_COUNTERS-1:0] counts = {above, saturated, score == LARGEST, 1'b1} & {N_COUNTERS{valid && enable}};

    genvar g;
    generate
        for (g = 0; g < N_ACCEPT; g = g + 1) begin : comparators
            assign above[g] = {{(64 - SCORE_BITS) {1'b0}}, score} > in_force[g];
        end
    endgenerate

    always @(posedge aclk) begin
        if (write) begin
            s_axi_bvalid <= 1'b1;
            if (control) enable <= s_axi_wdata[0];
            for (k = 0; k < N_ACCEPT; k = k + 1) begin
                if (s_axi_awaddr[11:2] == 10'h@THRESHOLDS@ + {k[8:0], 1'b0})
                    loaded[k][31:0] <= (loaded[k][31:0] & ~strobe) | (s_axi_wdata & strobe);
                if (s_axi_awaddr[11:2] == 10'h@THRESHOLDS@ + {k[8:0], 1'b1})
                    loaded[k][63:32] <= (loaded[k][63:32] & ~strobe) | (s_axi_wdata & strobe);
            end
        end else if (s_axi_bready) s_axi_bvalid <= 1'b0;

        if (read) begin
            s_axi_rvalid <= 1'b1;
            s_axi_rdata  <= word;
        end else if (s_axi_rready) s_axi_rvalid <= 1'b0;

        out_valid <= valid;
        out_score <= score;
@LATENTS{        out_latents <= latents;
}@        for (k = 0; k < N_ACCEPT; k = k + 1) begin
            out_accept[k] <= enable && above[k];
            if (commit) in_force[k] <= loaded[k];
        end

        // An event counts at the edge behind which its result is there; one at the edge of CLEAR is the first of the new count.
        for (k = 0; k < N_COUNTERS; k = k + 1) begin
            if (sample) snapshot[k] <= counter[k];
            counter[k] <= (clear ? 64'd0 : counter[k]) + {63'd0, counts[k]};
        end

        if (!aresetn) begin
            enable       <= 1'b1;
            s_axi_bvalid <= 1'b0;
            s_axi_rvalid <= 1'b0;
            out_valid    <= 1'b0;
            for (k = 0; k < N_ACCEPT; k = k + 1) begin
                loaded[k]   <= TRAINED[64*k+:64];
                in_force[k] <= TRAINED[64*k+:64];
            end
            for (k = 0; k < N_COUNTERS; k = k + 1) begin
                counter[k]  <= 0;
                snapshot[k] <= 0;
            end
        end
    end

    @PROJECT@_valid block (
        .clk(aclk),
        .reset(!aresetn),
        .in_valid(in_valid),
        .in_objects(in_objects),
        .out_valid(valid),
        .out_score(score),
@LATENTS{        .out_latents(latents),
}@        /* verilator lint_off PINCONNECTEMPTY */
        .out_accept()
        /* verilator lint_on PINCONNECTEMPTY */
    );
endmodule

`default_nettype wire
