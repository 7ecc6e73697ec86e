# Packages the block as an IP of Vivado: vivado -mode batch -source package.tcl, in this folder. The IP lies in ip/.
create_project -in_memory -part {@PART@}
add_files [glob rtl/*.v]
foreach table [glob -nocomplain rtl/*.mem] {
    add_files $table
    set_property file_type {Memory File} [get_files $table]
}
set_property top @NAME@_axis [current_fileset]
update_compile_order -fileset sources_1
ipx::package_project -root_dir ip -vendor {@VENDOR@} -library {@LIBRARY@} -taxonomy {/UserIP} -import_files -force
set core [ipx::current_core]
set_property name {@NAME@} $core
set_property version {@VIVADO_VERSION@} $core
set_property display_name {Trigger block @NAME@} $core
set_property description {Trigger block @NAME@ between two AXI4-Streams, an event a transfer (fpgaae)} $core
ipx::infer_bus_interfaces xilinx.com:interface:axis_rtl:1.0 $core
ipx::associate_bus_interfaces -busif s_axis -clock aclk $core
ipx::associate_bus_interfaces -busif m_axis -clock aclk $core
ipx::create_xgui_files $core
ipx::update_checksums $core
ipx::check_integrity $core
ipx::save_core $core
exit
