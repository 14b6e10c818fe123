"""The commands, one a file, without protocol logic."""
