"""The command line, one module for each subject. A command imports what it needs only when it runs."""
