"""The command line: one file per command, each without logic of its own."""
