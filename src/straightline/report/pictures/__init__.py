"""Results as pictures: what a panel shows is in a module by subject, how it becomes a file in `canvas`."""
