"""The number of threads of a computation. It is the same on every machine, so that results do not depend on cores."""

THREADS = 2
