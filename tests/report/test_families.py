"""The report of every family against its files, in the words of the family."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from straightline import formatting
from straightline.families import FAMILIES, family_of
from straightline.results import json_output, sentences
from straightline.results.files import Results, load_results
from straightline.runtime.artifacts import read_json, write_csv
from straightline.stages import report
from tests.report.conftest import MANY
from tests.report.page import HOSTILE, Page, change

every_family = pytest.mark.parametrize("name", FAMILIES)
of_classes = pytest.mark.parametrize("name", ["bernoulli", "multinomial"])
log_links = pytest.mark.parametrize("name", ["poisson", "gamma"])


def text_of(root: Path) -> str:
    return (root / "reports/index.html").read_text(encoding="utf-8")


def spoken(root: Path) -> str:
    """Return the text of the page outside of its tags and pictures, with single blanks."""
    without = re.sub(r"(?s)<(style|svg|pre).*?</\1>|<[^>]+>", " ", text_of(root))
    return " ".join(without.split())


def rows_of(page: Page, table: str) -> list[list[str]]:
    """Return the rows of a table with a cell in each column: no header and no heading of a group."""
    header, *rows = page.tables[table]
    return [row for row in rows if len(row) == len(header)]


@every_family
def test_every_part_is_there_and_every_reference_has_its_part(by_family: Path, name: str) -> None:
    page = Page(text_of(by_family / name))
    ids = [str(own["id"]) for _, own in page.tags if "id" in own]
    assert len(ids) == len(set(ids))
    labels = {own[key] for _, own in page.tags for key in ("aria-labelledby", "aria-describedby") if key in own}
    assert labels <= set(ids)
    images = [own for _, own in page.tags if own.get("role") == "img"]
    assert len(images) == len([tag for tag, _ in page.tags if tag == "svg"])
    assert all(own["aria-label"] for own in images)
    assert {"y-models", "y-scores", "y-regression", "y-bins-neural"} <= set(page.tables)
    files = {path.name for path in (by_family / name / "reports").iterdir()}
    drawn = {path.partition("-")[0] for path in files if path.endswith(".svg")}
    kinds = {"differences", "losses", "learning", "coefficients", "predictions", "gains", "dependence"}
    assert drawn == kinds
    linked = set(re.findall(r"\]\(([^)]+\.svg)\)", (by_family / name / "reports/report.md").read_text()))
    assert linked == {path for path in files if path.endswith(".svg")}


@every_family
def test_scores_are_those_of_the_files(by_family: Path, name: str) -> None:
    page = Page(text_of(by_family / name))
    scores = [read_json(by_family / name / f"metrics/y-{model}.json") for model in ("regression", "neural")]
    for key, title in FAMILIES[name].metrics.items():
        shown = [formatting.number(each[key]) for each in (*scores, scores[0]["baseline"])]
        assert page.column("y-scores", title) == shown


@every_family
def test_the_coefficients_are_those_of_the_file(by_family: Path, name: str) -> None:
    root = by_family / name
    known = pd.read_csv(root / "runs/y/regression/coefficients.csv")
    page = Page(text_of(root))
    rows = rows_of(page, "y-regression")
    assert [row[0] for row in rows] == list(known["term"])
    assert [row[1] for row in rows] == [formatting.number(value) for value in known["estimate"]]
    header = page.tables["y-regression"][0]
    assert ("factor" in header) == FAMILIES[name].has_factors
    if FAMILIES[name].has_factors:
        assert page.column("y-regression", "factor") == [
            formatting.number(value) for value in np.exp(known["estimate"])
        ]


def test_each_class_heads_its_coefficients_and_has_its_equation(by_family: Path) -> None:
    root = by_family / "multinomial"
    headings = [row[0] for row in Page(text_of(root)).tables["y-regression"] if len(row) == 1]
    assert headings == [f"kind {number} against kind 1" for number in (2, 3, 4)]
    markdown = (root / "reports/report.md").read_text()
    for number in (2, 3, 4):
        assert f"#### kind {number} against kind 1\n" in markdown
        assert f"log odds of y = kind {number} against kind 1 = " in spoken(root)
        assert f"log odds of y = kind {number} against kind 1 = " in markdown


@every_family
def test_weights_and_exposures_are_named(by_family: Path, name: str) -> None:
    texts = [spoken(by_family / name), (by_family / name / "reports/report.md").read_text()]
    for text in texts:
        assert "Rows are weighted by times: a row counts as so many equal rows (frequency weights)." in text
        assert ("The exposure is years: predictions are proportional to it" in text) == FAMILIES[name].has_offset
        assert ("baseline: predicting the mean rate times years" in text) == FAMILIES[name].has_offset


@every_family
def test_words_suit_the_family(by_family: Path, name: str) -> None:
    text = spoken(by_family / name).lower()
    has_classes = name in ("bernoulli", "multinomial")
    assert ("class" in text) == has_classes
    assert ("ones" in text.split()) == (name == "bernoulli")
    assert ("deviance" in text) == FAMILIES[name].has_offset
    assert ("(pearson’s dispersion)" in text) == FAMILIES[name].has_offset
    assert ("standard errors use the expected information" in text) == (name == "gamma")


@of_classes
def test_classes_have_names_and_never_numbers(by_family: Path, name: str) -> None:
    root = by_family / name
    classes = [f"kind {number}" for number in range(1, 3 if name == "bernoulli" else 5)]
    matrix = pd.read_csv(root / "reports/confusion.csv")
    assert list(matrix["actual"].unique()) == list(matrix["predicted"].unique()) == classes
    drawn = [path.read_text() for path in (root / "reports").glob("*.svg")]
    assert sum(all(f">{each}</text>" in picture for each in classes) for picture in drawn) >= 2
    for picture in drawn:
        assert not re.findall(r">class \d|>[0-3]: ", picture)


@of_classes
def test_confusion_sums_to_the_weights_and_its_diagonal_to_the_accuracy(by_family: Path, name: str) -> None:
    matrix = pd.read_csv(by_family / name / "reports/confusion.csv")
    for model, part in matrix.groupby("model"):
        rows = pd.read_parquet(by_family / name / f"predictions/y-{model}.parquet")
        assert part["rows"].sum() == rows["weight"].sum()
        right = part.loc[part["actual"] == part["predicted"], "rows"].sum() / part["rows"].sum()
        assert right == pytest.approx(read_json(by_family / name / f"metrics/y-{model}.json")["accuracy"])
        by_class = part.groupby("actual", sort=False)["rows"].sum().to_numpy()
        assert by_class.tolist() == np.bincount(rows["truth"].astype(int), rows["weight"]).tolist()


@every_family
def test_only_numbers_have_a_scatter_plot_and_only_classes_a_confusion_matrix(by_family: Path, name: str) -> None:
    has_classes = name in ("bernoulli", "multinomial")
    predictions, matrix = (
        pd.read_csv(by_family / name / f"reports/{file}.csv") for file in ("predictions", "confusion")
    )
    assert predictions.empty == has_classes
    assert matrix.empty != has_classes


def test_terms_of_classes_in_dvcs_plot_begin_with_the_class(by_family: Path) -> None:
    terms = pd.read_csv(by_family / "multinomial/reports/coefficients.csv")["term"]
    assert list(terms) == [f"kind {number}: {term}" for number in (2, 3, 4) for term in ("age", "dose", "height")]


def results_of(root: Path) -> Results:
    return load_results(root)


@every_family
def test_json_has_every_number(by_family: Path, name: str) -> None:
    results = results_of(by_family / name)
    values = json.loads(json_output.as_text(results))["targets"]["y"]["models"]
    known = pd.read_csv(by_family / name / "runs/y/regression/coefficients.csv")
    assert [row["estimate"] for row in values["regression"]["coefficients"]] == list(known["estimate"])
    if "class" in known:
        assert [row["class"] for row in values["regression"]["coefficients"]] == list(known["class"])
    assert values["neural"]["held_out"] == read_json(by_family / name / "metrics/y-neural.json")


def test_of_many_classes_the_commonest_are_drawn(many_classes: Path) -> None:
    truth = pd.read_parquet(many_classes / "predictions/y-neural.parquet")["truth"].astype(int)
    commonest = np.argsort(-np.bincount(truth, minlength=MANY), kind="stable")[:5]
    names = {f"kind {number + 1}" for number in commonest}
    reports = many_classes / "reports"
    found = set(re.findall(r">(kind \d+)</text>", (reports / "dependence-y-1.svg").read_text()))
    assert found == names
    assert set(re.findall(r">(kind \d+)</text>", (reports / "coefficients-y-regression.svg").read_text())) <= names
    matrix = (reports / "predictions-y-1.svg").read_text()
    assert set(re.findall(r">(kind \d+)</text>", matrix)) == {f"kind {number + 1}" for number in range(MANY)}
    assert "The 5 commonest of 12 classes are shown." in spoken(many_classes)


def test_without_held_out_rows_classes_have_their_coefficients(tmp_path: Path) -> None:
    from tests.fake_project import write_family_project

    write_family_project(tmp_path, "multinomial", classes=7, held_out=0.0)
    report.run(tmp_path)
    assert "No rows were held out" in spoken(tmp_path)
    drawn = (tmp_path / "reports/coefficients-y-regression.svg").read_text()
    assert set(re.findall(r">(kind \d+)</text>", drawn)) == {f"kind {number}" for number in (2, 3, 4, 5)}
    assert not list((tmp_path / "reports").glob("predictions-y*"))


@of_classes
def test_names_of_classes_are_escaped(by_family: Path, tmp_path: Path, name: str) -> None:
    root = Path(shutil.copytree(by_family / name, tmp_path / "project"))

    def rename(schema: dict) -> None:
        schema["targets"]["y"]["classes"][1] = HOSTILE

    change(root / "data/schema.json", rename)
    path = root / "runs/y/regression/coefficients.csv"
    table = pd.read_csv(path)
    if "class" in table:
        write_csv(path, table.assign(**{"class": table["class"].replace("kind 2", HOSTILE)}))
    report.run(root)
    assert "<script" not in text_of(root)
    assert "<script" not in "".join(picture.read_text() for picture in (root / "reports").glob("*.svg"))
    if "class" in table:
        assert [f"{HOSTILE} against kind 1"] in Page(text_of(root)).tables["y-regression"]


@log_links
def test_a_verdict_against_the_mean_names_the_rate(by_family: Path, name: str) -> None:
    results = results_of(by_family / name)
    verdict, target = results.verdicts["y"], results.schema.targets["y"]
    title = family_of(target).baseline_title(target)
    neither = {"answer": "neither"}
    changed = type(verdict).from_json(verdict.to_json() | neither, "the verdict")
    assert "compared with predicting the mean rate times years, the best" in sentences.headline(changed, "y", title)
    assert changed.reason_against(title) == (
        "no model is shown to be better than predicting the mean rate times years by the margin"
    )
    assert changed.reason == "no model is shown to be better than predicting the mean by the margin"
