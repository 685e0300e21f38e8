"""The commands of the command line, one module each: read files, call other packages, write files."""
