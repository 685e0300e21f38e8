"""Compare two revisions: `lockfile` reads dvc.lock, `changes` finds the differences, others print them; DVC's cache."""
