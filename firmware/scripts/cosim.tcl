# RTL co-simulation of what synth.tcl made, with the same testbench and the same golden codes.
source [file join [file dirname [info script]] settings.tcl]
open_design 0
cosim_design -rtl verilog
exit
