"""The command line: what is typed, by subject. Every import waits for the command that needs it."""
