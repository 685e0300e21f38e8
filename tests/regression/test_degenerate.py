"""Degenerate cases inside folds, and where a user reads of them."""

from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from straightline.results import terminal
from straightline.results.files import load_results
from straightline.runtime.artifacts import read_json, write_json
from straightline.training.records import Trained
from straightline.training.variants import train
from tests.builders import fit, folds, regression, training_table
from tests.fake_project import write_project


def trained(features: np.ndarray, labels: np.ndarray, family: str) -> Trained:
    names = [f"x{number}" for number in range(features.shape[1])]
    table = training_table(features, labels, family, names)
    return train(table, regression(), fit(epochs=3), folds(k=4, repeats=2), lambda *_: None)


def test_a_column_that_is_constant_in_one_fold_is_told() -> None:
    random = np.random.default_rng(0)
    features = np.column_stack([random.normal(size=40), np.zeros(40)])
    features[3, 1] = 1.0
    found = trained(features, features[:, 0] + random.normal(size=40), "gaussian")
    told = ["in 2 of 8 folds x1 is constant and carries no information"]  # once in each repeat
    assert found.certificate is not None
    assert found.certificate.fold_messages == told
    assert found.messages[-1:] == told
    assert found.certificate.messages == []
    assert np.isfinite(found.folds["loss"]).all()


def test_a_fold_that_separates_is_told_and_firths() -> None:
    values = np.linspace(-1, 1, 40)
    labels = (values > 0).astype(float)
    labels[-1] = 0.0  # without this row a line tells the classes apart
    found = trained(values[:, np.newaxis], labels, "bernoulli")
    assert found.certificate is not None
    assert found.certificate.method == "exact"
    assert found.folds["method"].value_counts().to_dict() == {"exact": 6, "firth": 2}
    assert found.certificate.fold_messages == [
        "in 2 of 8 folds the classes are separated by x0: no finite coefficients exist, Firth's estimate is used"
    ]
    assert np.isfinite(found.folds["loss"]).all()


def test_columns_that_are_collinear_in_all_rows_are_told_once() -> None:
    random = np.random.default_rng(0)
    one = random.normal(size=40)
    found = trained(np.column_stack([one, 2 * one]), one + random.normal(size=40), "gaussian")
    assert found.certificate is not None
    assert found.certificate.messages == ["x0, x1 are collinear: their individual coefficients are not identified"]
    assert found.certificate.fold_messages == []
    assert found.coefficients is not None
    assert found.coefficients["estimate"].isna().tolist() == [True, True, True]


@pytest.mark.usefixtures("without_pictures")
@pytest.mark.parametrize("key", ["messages", "fold_messages"])
def test_show_and_the_report_print_them(tmp_path: Path, key: str) -> None:
    from straightline.stages import report

    write_project(tmp_path)
    path = tmp_path / "runs/color/regression/certificate.json"
    write_json(path, read_json(path) | {key: ["age is constant and carries no information"]})
    console = Console(width=120)
    with console.capture() as capture:
        console.print(terminal.printed(load_results(tmp_path)))
    assert "Note: age is constant and carries no information." in capture.get()
    report.run(tmp_path)
    assert "Note: age is constant and carries no information." in (tmp_path / "reports/index.html").read_text()
