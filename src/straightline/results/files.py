"""Read the files of a finished pipeline for `show`, the report and MLflow."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from straightline.comparison.evidence import fold_means
from straightline.comparison.verdict import Verdict, read_verdict
from straightline.config.settings import Config, load
from straightline.data.schema import Schema, read_schema
from straightline.errors import UserError
from straightline.families import Family, family_of
from straightline.regression.certificate import Certificate
from straightline.runtime.artifacts import read_json
from straightline.serving.held_out import HeldOut, read_held_out


@dataclass(frozen=True)
class Variant:
    """One model fitted to one target.

    `folder` is runs/<target>/<model>. `metrics` is the content of metrics/<target>-<model>.json. `predictions`, `bins`
    and `curves` are paths: of the predictions on held-out rows, the losses by bin, and the partial dependence.
    """

    target: str
    model: str
    folder: Path
    metrics: Mapping[str, Any]
    predictions: Path
    bins: Path
    curves: Path

    @property
    def weights(self) -> dict[str, Any]:
        """Content of weights.json: `parameters`, `epochs`, `best_epoch`, and `layers` with kernels and biases."""
        return dict(read_json(self.folder / "weights.json"))

    @property
    def history(self) -> pd.DataFrame:
        """history.csv: `epoch,loss,val_loss`; `val_loss` is NaN for a regression."""
        return pd.read_csv(self.folder / "history.csv")

    @property
    def curve(self) -> pd.DataFrame:
        """The history with a column `shown` for plots: `val_loss` if it is known, else `loss`."""
        history = self.history
        return history.assign(shown=history["val_loss"].fillna(history["loss"]))

    @property
    def fold_history(self) -> pd.DataFrame | None:
        """fold_history.csv of a network: `epoch,fits,low,median,high` over its fold fits. None for a regression."""
        path = self.folder / "fold_history.csv"
        return pd.read_csv(path) if path.exists() else None

    @property
    def folds(self) -> pd.DataFrame:
        """folds.csv: one row for each repeat, fold and seed."""
        return pd.read_csv(self.folder / "folds.csv")

    @property
    def fold_losses(self) -> pd.Series:
        """The loss by (repeat, fold) that the verdict uses: the mean over seeds of losses, not of predictions."""
        return fold_means(self.folds)

    @property
    def learning(self) -> pd.DataFrame:
        """learning.csv: `rows,fold,seed,loss` of models that trained on a part of a fold's training rows."""
        return pd.read_csv(self.folder / "learning.csv")

    @property
    def effects(self) -> pd.DataFrame:
        """effects/<target>-<model>.csv, as `effects.effects` returns it. Empty if no rows were held out."""
        return _read_named(self.bins)

    @property
    def dependence(self) -> pd.DataFrame:
        """effects/dependence/<target>-<model>.csv, as `effects.dependence` returns it."""
        return _read_named(self.curves)

    @property
    def held_out(self) -> HeldOut:
        """The predictions on held-out rows."""
        return read_held_out(self.predictions)

    @property
    def coefficients(self) -> pd.DataFrame | None:
        """coefficients.csv of a regression. None for a network."""
        path = self.folder / "coefficients.csv"
        return _read_named(path) if path.exists() else None

    @property
    def certificate(self) -> Certificate | None:
        """certificate.json of a regression. None for a network."""
        path = self.folder / "certificate.json"
        return Certificate.from_json(read_json(path), str(path)) if path.exists() else None


@dataclass(frozen=True)
class Results:
    """The settings and results of a pipeline: `verdicts` by target, `variants` by (target, model)."""

    root: Path
    config: Config
    schema: Schema
    verdicts: Mapping[str, Verdict]
    variants: Mapping[tuple[str, str], Variant]

    def family_of(self, target: str) -> Family:
        """Return the family of `target`."""
        return family_of(self.schema.targets[target])

    def variants_of(self, target: str) -> list[Variant]:
        """Return the variants of `target` in the order of the config."""
        return [variant for (key, _), variant in self.variants.items() if key == target]


def load_results(root: Path) -> Results:
    """Read the files below `root`. Raises UserError if a file is missing or unreadable."""
    if not (root / "params.yaml").is_file():
        raise UserError(
            f"{root}: no results here; expected an output of `straightline run`, or a project after dvc repro"
        )
    config = load(root / "params.yaml")
    try:
        return Results(
            root=root,
            config=config,
            schema=read_schema(root),
            verdicts={target: read_verdict(root, target) for target in config.targets},
            variants={
                (target, model): _variant(root, target, model) for target in config.targets for model in config.models
            },
        )
    except FileNotFoundError as error:
        raise UserError(f"{error.filename}: does not exist yet; run `dvc repro` (or `make`) first") from None


def _read_named(path: Path) -> pd.DataFrame:
    """Read a table with names of columns. Names such as `1` and levels such as `None` stay text."""
    return pd.read_csv(path, dtype={"column": str, "term": str, "class": str}, keep_default_na=False, na_values=[""])


def _variant(root: Path, target: str, model: str) -> Variant:
    name = f"{target}-{model}"
    return Variant(
        target=target,
        model=model,
        folder=root / "runs" / target / model,
        metrics=read_json(root / f"metrics/{name}.json"),
        predictions=root / f"predictions/{name}.parquet",
        bins=root / f"effects/{name}.csv",
        curves=root / f"effects/dependence/{name}.csv",
    )
