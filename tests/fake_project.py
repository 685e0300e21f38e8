"""A small finished project in files, without DVC and, unless real models are asked for, without TensorFlow."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from numpy.typing import NDArray

from straightline.comparison.bins import Columns, binned
from straightline.comparison.effects import dependence, effects
from straightline.config.settings import Config, load
from straightline.data import balloons
from straightline.data.row_values import offset_of
from straightline.data.schema import Division, Feature, RowCounts, Schema
from straightline.families import Family, family_of
from straightline.families.target import Target
from straightline.regression.certificate import Certificate
from straightline.runtime.artifacts import read_json, write_csv, write_json, write_parquet, write_text
from straightline.serving.held_out import HeldOut
from straightline.stages import compare
from tests.builders import fit, folds, neural, regression, rules, user_table

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
    ("multinomial", "regression"): 0.9,
    ("multinomial", "neural"): 0.6,
    ("poisson", "regression"): 1.1,
    ("poisson", "neural"): 0.8,
    ("gamma", "regression"): 0.3,
    ("gamma", "neural"): 0.2,
}

Layers = list[tuple[NDArray, NDArray]]  # (kernel, bias) of each layer


@dataclass(frozen=True)
class _Data:
    """The rows of a table, and the Dense layer of the regression of each target."""

    train: pd.DataFrame
    test: pd.DataFrame
    features: list[str]
    lines: dict[str, Layers]
    schema: Schema

    def weights(self, rows: pd.DataFrame) -> NDArray | None:
        return None if self.schema.weights is None else rows[self.schema.weights].to_numpy(np.float64)

    def offset(self, rows: pd.DataFrame, target: str) -> NDArray | None:
        return offset_of(rows, self.schema.targets[target])


def write_project(root: Path, *, models: bool = False, held_out: float = 0.2) -> None:
    """Write below `root` what a finished pipeline leaves, but reports/ and MLflow: two targets times two models.

    The weights, predictions, metrics and verdicts agree with each other; fold losses and loss curves are made up.
    `model.keras` is a placeholder, or with `models` a real Keras model that gives exactly the predictions' values
    (to float32 for the network).
    """
    table, features = balloons.generate(ROWS, 0, 0.1), list(balloons.FEATURES)
    exact = {"num_balloons": balloons.exact_linear(0.1), "color": balloons.exact_logistic()}
    lines: dict[str, Layers] = {}
    for target, weights in exact.items():
        slopes = np.add([weights[name] for name in features], [0.001, -0.002, 0.003])
        lines[target] = [(slopes[:, np.newaxis], np.array([weights["Intercept"] + 0.0005]))]
    targets = {"num_balloons": Target("num_balloons", "gaussian"), "color": Target("color", "bernoulli", [0, 1])}
    values = PARAMS | {"data": PARAMS["data"] | {"held_out": held_out}}
    _write(root, values, _divided(table, features, lines, targets, held_out), models)


def write_family_project(
    root: Path,
    family_name: str,
    *,
    classes: int = 4,
    weighted: bool = False,
    exposed: bool = False,
    models: bool = False,
    held_out: float = 0.2,
) -> None:
    """Write below `root` what `write_project` does for the only target `y`, which is of a family.

    A target of classes has the classes `kind 1`, `kind 2` and so on. With `weighted` the rows have the frequencies
    `times`, with `exposed` the target has the exposure `years`.
    """
    random = np.random.default_rng(5)
    names = [f"kind {number + 1}" for number in range({"bernoulli": 2, "multinomial": classes}.get(family_name, 0))]
    target = Target("y", family_name, names or None, exposure="years" if exposed else None)
    family, features = family_of(target), ["age", "dose", "height"]
    table = pd.DataFrame(random.normal(size=(ROWS, len(features))), columns=features)
    table = table.assign(times=random.integers(1, 4, ROWS), years=random.uniform(0.5, 3, ROWS))
    line = [(random.normal(size=(len(features), family.outputs)), random.uniform(-0.5, 0.5, family.outputs))]
    predictor = _predictor(line, table[features].to_numpy())
    known = offset_of(table, target)
    table["y"] = family.draw(predictor if known is None else predictor + known, family.noises[0], 0.5, random)
    own = user_table("table.csv", "y", held_out=held_out)
    settings = {"column": "y", "family": family_name, "exposure": target.exposure}
    values = PARAMS | {"targets": {"y": settings}, "data": own | {"weights": "times" if weighted else None}}
    _write(root, values, _divided(table, features, {"y": line}, {"y": target}, held_out, weighted), models)


def _divided(
    table: pd.DataFrame,
    features: list[str],
    lines: dict[str, Layers],
    targets: dict[str, Target],
    held_out: float,
    weighted: bool = False,
) -> _Data:
    tests = round(len(table) * held_out)
    schema = Schema(
        encoding=[Feature(name, "number") for name in features],
        standardize=False,
        split=Division("chance", None),
        targets=targets,
        rows=RowCounts(len(table) - tests, tests),
        checks=[],
        weights="times" if weighted else None,
        weights_are="frequency" if weighted else None,
        offsets=[Feature(name, "number") for target in targets.values() for name in target.offset_columns],
    )
    return _Data(table.iloc[tests:], table.iloc[:tests], features, lines, schema)


def _write(root: Path, values: dict[str, Any], data: _Data, models: bool) -> None:
    write_text(root / "params.yaml", yaml.safe_dump(values, sort_keys=False))
    config = load(root / "params.yaml")
    write_parquet(root / "data/train.parquet", data.train)
    write_parquet(root / "data/test.parquet", data.test)
    write_json(root / "data/schema.json", data.schema.to_json())
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


def _write_variant(root: Path, config: Config, data: _Data, target: str, model: str, real: bool) -> None:
    family = family_of(data.schema.targets[target])
    random = np.random.default_rng([len(target), len(model)])
    layers = data.lines[target] if model == "regression" else _network_layers(data, target, family, random)
    folder = root / "runs" / target / model
    folder.mkdir(parents=True)
    rows = data.train
    mean = _baseline(data, rows, target, family)
    mean_loss = family.mean_loss(rows[target].to_numpy(np.float64), mean, data.weights(rows))
    _write_tables(folder, data, FINAL_LOSSES[family.name, model], mean_loss, model, random)
    parameters = sum(kernel.size + bias.size for kernel, bias in layers)
    _write_weights(folder, data, layers, parameters)
    if model == "regression":
        _write_certificate(folder, data, layers, data.schema.targets[target])
    _write_scores(root, data, layers, target, family, model)
    if real:
        digest = _save_model(folder / "model.keras", config.models[model], layers, len(data.features), family)
        write_json(folder / "weights.json", read_json(folder / "weights.json") | {"digest": digest})
    else:
        (folder / "model.keras").write_bytes(b"a placeholder")


def _baseline(data: _Data, rows: pd.DataFrame, target: str, family: Family) -> NDArray:
    """Return the prediction that uses no column for `rows`."""
    labels = data.train[target].to_numpy(np.float64)
    constant = family.baseline(labels, data.weights(data.train), data.offset(data.train, target))
    return family.with_offset(np.broadcast_to(constant, (len(rows), *np.shape(constant))), data.offset(rows, target))


def _network_layers(data: _Data, target: str, family: Family, random: np.random.Generator) -> Layers:
    """Return random hidden units, and an output layer by least squares on them."""
    kernel, bias = random.normal(size=(len(data.features), UNITS)), random.normal(size=UNITS)
    hidden = np.maximum(data.train[data.features].to_numpy() @ kernel + bias, 0)
    wanted = _wanted(data.train[target].to_numpy(np.float64), family)
    output = np.linalg.lstsq(np.column_stack([hidden, np.ones(len(hidden))]), wanted, rcond=None)[0]
    output = output.reshape(UNITS + 1, family.outputs)
    return [(kernel, bias), (output[:-1], output[-1])]


def _wanted(labels: NDArray, family: Family) -> NDArray:
    """Return linear predictors of nearly the `labels`."""
    if family.outputs > 1:
        is_class = np.eye(family.outputs + 1)[labels.astype(int)]
        return 3 * (is_class[:, 1:] - is_class[:, :1])
    if family.strata(labels) is not None:
        return 8 * labels - 4
    return np.log(np.maximum(labels, 0.3)) if family.has_factors else labels


def _predictor(layers: Layers, features: NDArray) -> NDArray:
    values = features
    for number, (kernel, bias) in enumerate(layers):
        values = values @ kernel + bias
        if number < len(layers) - 1:
            values = np.maximum(values, 0)
    return values[:, 0] if values.shape[1] == 1 else values


def _predict(layers: Layers, features: NDArray, family: Family) -> NDArray:
    return family.inverse_link(_predictor(layers, features))


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


def _write_certificate(folder: Path, data: _Data, layers: Layers, target: Target) -> None:
    family, terms = family_of(target), ["Intercept", *data.features]
    ((kernel, bias),) = layers
    estimate = np.vstack([bias, kernel]).T.ravel()
    error = 0.01 + 0.02 * np.abs(estimate)
    columns = {
        "term": terms * family.outputs,
        "estimate": estimate,
        "std_error": error,
        "statistic": estimate / error,
        "p_value": np.exp(-np.abs(estimate / error)),
        "ci_low": estimate - 2 * error,
        "ci_high": estimate + 2 * error,
        "trained": estimate * 0.999,
        "scale": [np.nan, *data.train[list(data.features)].std(ddof=0)] * family.outputs,
    }
    table = pd.DataFrame(columns)
    if family.outputs > 1 and target.classes is not None:
        table.insert(0, "class", np.repeat(target.classes[1:], len(terms)))
    write_csv(folder / "coefficients.csv", table)
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
        standard_errors=family.classical_errors,
        messages=[],
        fold_messages=[],
        dispersion=1.25 if family.has_offset else None,
    )
    write_json(folder / "certificate.json", certificate.to_json())


def _write_scores(root: Path, data: _Data, layers: Layers, target: str, family: Family, model: str) -> None:
    name, rows = f"{target}-{model}", data.test
    truth, weights, offset = rows[target].to_numpy(np.float64), data.weights(rows), data.offset(rows, target)
    features = rows[data.features].to_numpy()
    prediction, line = (
        family.with_offset(_predict(each, features, family), offset) for each in (layers, data.lines[target])
    )
    HeldOut(truth, prediction, weights).write(root / f"predictions/{name}.parquet")
    metrics: dict[str, Any] = {"rows": len(rows)}
    columns = {feature: rows[feature].to_numpy() for feature in data.features} if len(rows) else {}
    losses = family.row_losses(truth, prediction)
    baseline = None if model == "regression" else family.row_losses(truth, line)
    if len(rows):
        mean = _baseline(data, rows, target, family)
        metrics |= family.scores(truth, prediction, weights, offset)
        metrics["baseline"] = family.scores(truth, mean, weights, offset)

    def predict(values: Columns) -> NDArray:
        return _predict(layers, np.column_stack([values[feature] for feature in data.features]), family)

    write_json(root / f"metrics/{name}.json", metrics)
    write_csv(root / f"effects/{name}.csv", effects(binned(columns), losses, baseline, weights))
    write_csv(root / f"effects/dependence/{name}.csv", dependence(predict, columns, None, weights))


def _save_model(path: Path, settings: Any, layers: Layers, inputs: int, family: Family) -> str:
    from straightline.runtime.backend import import_tensorflow

    import_tensorflow()
    from straightline.serving.archive import save_model

    dtype = {"dtype": "float64"} if settings.kind == "regression" else {}
    model = settings.build(inputs, family.outputs, family.activation, **dtype)
    arrays = [array for layer in layers for array in layer]
    for variable, array in zip(model.trainable_variables, arrays, strict=True):
        variable.assign(array)
    return save_model(model, path)
