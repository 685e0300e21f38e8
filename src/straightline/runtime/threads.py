"""How many threads a computation uses: the same on every machine, so that results do not depend on its cores."""

THREADS = 2
