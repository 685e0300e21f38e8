"""A small finished project in files, without DVC and, unless real models are asked for, without TensorFlow."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from numpy.typing import NDArray

from straightline.comparison.effects import Columns, dependence, effects
from straightline.config.settings import Config, load
from straightline.data import balloons
from straightline.data.schema import Division, Feature, RowCounts, Schema
from straightline.families import FAMILIES, Family
from straightline.families.target import Target
from straightline.regression.certificate import Certificate
from straightline.runtime.artifacts import read_json, write_csv, write_json, write_parquet, write_text
from straightline.stages import compare
from tests.builders import fit, folds, neural, regression, rules

ROWS, FOLDS, SEEDS, UNITS = 200, 5, 2, 8
PARAMS: dict[str, Any] = {
    "targets": {
        "num_balloons": {"column": "num_balloons", "family": "gaussian"},
        "color": {"column": "color", "family": "bernoulli"},
    },
    "data": {
        "source": "balloons",
        "path": "src/straightline/data/balloons.py",
        "rows": ROWS,
        "seed": 0,
        "held_out": 0.2,
        "standardize": False,
        "partnered_children": 0.1,
    },
    "models": {
        "regression": asdict(regression(learning_rate=0.003)),
        "neural": asdict(neural(hidden=[UNITS], activation="relu", learning_rate=0.001)),
    },
    "fit": asdict(fit(dtype="float32", batch_size=32, epochs=None)),
    "folds": asdict(folds(k=FOLDS, seeds=SEEDS)),
    "verdict": asdict(rules()),
    "reference": "trees",
}
FINAL_LOSSES = {
    ("gaussian", "regression"): 0.0205,
    ("gaussian", "neural"): 0.0002,
    ("bernoulli", "regression"): 0.197,
    ("bernoulli", "neural"): 0.012,
}

Layers = list[tuple[NDArray, NDArray]]  # (kernel, bias) of each layer


@dataclass(frozen=True)
class _Data:
    train: pd.DataFrame
    test: pd.DataFrame
    features: list[str]


def write_project(root: Path, *, models: bool = False, held_out: float = 0.2) -> None:
    """Write below `root` what a finished pipeline leaves, but reports/ and MLflow: two targets times two models.

    The weights, predictions, metrics and verdicts agree with each other; fold losses and loss curves are made up.
    `model.keras` is a placeholder, or with `models` a real Keras model that gives exactly the predictions' values
    (to float32 for the network).
    """
    values = PARAMS | {"data": PARAMS["data"] | {"held_out": held_out}}
    write_text(root / "params.yaml", yaml.safe_dump(values, sort_keys=False))
    config = load(root / "params.yaml")
    table = balloons.generate(ROWS, 0, 0.1)
    tests = round(ROWS * held_out)
    data = _Data(table.iloc[tests:], table.iloc[:tests], list(balloons.FEATURES))
    _write_data(root, data)
    for target in config.targets:
        for model in config.models:
            _write_variant(root, config, data, target, model, models)
    _write_references(root, config)
    compare.run(root)


def _write_references(root: Path, config: Config) -> None:
    """Write the losses of a forest, which is worse than all networks."""
    for target, settings in config.targets.items():
        loss = FINAL_LOSSES[settings.family, "regression"]
        place = {"rows": 32, "train_rows": 128, "model": "random forest"}
        folds = [{"repeat": 0, "fold": fold, **place, "loss": loss * (0.9 + fold / 100)} for fold in range(FOLDS)]
        write_csv(root / f"references/{target}.csv", pd.DataFrame(folds))


def _write_data(root: Path, data: _Data) -> None:
    write_parquet(root / "data/train.parquet", data.train)
    write_parquet(root / "data/test.parquet", data.test)
    classes: dict[str, list[int] | None] = {"num_balloons": None, "color": [0, 1]}
    schema = Schema(
        encoding=[Feature(name, "number") for name in data.features],
        standardize=False,
        split=Division("chance", None),
        targets={name: Target(name, PARAMS["targets"][name]["family"], values) for name, values in classes.items()},
        rows=RowCounts(len(data.train), len(data.test)),
        warnings=[],
    )
    write_json(root / "data/schema.json", schema.to_json())


def _write_variant(root: Path, config: Config, data: _Data, target: str, model: str, real: bool) -> None:
    family = FAMILIES[config.targets[target].family]
    random = np.random.default_rng([len(target), len(model)])
    layers = _regression_layers(family) if model == "regression" else _network_layers(data, target, family, random)
    folder = root / "runs" / target / model
    folder.mkdir(parents=True)
    mean = np.full(len(data.train), data.train[target].mean())
    mean_loss = float(family.row_losses(data.train[target].to_numpy(), mean).mean())
    _write_tables(folder, data, FINAL_LOSSES[family.name, model], mean_loss, model, random)
    parameters = sum(kernel.size + bias.size for kernel, bias in layers)
    _write_weights(folder, data, layers, parameters)
    if model == "regression":
        _write_certificate(folder, data, layers, family)
    _write_scores(root, data, layers, target, family, model)
    if real:
        digest = _save_model(folder / "model.keras", config.models[model], layers, len(data.features), family)
        write_json(folder / "weights.json", read_json(folder / "weights.json") | {"digest": digest})
    else:
        (folder / "model.keras").write_bytes(b"a placeholder")


def _regression_layers(family: Family) -> Layers:
    exact = balloons.exact_linear(0.1) if family.is_least_squares else balloons.exact_logistic()
    slopes = np.add([exact[name] for name in balloons.FEATURES], [0.001, -0.002, 0.003])
    return [(slopes[:, np.newaxis], np.array([exact["Intercept"] + 0.0005]))]


def _network_layers(data: _Data, target: str, family: Family, random: np.random.Generator) -> Layers:
    """Return random hidden units, and an output layer by least squares on them."""
    kernel, bias = random.normal(size=(len(data.features), UNITS)), random.normal(size=UNITS)
    hidden = np.maximum(data.train[data.features].to_numpy() @ kernel + bias, 0)
    labels = data.train[target].to_numpy(np.float64)
    wanted = labels if family.is_least_squares else 8 * labels - 4
    output = np.linalg.lstsq(np.column_stack([hidden, np.ones(len(hidden))]), wanted, rcond=None)[0]
    return [(kernel, bias), (output[:-1, np.newaxis], output[-1:])]


def _predict(layers: Layers, features: NDArray, family: Family) -> NDArray:
    values = features
    for number, (kernel, bias) in enumerate(layers):
        values = values @ kernel + bias
        if number < len(layers) - 1:
            values = np.maximum(values, 0)
    return family.inverse_link(values[:, 0])


def _write_tables(
    folder: Path, data: _Data, loss: float, mean_loss: float, model: str, random: np.random.Generator
) -> None:
    epochs = np.arange(1, 13)
    curve = loss * (1 + 8 * np.exp(-epochs / 2))
    validation = curve * 1.1 if model == "neural" else np.nan
    write_csv(folder / "history.csv", pd.DataFrame({"epoch": epochs, "loss": curve, "val_loss": validation}))
    if model == "neural":
        band = {"low": validation * 0.8, "median": validation, "high": validation * 1.3}
        write_csv(folder / "fold_history.csv", pd.DataFrame({"epoch": epochs, "fits": FOLDS * SEEDS} | band))
    tests = len(data.train) // FOLDS
    place = {"rows": tests, "train_rows": len(data.train) - tests, "epochs": 12, "steps": 48}
    seeds, method = (SEEDS, "network") if model == "neural" else (1, "exact")
    folds = [
        {"repeat": 0, "fold": fold, "seed": seed}
        | place
        | {"method": method, "loss": loss * random.uniform(0.9, 1.1), "mean_loss": mean_loss}
        for fold in range(FOLDS)
        for seed in range(seeds)
    ]
    fold_table = pd.DataFrame(folds)
    if model == "regression":  # which was shrunk in the first fold
        fold_table["l2"] = np.where(fold_table["fold"] == 0, 0.1, 0.0)
        fold_table["plain_loss"] = fold_table["loss"] + fold_table["l2"] * loss
    write_csv(folder / "folds.csv", fold_table)
    learning = [(rows, fold, 0, loss * (1 + 20 / rows)) for fold in range(2) for rows in (16, 32, 64)]
    write_csv(folder / "learning.csv", pd.DataFrame(learning, columns=["rows", "fold", "seed", "loss"]))


def _write_weights(folder: Path, data: _Data, layers: Layers, parameters: int) -> None:
    names = [*(f"hidden_{number}" for number in range(1, len(layers))), "output"]
    weights = {
        "features": data.features,
        "parameters": parameters,
        "epochs": 12,
        "best_epoch": 12,
        "steps": 48,
        "layers": [
            {"name": name, "kernel": kernel.tolist(), "bias": bias.tolist()}
            for name, (kernel, bias) in zip(names, layers, strict=True)
        ],
    }
    penalty = {"l2": 0.0} if len(layers) == 1 else {}
    write_json(folder / "weights.json", weights | penalty | {"digest": ""})


def _write_certificate(folder: Path, data: _Data, layers: Layers, family: Family) -> None:
    kernel, bias = layers[0]
    estimate = np.concatenate([bias, kernel[:, 0]])
    error = 0.01 + 0.02 * np.abs(estimate)
    table = {
        "term": ["Intercept", *data.features],
        "estimate": estimate,
        "std_error": error,
        "statistic": estimate / error,
        "p_value": np.exp(-np.abs(estimate / error)),
        "ci_low": estimate - 2 * error,
        "ci_high": estimate + 2 * error,
        "trained": estimate * 0.999,
        "scale": [np.nan, *data.train[list(data.features)].std(ddof=0)],
    }
    write_csv(folder / "coefficients.csv", pd.DataFrame(table))
    loss = FINAL_LOSSES[family.name, "regression"]
    certificate = Certificate(
        loss=family.loss,
        method="exact",
        rows=len(data.train),
        descent_loss=loss * 1.00001,
        exact_loss=loss,
        gap=loss * 0.00001,
        tolerance=0.001,
        converged=True,
        digits=3.0,
        condition_number=1.5,
        standard_errors="classical",
        messages=[],
        fold_messages=[],
    )
    write_json(folder / "certificate.json", certificate.to_json())


def _write_scores(root: Path, data: _Data, layers: Layers, target: str, family: Family, model: str) -> None:
    name, rows = f"{target}-{model}", len(data.test)
    truth = data.test[target].to_numpy(np.float64)
    prediction = _predict(layers, data.test[data.features].to_numpy(), family)
    write_parquet(root / f"predictions/{name}.parquet", pd.DataFrame({"truth": truth, "prediction": prediction}))
    metrics: dict[str, Any] = {"rows": rows}
    columns = {feature: data.test[feature].to_numpy() for feature in data.features} if rows else {}
    losses = family.row_losses(truth, prediction)
    line = _predict(_regression_layers(family), data.test[data.features].to_numpy(), family)
    baseline = None if model == "regression" else family.row_losses(truth, line)
    if rows:
        mean = np.full(rows, data.train[target].mean())
        metrics |= family.scores(truth, prediction) | {"baseline": family.scores(truth, mean)}

    def predict(values: Columns) -> NDArray:
        return _predict(layers, np.column_stack([values[feature] for feature in data.features]), family)

    write_json(root / f"metrics/{name}.json", metrics)
    write_csv(root / f"effects/{name}.csv", effects(columns, losses, baseline))
    write_csv(root / f"effects/dependence/{name}.csv", dependence(predict, columns))


def _save_model(path: Path, settings: Any, layers: Layers, inputs: int, family: Family) -> str:
    from straightline.runtime.backend import import_tensorflow

    import_tensorflow()
    from straightline.serving.archive import save_model

    dtype = {"dtype": "float64"} if settings.kind == "regression" else {}
    model = settings.build(inputs, 1, family.activation, **dtype)
    model.set_weights([array for layer in layers for array in layer])
    return save_model(model, path)
