"""The trigger block in software: a stand-alone C++ library with the firmware's exact answer, and its use at scale."""
