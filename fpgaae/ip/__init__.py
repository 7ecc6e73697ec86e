"""The proven Verilog as packages of intellectual property: IP-XACT, FuseSoC, Vivado, and their data sheet."""
