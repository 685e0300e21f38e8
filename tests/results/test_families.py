"""The printed answer of every family: no number cut off, and what weights, exposures and coefficients mean."""

import io

import numpy as np
import pytest
from rich.console import Console

from straightline.data.schema import Division, RowCounts, Schema
from straightline.families import FAMILIES
from straightline.families.target import Target
from straightline.regression.certificate import Certificate
from straightline.results import sentences, terminal
from straightline.results.files import Results, load_results
from tests.fake_project import write_family_project

WIDTHS = (40, 60, 80, 120)
every_family = pytest.mark.parametrize("name", FAMILIES)


@pytest.fixture(scope="module")
def by_family(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Results]:
    found = {}
    for name, family in FAMILIES.items():
        root = tmp_path_factory.mktemp(name)
        write_family_project(root, name, weighted=True, exposed=family.has_offset)
        found[name] = load_results(root)
    return found


def printed(results: Results, width: int) -> str:
    file = io.StringIO()
    Console(file=file, width=width, highlight=False).print(terminal.printed(results))
    return file.getvalue()


def flowing(results: Results) -> str:
    return " ".join(printed(results, 120).split())


def test_long_names_of_classes_leave_room_for_the_numbers() -> None:
    rows = [{"class": "x" * 100, "term": "age", "estimate": "1.25", "p value": "0.04"}]
    file = io.StringIO()
    Console(file=file, width=100).print(terminal.FittingTable("weights", rows, ["p value"], ["class", "term"]))
    assert file.getvalue().count("x") == 100
    assert "0.04" in file.getvalue()


@every_family
@pytest.mark.parametrize("width", WIDTHS)
def test_no_number_is_cut_at_any_width(by_family: dict[str, Results], name: str, width: int) -> None:
    results = by_family[name]
    text = printed(results, width)
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text
    table = results.variants["y", "regression"].coefficients
    assert table is not None
    numbers = [*table["estimate"], *results.verdicts["y"].losses.values()]
    assert all(f" {number:.5g} " in text for number in numbers)


@every_family
def test_a_factor_is_the_exponential_of_an_estimate(by_family: dict[str, Results], name: str) -> None:
    text, table = printed(by_family[name], 120), by_family[name].variants["y", "regression"].coefficients
    assert table is not None
    has_factors = FAMILIES[name].has_factors
    assert (" factor " in text) == has_factors
    for estimate in table["estimate"]:
        line = next(line for line in text.splitlines() if f" {estimate:.5g} " in line)
        assert (f" {np.exp(estimate):.5g} " in line) == has_factors


def test_each_coefficient_has_its_class(by_family: dict[str, Results]) -> None:
    text, table = (
        printed(by_family["multinomial"], 120),
        by_family["multinomial"].variants["y", "regression"].coefficients,
    )
    assert table is not None
    for row in table.to_dict("records"):
        line = next(line for line in text.splitlines() if f" {row['estimate']:.5g} " in line)
        assert line.split("│")[1:3] == [f" {row['class']} ", f" {row['term']:<9} "]
    assert "An estimate is the change in log odds of the class against kind 1 if its term rises by 1" in flowing(
        by_family["multinomial"]
    )


@every_family
def test_weights_and_exposures_are_named(by_family: dict[str, Results], name: str) -> None:
    text = flowing(by_family[name])
    assert "Rows are weighted by times: a row counts as so many equal rows (frequency weights)." in text
    assert ("The exposure is years: " in text) == FAMILIES[name].has_offset
    assert ("predicting the mean rate times years" in text) == FAMILIES[name].has_offset


@every_family
def test_the_dispersion_is_that_of_the_certificate(by_family: dict[str, Results], name: str) -> None:
    text = flowing(by_family[name])
    unit = {"poisson": "mean", "gamma": "square of the mean"}.get(name)
    assert (f"The variance about the predictions is 1.25 times the {unit} (Pearson’s dispersion)." in text) == bool(
        unit
    )
    assert ("Standard errors use the expected information." in text) == (name == "gamma")


def schema(**changes: object) -> Schema:
    """Return a schema without weights."""
    return Schema([], False, Division("chance", None), {}, RowCounts(1, 1), [], **changes)  # type: ignore[arg-type]


def test_sentences_on_weights_say_their_kind() -> None:
    assert sentences.weights_sentence(schema()) is None
    assert sentences.weights_sentence(schema(weights="w", weights_are="sampling")) == (
        "Rows are weighted by w: a row stands for so many rows of a population (sampling weights)."
    )


def test_an_offset_is_added_and_an_exposure_multiplies() -> None:
    assert sentences.offset_sentences(Target("y", "poisson")) == []
    exposure, offset = sentences.offset_sentences(Target("y", "gamma", offset="o", exposure="t"))
    assert exposure.startswith("The exposure is t: predictions are proportional to it")
    assert offset == "The offset is o: it is added to the log of y per t."


def certificate(errors: str, dispersion: float | None = None) -> Certificate:
    """Return a certificate with standard errors of this kind."""
    return Certificate("l", "exact", 9, 1.0, 1.0, 0.0, 1e-3, True, 9.0, 1.0, errors, [], [], dispersion)


@pytest.mark.parametrize(
    ("name", "errors", "is_quasi", "expected"),
    [
        ("gaussian", "classical", False, []),
        ("gaussian", "HC3", False, ["Standard errors are robust (HC3)."]),
        ("poisson", "sandwich", True, ["Standard errors are robust (sandwich)."]),
        ("poisson", "classical", False, []),
        ("poisson", "classical", True, ["Standard errors allow for the dispersion (quasi-Poisson)."]),
        ("gamma", "expected information", False, ["Standard errors use the expected information."]),
    ],
)
def test_standard_errors_are_named(name: str, errors: str, is_quasi: bool, expected: list[str]) -> None:
    assert sentences.inference_sentences(certificate(errors), FAMILIES[name], is_quasi) == expected
