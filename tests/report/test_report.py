"""The report against the files it is made of: equal numbers, equal bytes, nothing from a file taken for HTML."""

import math
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from straightline import formatting
from straightline.comparison.verdict import Finding
from straightline.families import FAMILIES
from straightline.formatting import percent
from straightline.report.content import content
from straightline.report.pictures import canvas
from straightline.report.render import pictures
from straightline.results import terminal
from straightline.results.files import load_results
from straightline.runtime.artifacts import read_json, write_csv, write_json
from straightline.stages import compare, report
from tests.conftest import FOUND, ROOT
from tests.fake_project import write_project

HOSTILE = "<script>alert('a & \"b\"')</script>"
NUMBERS = st.floats(allow_nan=False, allow_infinity=False, min_value=-1e300, max_value=1e300)
UPRIGHT = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹−", "-0123456789-", ",\N{NO-BREAK SPACE}%")


class Page(HTMLParser):
    """What a page holds: `tables` by id of their heading, as rows of cells, and `tags`."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tables: dict[str, list[list[str]]] = {}
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open, self.in_cell = "", False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.tags.append((tag, values))
        if tag == "table":
            self.open = str(values["aria-labelledby"])
            self.tables[self.open] = []
        elif tag == "tr":
            self.tables[self.open].append([])
        elif tag in ("td", "th"):
            self.tables[self.open][-1].append("")
            self.in_cell = True

    def handle_endtag(self, tag: str) -> None:
        self.open = "" if tag == "table" else self.open
        self.in_cell = self.in_cell and tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        if self.in_cell:
            self.tables[self.open][-1][-1] += data

    def column(self, table: str, name: str) -> list[str]:
        """Return the cells of a column, without its header."""
        header, *rows = self.tables[table]
        return [row[header.index(name)] for row in rows]


@pytest.fixture
def project(reported: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(reported, tmp_path / "project"))


@pytest.fixture(scope="module")
def shown(reported: Path) -> Page:
    return Page((reported / "reports/index.html").read_text(encoding="utf-8"))


def page_of(root: Path) -> Page:
    return Page(source(root))


def source(root: Path) -> str:
    report.run(root)
    return (root / "reports/index.html").read_text(encoding="utf-8")


def change(path: Path, edit: Callable[[Any], None]) -> None:
    values = read_json(path)
    edit(values)
    write_json(path, values)


def written(numbers: Iterable[float | None]) -> list[str]:
    return [formatting.number(own) for own in numbers]


def value(text: str) -> float:
    """Return the number that `formatting.number` shows."""
    mantissa, _, exponent = text.translate(UPRIGHT).partition("×10")
    return float(mantissa) * 10.0 ** int(exponent or 0)


@pytest.mark.parametrize("target", ["num_balloons", "color"])
def test_models_side_by_side_are_the_files(reported: Path, shown: Page, target: str) -> None:
    project, verdict = reported, read_json(reported / f"verdicts/{target}.json")
    table = f"{target}-models"
    assert [row[0] for row in shown.tables[table][1:]] == ["regression", "neural", "baseline: predicting the mean"]
    metrics = [read_json(project / f"metrics/{target}-{model}.json") for model in ("regression", "neural")]
    weights = [read_json(project / f"runs/{target}/{model}/weights.json") for model in ("regression", "neural")]
    losses = [verdict["losses"]["regression"], verdict["losses"]["neural"], verdict["mean_loss"]]
    held_out = [metrics[0]["loss"], metrics[1]["loss"], metrics[0]["baseline"]["loss"]]
    fits = [verdict["fits"]["regression"], verdict["fits"]["neural"], None]
    assert shown.column(table, "cross-validated loss") == written(losses)
    assert shown.column(table, "interval") == [
        *(f"{formatting.number(low)} to {formatting.number(high)}" for low, high in verdict["loss_intervals"].values()),
        "–",
    ]
    assert shown.column(table, "held-out loss") == written(held_out)
    assert shown.column(table, "parameters") == written([*(own["parameters"] for own in weights), None])
    assert shown.column(table, "epochs") == written([*(own["epochs"] for own in weights), None])
    assert shown.column(table, "fold fits") == written(fits)
    for key, name in FAMILIES[verdict["family"]].metrics.items():
        scores = [metrics[0][key], metrics[1][key], metrics[0]["baseline"][key]]
        assert shown.column(f"{target}-scores", name) == written(scores)


@pytest.mark.parametrize("target", ["num_balloons", "color"])
def test_weights_are_the_files_beside_the_oracles(
    reported: Path, shown: Page, oracles: dict[str, Any], target: str
) -> None:
    table = f"{target}-regression"
    oracle = oracles["linear"]["evident_c1_0.1"] if target == "num_balloons" else oracles["logistic"]
    coefficients = pd.read_csv(reported / f"runs/{target}/regression/coefficients.csv")
    assert [row[0] for row in shown.tables[table][1:]] == list(coefficients["term"])
    names = {"estimate": "estimate", "std_error": "std error", "trained": "gradient descent"}
    for key, name in names.items():
        assert shown.column(table, name) == written(coefficients[key])
    ends = zip(written(coefficients["ci_low"]), written(coefficients["ci_high"]), strict=True)
    assert shown.column(table, "95 % interval") == [f"{low} to {high}" for low, high in ends]
    assert shown.column(table, "population") == written(oracle_weights(oracle))


def oracle_weights(oracle: dict[str, Any]) -> list[float]:
    """Return intercept, relationship, children, age of an entry of tests/reference/oracles.json."""
    return [float(oracle["bias"]), *(float(oracle["w"][name]) for name in ("relationship", "children", "age"))]


def test_weights_of_the_printed_balloons_are_the_oracles(project: Path, oracles: dict[str, Any]) -> None:
    params = project / "params.yaml"
    params.write_text(params.read_text().replace("partnered_children: 0.1", "partnered_children: 1.0"))
    shown = page_of(project).column("num_balloons-regression", "population")
    assert shown == written(oracle_weights(oracles["linear"]["printed_c1_1.0"]))


def test_answer_comes_first_with_its_numbers(reported: Path) -> None:
    project, text = reported, (reported / "reports/index.html").read_text(encoding="utf-8")
    for target in ("num_balloons", "color"):
        verdict = read_json(project / f"verdicts/{target}.json")
        section = text.partition(f'<section id="{target}"')[2].partition("</section>")[0]
        first = section.partition("<h3")[0]
        for share in (verdict["relative_gain"], *verdict["relative_gain_interval"]):
            assert percent(share) in first
        for loss in verdict["losses"].values():
            assert formatting.number(loss) in first
        assert verdict["advice"] in first
        assert f"badge {verdict['answer']}" in first
        assert Finding(verdict["finding"]).explained(verdict["challenger"], verdict["baseline"]) in first


def test_every_finding_has_words() -> None:
    assert len({finding.explained("neural", "regression") for finding in Finding}) == len(Finding)


def test_two_challengers_are_listed_with_a_wider_interval(project: Path) -> None:
    values = yaml.safe_load((project / "params.yaml").read_text())
    values["models"]["wide"] = values["models"]["neural"]
    (project / "params.yaml").write_text(yaml.safe_dump(values, sort_keys=False))
    for target in values["targets"]:
        copy(project / f"runs/{target}/neural", project / f"runs/{target}/wide")
        for kind, suffix in (
            ("metrics", "json"),
            ("predictions", "parquet"),
            ("effects", "csv"),
            ("effects/dependence", "csv"),
        ):
            copy(project / f"{kind}/{target}-neural.{suffix}", project / f"{kind}/{target}-wide.{suffix}")
    compare.run(project)
    table = page_of(project).tables["color-challengers"]
    assert table[0] == ["model", "gain", "95 % interval", "finding"]
    assert [row[0] for row in table[1:]] == ["neural", "wide"]


def copy(origin: Path, target: Path) -> None:
    if origin.is_dir():
        shutil.copytree(origin, target)
    else:
        shutil.copy(origin, target)


def test_two_renderings_are_the_same_bytes(project: Path) -> None:
    def contents() -> dict[str, bytes]:
        report.run(project)
        return {path.name: path.read_bytes() for path in sorted((project / "reports").iterdir())}

    first = contents()
    kinds = {
        "color": ["differences", "losses", "learning", "coefficients", "predictions", "gains", "dependence"],
        "num_balloons": ["differences", "losses", "learning", "coefficients", "predictions", "gains", "dependence"],
    }
    drawn = {name.rpartition(".")[0] for name in first if name.endswith(".svg")}
    for target, own in kinds.items():
        assert {name.partition("-")[0] for name in drawn if f"-{target}" in name} == {*own}
    assert {"index.html", "report.md", "losses.csv", "losses.png"} <= set(first)
    assert {"predictions-color.png", "predictions-num_balloons.png"} <= set(first)
    assert contents() == first
    assert not [
        name for name, found in first.items() if b"Software" in found or b"tEXt" in found or b"dc:date" in found
    ]
    assert len(first["index.html"]) < 2e6


def test_the_order_of_params_and_what_is_no_part_of_results_change_nothing(project: Path) -> None:
    first = source(project)
    path = project / "params.yaml"
    values = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump({"tracking": {"live": True}} | dict(reversed(values.items())), sort_keys=False))
    assert source(project) == first


def test_pictures_do_not_follow_the_users_matplotlibrc(project: Path) -> None:
    import matplotlib as mpl

    results = load_results(project)
    first = pictures(content(results, ""))
    with mpl.rc_context({"font.size": 30, "axes.facecolor": "red"}):
        assert pictures(content(results, "")) == first
        assert mpl.rcParams["font.size"] == 30


def test_names_that_look_like_parts_of_a_picture_stay_names() -> None:
    name = 'id="#1d2330'
    element = canvas.inline(canvas.svg(lambda axes: axes.set(xlabel=name) and None), "own")
    assert f">{name}</text>" in element
    assert "#1d2330" not in element.replace(name, "")
    assert len(re.findall(r'\bid="', element)) == element.count('id="own-') + 1


def test_a_model_has_one_color_in_all_pictures(project: Path) -> None:
    path = project / "params.yaml"
    values = yaml.safe_load(path.read_text())
    values["models"] = dict(reversed(values["models"].items()))  # the straight line comes second
    path.write_text(yaml.safe_dump(values, sort_keys=False))
    report.run(project)
    first, second = "var(--series-1)", "var(--series-2)"
    for name in ("differences-color", "gains-color-1"):
        drawn = (project / f"reports/{name}.svg").read_text()
        assert first in drawn
        assert second not in drawn


def test_the_page_stands_alone(reported: Path, shown: Page) -> None:
    assert not [tag for tag, _ in shown.tags if tag in ("script", "link", "iframe")]
    addresses = [str(own[key]) for _, own in shown.tags for key in ("src", "href", "xlink:href") if key in own]
    assert all(address.startswith("#") for address in addresses)
    images = [own for _, own in shown.tags if own.get("role") == "img"]
    assert len(images) == len([tag for tag, _ in shown.tags if tag == "svg"]) == 26
    assert all(own["aria-label"] for own in images)
    ids = [str(own["id"]) for _, own in shown.tags if "id" in own]
    assert len(ids) == len(set(ids))
    assert {address[1:] for address in addresses} <= set(ids)
    labels = {own[key] for _, own in shown.tags for key in ("aria-labelledby", "aria-describedby") if key in own}
    assert labels <= set(ids)
    assert "make ui" in (reported / "reports/index.html").read_text()


def test_names_are_escaped_everywhere(project: Path) -> None:
    def rename(schema: dict[str, Any]) -> None:
        schema["encoding"][1]["name"] = HOSTILE
        for target in schema["targets"].values():
            target["column"] = HOSTILE
        schema["targets"]["color"]["classes"] = [HOSTILE, HOSTILE]

    change(project / "data/schema.json", rename)
    for target in ("num_balloons", "color"):
        path = project / f"runs/{target}/regression/coefficients.csv"
        table = pd.read_csv(path)
        write_csv(path, table.assign(term=[HOSTILE, *table["term"][1:]]))
        change(project / f"verdicts/{target}.json", lambda verdict: verdict.update(advice=HOSTILE))
        change(project / f"runs/{target}/regression/certificate.json", lambda own: own.update(messages=[HOSTILE]))
        for name in (f"{target}-neural", f"{target}-regression"):
            for path in (project / f"effects/{name}.csv", project / f"effects/dependence/{name}.csv"):
                table = pd.read_csv(path)
                write_csv(path, table.assign(column=table["column"].replace("children", HOSTILE)))
    params = project / "params.yaml"
    params.write_text(
        params.read_text().replace("src/straightline/data/balloons.py", f"'{HOSTILE.replace(chr(39), '')}'")
    )
    text = source(project)
    assert "<script" not in text
    assert "&lt;script&gt;" in text
    shown = Page(text)
    assert shown.tables["color-regression"][1][0] == HOSTILE
    assert any(HOSTILE in str(own.get("aria-label")) for _, own in shown.tags)
    assert not [tag for tag, own in shown.tags if any(key.startswith("on") or "alert" in key for key in own)]


def test_without_held_out_rows_it_says_why_there_are_no_scores(tmp_path: Path) -> None:
    write_project(tmp_path, held_out=0.0)
    (tmp_path / "reports").mkdir()
    for name in ("predictions-color.png", "predictions-color-1.svg"):
        (tmp_path / "reports" / name).write_bytes(b"of an earlier run")
    text = source(tmp_path)
    assert text.count("No rows were held out (<code>data.held_out</code> is 0)") == 2
    assert "color-scores" not in Page(text).tables
    assert Page(text).column("color-models", "held-out loss") == ["–", "–", "–"]
    assert [path.name for path in (tmp_path / "reports").glob("*.png")] == ["losses.png"]
    assert not [*(tmp_path / "reports").glob("predictions-*"), *(tmp_path / "reports").glob("gains-*")]


def test_firth_and_unidentified_weights(project: Path) -> None:
    folder = project / "runs/color/regression"
    change(folder / "certificate.json", lambda own: own.update(method="firth", messages=["the classes are separated"]))
    table = pd.read_csv(folder / "coefficients.csv")
    blank = table.assign(**{key: math.nan for key in table.columns if key not in ("term", "trained")})
    write_csv(folder / "coefficients.csv", blank)
    text = source(project)
    assert "The likelihood has no finite optimum." in text
    assert "Note: the classes are separated." in text
    shown = Page(text)
    assert {cell for row in shown.tables["color-regression"][1:] for cell in row[1:4]} == {"–"}
    assert shown.column("color-regression", "gradient descent") == written(table["trained"])


def test_robust_standard_errors_are_named(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "Standard errors are robust" not in source(project)
    path = project / "runs/color/regression/certificate.json"
    change(path, lambda own: own.update(standard_errors="sandwich"))
    assert source(project).count("Standard errors are robust (sandwich).") == 1
    terminal.show(load_results(project))
    assert capsys.readouterr().out.count("std error (sandwich)") == 1


def test_no_population_column_for_a_users_table(project: Path) -> None:
    path = project / "params.yaml"
    values = yaml.safe_load(path.read_text())
    own = FOUND | {
        "source": "table",
        "path": "own.csv",
        "target": "color",
    }
    values["data"] = own | {"seed": 0, "held_out": 0.2, "standardize": True}
    path.write_text(yaml.safe_dump(values))
    assert "population" not in page_of(project).tables["color-regression"][0]


def test_losses_of_zero_and_a_single_epoch_are_drawn(project: Path) -> None:
    for model in ("regression", "neural"):
        history = pd.DataFrame({"epoch": [1], "loss": [0.0], "val_loss": [0.0 if model == "neural" else math.nan]})
        write_csv(project / f"runs/color/{model}/history.csv", history)
    report.run(project)


def test_report_imports_neither_tensorflow_nor_mlflow(project: Path) -> None:
    program = (
        "import sys\nfrom pathlib import Path\nfrom straightline.stages import report\nreport.run(Path(sys.argv[1]))\n"
        "names = {'tensorflow', 'keras', 'mlflow', 'matplotlib.pyplot'}\nprint(sorted(names & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", program, project], check=True, capture_output=True, text=True, cwd=ROOT)
    assert run.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("given_value", "shown"),
    [
        (0.0, "0"),
        (-0.0, "0"),
        (1.0, "1.000"),
        (0.45, "0.4500"),
        (-0.0011599, "−0.001160"),
        (0.00009999, "9.999 × 10⁻⁵"),
        (0.000099999, "0.0001000"),
        (4.0866e-08, "4.087 × 10⁻⁸"),
        (-1.5e300, "−1.500 × 10³⁰⁰"),
        (9.99996, "10.00"),
        (1234.56, "1,235"),
        (25000, "25,000"),
        (0.99999712, "0.9999971"),
        (math.inf, "∞"),
        (math.nan, "–"),
        (None, "–"),
    ],
)
def test_number_known_answers(given_value: float | None, shown: str) -> None:
    assert formatting.number(given_value).replace("\N{NO-BREAK SPACE}", " ") == shown


@pytest.mark.parametrize(
    ("share", "shown"),
    [(0.05, "5.0 %"), (-0.123, "-12.3 %"), (0.9999980, "99.9998 %"), (1.0, "100.0 %"), (0.0, "0.0 %")],
)
def test_percent_known_answers(share: float, shown: str) -> None:
    assert percent(share).replace("\N{NO-BREAK SPACE}", " ") == shown
    assert percent(None) == "unbounded"


@given(NUMBERS)
def test_number_is_right_to_four_digits(given_value: float) -> None:
    assert value(formatting.number(given_value)) == pytest.approx(given_value, rel=5.001e-4, abs=1e-307)
