"""Compare two revisions: `lockfile` reads dvc.lock, `changes` finds the differences, the others print them."""
