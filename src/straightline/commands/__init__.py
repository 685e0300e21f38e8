"""What the command line does beside the pipeline, a module a command: read files, call the core, write files."""
