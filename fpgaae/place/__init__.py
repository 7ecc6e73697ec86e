"""From the traced block to a placed and routed chip with open tools, and its netlist compared with the golden codes."""
