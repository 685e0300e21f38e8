"""The folders and files of a project that several packages use."""

from pathlib import Path

RESULT_FOLDERS = ("data", "effects", "metrics", "predictions", "references", "reports", "runs", "verdicts")
TIMINGS = Path(".straightline/timings.jsonl")
