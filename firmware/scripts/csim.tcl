# C simulation: the testbench compares golden codes; a difference ends this script with an error.
source [file join [file dirname [info script]] settings.tcl]
open_design 1
csim_design
exit
