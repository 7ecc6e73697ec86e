// All of the proof that no project has a part in: compiled beside it, and but once for several.
#include "paths.cpp"
#include "quantize.cpp"
#include "run.cpp"
#include "symbolic.cpp"
#include "taps.cpp"
