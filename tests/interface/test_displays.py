"""Parts of a comparison as frames."""

import polars as pl

from straightline.check import Check
from straightline.interface.displays import Checks

SEEN = [
    Check("duplicates", "2 of 9 rows repeat another row", advice="remove copies"),
    Check("alike", "nearly the same", ("size", "area"), "keep one of them"),
    Check("missing", "missing in 3 of 9 rows", ("age",)),
]


def test_checks_are_a_frame_with_a_row_for_each_column() -> None:
    found = Checks(SEEN, "polars").frame()
    assert isinstance(found, pl.DataFrame)
    assert found.rows() == [
        ("duplicates", "", "2 of 9 rows repeat another row", "remove copies"),
        ("alike", "size", "nearly the same", "keep one of them"),
        ("alike", "area", "nearly the same", "keep one of them"),
        ("missing", "age", "missing in 3 of 9 rows", ""),
    ]


def test_checks_print_their_sentences() -> None:
    found = Checks(SEEN, "pandas")
    assert repr(found).splitlines() == [
        "2 of 9 rows repeat another row; remove copies",
        "size, area: nearly the same; keep one of them",
        "age: missing in 3 of 9 rows",
    ]
    assert len(found) == 3
    assert list(found) == SEEN
    assert repr(Checks([], "pandas")) == "nothing is odd about the table"
