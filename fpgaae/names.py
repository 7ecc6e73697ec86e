"""Which names of a config may enter generated code: C++, Verilog, VHDL and Tcl read them as they are."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field

_CPP = """
alignas alignof and and_eq asm auto bitand bitor bool break case catch char char8_t char16_t char32_t class co_await
co_return co_yield compl concept const const_cast consteval constexpr constinit continue decltype default delete do
double dynamic_cast else enum explicit export extern false final float for friend goto if import inline int long module
mutable namespace new noexcept not not_eq nullptr operator or or_eq override private protected public register
reinterpret_cast requires return restrict short signed sizeof static static_assert static_cast struct switch template
this thread_local throw true try typedef typeid typename union unsigned using virtual void volatile wchar_t while xor
xor_eq main std hls nnet ap_fixed ap_int ap_uint ap_ufixed linux unix
"""  # ISO C++20, 5.11; what the sources use at their top; macros of compilers
# Without `cell`, which shipped arrays are called: no input is a port of a Verilog module.
_VERILOG = """
always and assign automatic begin buf bufif0 bufif1 case casex casez cmos config deassign default defparam design
disable edge else end endcase endconfig endfunction endgenerate endmodule endprimitive endspecify endtable endtask event
for force forever fork function generate genvar highz0 highz1 if ifnone incdir include initial inout input instance
integer join large liblist library localparam macromodule medium module nand negedge nmos nor noshowcancelled not notif0
notif1 or output parameter pmos posedge primitive pull0 pull1 pulldown pullup pulsestyle_ondetect pulsestyle_onevent
rcmos real realtime reg release repeat rnmos rpmos rtran rtranif0 rtranif1 scalared showcancelled signed small specify
specparam strong0 strong1 supply0 supply1 table task time tran tranif0 tranif1 tri tri0 tri1 triand trior trireg
unsigned use uwire vectored wait wand weak0 weak1 while wire wor xnor xor
accept_on alias always_comb always_ff always_latch assert assume before bind bins binsof bit break byte chandle checker
class clocking const constraint context continue cover covergroup coverpoint cross dist do endchecker endclass
endclocking endgroup endinterface endpackage endprogram endproperty endsequence enum eventually expect export extends
extern final first_match foreach forkjoin global iff ignore_bins illegal_bins implements implies import inside int
interconnect interface intersect join_any join_none let local logic longint matches modport nettype new nexttime null
package packed priority program property protected pure rand randc randcase randsequence ref reject_on restrict return
s_always s_eventually s_nexttime s_until s_until_with sequence shortint shortreal soft solve static string strong struct
super sync_accept_on sync_reject_on tagged this throughout timeprecision timeunit type typedef union unique unique0
until until_with untyped var virtual void wait_order weak wildcard with within
"""  # IEEE 1364-2005 and 1800-2017, annex B
_VHDL = """
abs access after alias all and architecture array assert assume assume_guarantee attribute begin block body buffer bus
case component configuration constant context cover default disconnect downto else elsif end entity exit fairness file
for force function generate generic group guarded if impure in inertial inout is label library linkage literal loop map
mod nand new next nor not null of on open or others out package parameter port postponed procedure process property
protected pure range record register reject release rem report restrict restrict_guarantee return rol ror select
sequence severity shared signal sla sll sra srl strong subtype then to transport type unaffected units until use
variable vmode vprop vunit wait when while with xnor xor ieee std work
"""  # IEEE 1076-2008, 15.10; libraries
_TCL = """
after append apply array bgerror binary break case catch cd chan clock close concat continue dict else elseif encoding
env eof error eval exec exit expr fblocked fconfigure fcopy file fileevent flush for foreach format gets glob global if
incr info interp join lappend lassign lindex linsert list llength load lrange lrepeat lreplace lreverse lsearch lset
lsort namespace open package pid proc puts pwd read regexp registry regsub rename return scan seek set socket source
split string subst switch tell time trace unknown unload unset update uplevel upvar variable vwait while yield
"""
_HLS4ML = """
accum backward_bias backward_recurrent_bias backward_recurrent_weight backward_weight bias depthwise depthwise_accum
depthwise_result embeddings exp_table forward_bias forward_recurrent_bias forward_recurrent_weight forward_weight index
inv_inp inv_table model_default param pointwise pointwise_accum recurrent_bias recurrent_weight result scale shift slope
table weight
"""  # for each of these, X, a layer has a type that is found as X_t
_OURS = """
accept cell_sum code codes code_of csim decide event event_cell expected features find_cell found fpgaae i
injected inputs latents layer log n_codes n_events n_inputs n_latents n_results n_thresholds n_wrong outputs pack
read_codes read_port recorder result run_objects run_values scale_objects score score_t threshold_table thresholds
values weights words written
"""  # what the sources around the network call their own
CPP_KEYWORDS = frozenset(_CPP.split())
HLS4ML_TYPES = frozenset(_HLS4ML.split())
# Of the layers that are converted here: an hls4ml layer with a depthwise part is none of them.
_TYPE_OF_LAYER = re.compile(r"(?P<layer>\w+)_(accum|index|param|result|scale|shift|slope|table|weight)")
KEYWORDS = frozenset(f"{_CPP} {_VERILOG} {_VHDL} {_TCL}".split())
TAKEN = frozenset(_OURS.split())
PART_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"


def clashes_with(name: str) -> str | None:
    """Give the layer whose types in hls4ml's sources a layer of this name clashes with: "" if it does in any project.

    There a layer NAME has the types NAME_t and NAME_X_t, the one at place 3 layer3_t, and `input` is the model's. Its
    bias is the first weight whose path has `bias` anywhere, the layer's name included.
    """
    if name == "input" or "bias" in name or name in HLS4ML_TYPES or re.fullmatch(r"layer\d+", name):
        return ""
    found = _TYPE_OF_LAYER.fullmatch(name)
    return None if found is None else found["layer"]


def free_of_clashes(name: str) -> str:
    """Give a layer's name that clashes with none of hls4ml's."""
    plain = name.replace("bias", "Bias")
    return plain if clashes_with(plain) is None else f"{plain}_layer"


def _no_keyword(name: str) -> str:
    if name in KEYWORDS:
        raise ValueError(f"`{name}` is a word of C++, Verilog, VHDL or Tcl, in which it would stand; choose another")
    if name in TAKEN:
        raise ValueError(f"the generated sources call something of their own `{name}`; choose another")
    if name.endswith("_") or "__" in name:
        raise ValueError("VHDL has no name with two underscores in a row, or one at its end; choose another")
    return name


CodeName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,30}$"), AfterValidator(_no_keyword)]
ProjectName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,40}$"), AfterValidator(_no_keyword)]
