"""From the golden network to Verilog and VHDL without a vendor tool: trace, simulate, synthesize."""
