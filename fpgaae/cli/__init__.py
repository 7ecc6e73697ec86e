"""The command line: commands, what they print, and how a terminal shows progress."""
