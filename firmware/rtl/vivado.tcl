# Out-of-context synthesis, placement and routing of @PROJECT@_valid for @PART@. Run it in the folder of the Verilog (its
# tables are read from there): vivado -mode batch -source ../vivado.tcl -tclargs OUTPUT_FOLDER
set output [lindex $argv 0]
read_verilog [glob *.v]
synth_design -top @PROJECT@_valid -part {@PART@} -mode out_of_context -max_dsp 0
create_clock -period {@CLOCK_NS@} -name clk [get_ports clk]
opt_design
place_design
phys_opt_design
route_design
report_utilization -file [file join $output utilization.rpt]
report_timing_summary -file [file join $output timing.rpt]
exit
