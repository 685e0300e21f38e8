"""Two revisions compared: `lockfile` is what a dvc.lock recorded, `changes` what differs, the others say it."""
