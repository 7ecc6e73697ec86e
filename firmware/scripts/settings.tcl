# Settings of @PROJECT@ that the other scripts share. Run them in the project's folder:
#
#     vitis_hls -f scripts/csim.tcl      (vivado_hls alike; vitis-run --mode hls --tcl scripts/csim.tcl from 2024.1 on)
set name @PROJECT@
set part {@PART@}
set clock_ns {@CLOCK_NS@}
set here [file dirname [file dirname [file normalize [info script]]]]
set flags "-std=c++0x -I$here"

proc open_design {reset} {
    global name part clock_ns here flags
    open_project {*}[expr {$reset ? "-reset" : ""}] ${name}_trigger_prj
    set_top ${name}_trigger
    add_files $here/firmware/${name}_trigger.cpp -cflags $flags
    add_files $here/firmware/${name}.cpp -cflags $flags
    add_files -tb $here/${name}_test.cpp -cflags $flags
    add_files -tb $here/tb_data
    open_solution {*}[expr {$reset ? "-reset" : ""}] solution1
    set_part $part
    create_clock -period $clock_ns -name default
}
