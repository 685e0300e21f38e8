"""Pictures of the results: a module for each subject draws panels, and `canvas` turns panels into files."""
