# C simulation, then synthesis of the trigger block and export of the IP core.
source [file join [file dirname [info script]] settings.tcl]
open_design 1
csim_design
csynth_design
export_design -format ip_catalog
exit
