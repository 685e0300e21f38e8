"""Which tables are simulated: the worlds, noises and truths that the options of `straightline calibrate` name."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from straightline.calibration import truths
from straightline.calibration.truths import Truth, World
from straightline.config.settings import Target
from straightline.data import encoding
from straightline.data.columns import encode_target
from straightline.data.features import fit_encoding
from straightline.data.reading import read_table
from straightline.errors import UserError
from straightline.families import AUTO, FAMILIES, family_of


@dataclass(frozen=True)
class Scenario:
    """Tables that differ by chance only: the columns and the line of a `world`, a kind of `noise`, and the `truth`."""

    world: World
    noise: str
    truth: Truth


def parse_truth(text: str, margin: float) -> Truth:
    """Return the truth that `text` names: `noise`, `linear`, or a curve if it is a number.

    The number says by how many margins the loss of the curve is below that of the best line. Raises UserError for any
    other text, and for a gain outside (0, 1).
    """
    if text in ("noise", "linear"):
        return Truth(text, text == "linear", 0.0)
    try:
        margins = float(text)
    except ValueError:
        raise UserError(f"--truth: expected noise, linear or a number of margins, got {text!r}") from None
    if not 0 < margins * margin < 1:
        raise UserError(
            f"--truth: {text} margins of {margin:g} are a gain of {margins * margin:g}; expected more than 0 and less "
            "than 1"
        )
    return Truth(f"{margins:g} margins", True, margins * margin)


def worlds(
    families: Sequence[str], rows: Sequence[int], columns: Sequence[int], like: Path | None, target: str | None
) -> list[World]:
    """Return a world for each combination of families, rows and columns, or the one that is like the file `like`.

    No `families` stand for all of them. `target` is the column of the file to predict; its family is the only one of
    `families`, or the one that suits the column. Raises UserError if the file has no such target.
    """
    if like is None:
        return [
            truths.generated(FAMILIES[family], row_count, column_count)
            for family, row_count, column_count in itertools.product(families or list(FAMILIES), rows, columns)
        ]
    if target is None:
        raise UserError("--like: add --target, the column to predict")
    return [_world_like(like, target, _one_family(families))]


def _one_family(families: Sequence[str]) -> str:
    """Return the family of the target of a table: the only one of `families`, or `auto` if there is none."""
    if len(families) > 1:
        raise UserError(f"--like: expected one --family, that of the target, got {', '.join(families)}")
    return families[0] if families else AUTO


def _world_like(path: Path, target: str, family: str) -> World:
    frame, _ = read_table(path)
    origin = str(path)
    labels, column = encode_target(frame, Target(column=target, family=family), origin)
    all_rows = np.arange(len(frame))
    names = [str(name) for name in frame.columns if name != target]
    try:
        features, _ = fit_encoding(frame, all_rows, names, [])
    except UserError as error:
        raise UserError(f"{origin}: {error}") from None
    return truths.like(encoding.matrix(frame, features), labels.to_numpy(float), family_of(column))


def noises_of(world: World, noises: Sequence[str]) -> Sequence[str]:
    """Return the `noises` that the family of `world` supports, or all that it supports if that leaves none."""
    return [noise for noise in noises if noise in world.family.noises] or world.family.noises
