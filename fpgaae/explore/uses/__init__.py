"""What a trained method is good for besides a score: one file a use, named as `fpgaae explore CONFIG USE` names it.

**To add a use**, write one file `fpgaae/explore/uses/NAME.py` that holds `USE`, and name it in `USES` of
`fpgaae.runs.stages`. Its function is given an `Explorer` and returns the numbers, the sentences that the command
prints, and one figure; files, hashes and whether a result is current are not its business.
"""
