"""Find a saved model: the one that a verdict advises, or one that the user names."""

from dataclasses import dataclass
from pathlib import Path

from straightline.comparison.verdict import Verdict, read_verdict
from straightline.config.settings import chosen_target, load
from straightline.errors import UserError
from straightline.serving.prediction import ARCHIVE

EXPECTED = "expected the folder of a project or of `straightline run`, or a folder runs/<target>/<model> in one"


@dataclass(frozen=True)
class Saved:
    """A saved model of the project `root`, by the key of its target and its name.

    `reason` says why the verdict advises it, or is None if the user named the model.
    """

    root: Path
    target: str
    model: str
    reason: str | None

    @property
    def folder(self) -> Path:
        """The folder of the model."""
        return self.root / "runs" / self.target / self.model

    @property
    def predictions(self) -> Path:
        """The table `truth,prediction` of the held-out rows."""
        return self.root / f"predictions/{self.target}-{self.model}.parquet"


def find(place: Path, target: str | None) -> Saved:
    """Return the model that `place` stands for.

    A project, or an output folder of `straightline run`, stands for the model that the verdict on `target` advises;
    `target` is a key or a column, and may be None if there is only one. A file model.keras, or its folder
    runs/<target>/<model>, stands for itself. Raises UserError for any other place, for a project without results, and
    if the target is not known.
    """
    folder = (place.parent if place.name == ARCHIVE else place).resolve()
    if place.name != ARCHIVE and (folder / "params.yaml").is_file():
        return _advised(place, folder, target)
    root = next((parent for parent in folder.parents if (parent / "data/schema.json").is_file()), None)
    if root is None or not (folder / "weights.json").is_file():
        raise UserError(f"{place}: {_problem(place, folder, root)}; {EXPECTED}")
    if folder.parent.parent != root / "runs":
        raise UserError(f"{place}: is not in {root / 'runs'}; {EXPECTED}")
    if target not in (None, folder.parent.name):
        raise UserError(
            f"--target: {place} is a model of {folder.parent.name}, not of {target}; leave --target out, or give the "
            "folder of the project"
        )
    return Saved(root, folder.parent.name, folder.name, None)


def _advised(place: Path, root: Path, target: str | None) -> Saved:
    key = chosen_target(load(root / "params.yaml").targets, target)
    try:
        verdict = read_verdict(root, key)
    except FileNotFoundError:
        raise UserError(f"{place}: has no verdict on {key} yet; run `dvc repro` there first") from None
    return Saved(root, key, verdict.advised, _reason(verdict))


def _reason(verdict: Verdict) -> str:
    has_failed = verdict.answer != "neither" and verdict.challengers[verdict.challenger].failed
    return f"{verdict.challenger} failed to train" if has_failed else verdict.reason


def _problem(place: Path, folder: Path, root: Path | None) -> str:
    if not place.exists():
        return "no such file or folder"
    if place.is_file() and place.name != ARCHIVE:
        return "is a file"
    if root is not None:
        return f"has no weights.json; the project is {root}"
    near = sorted(path.parents[1].name for path in folder.glob("*/data/schema.json"))
    if near:
        return f"has no results of straightline itself, but its folder {near[0]} may have some"
    return "has no results of straightline"
