"""A fake project with its report for each family: rows have weights, and the target an exposure where it may."""

from pathlib import Path

import pytest

from straightline.families import FAMILIES
from straightline.stages import report
from tests.conftest import shared
from tests.fake_project import write_family_project

MANY = 12  # classes of a target, more than pictures show one by one


@pytest.fixture(scope="session")
def by_family(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a finished project for each family, of the family's name; tests copy one before they change it."""
    return shared(tmp_path_factory, "by_family", _write_all)


@pytest.fixture(scope="session")
def many_classes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished project whose target has MANY classes, without weights."""
    return shared(tmp_path_factory, "many_classes", _write_classes)


def _write_all(root: Path) -> None:
    for name, family in FAMILIES.items():
        write_family_project(root / name, name, weighted=True, exposed=family.has_offset)
        report.run(root / name)


def _write_classes(root: Path) -> None:
    write_family_project(root, "multinomial", classes=MANY)
    report.run(root)
