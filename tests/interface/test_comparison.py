"""`straightline.compare` equals `straightline run`, and what a comparison offers is what the command line prints."""

import gc
import html
import pickle
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import straightline as sl
from straightline.interface.frames import as_pandas, library_of
from straightline.results.files import load_results
from tests.builders import quick

ROWS = 80
OVERRIDES = quick(hidden=4, epochs=80, k=4)
SETTINGS = dict(setting.split("=", 1) for setting in OVERRIDES)


def houses() -> pd.DataFrame:
    random = np.random.default_rng(0)
    size, kind = random.uniform(40, 200, ROWS), random.choice(["flat", "house"], ROWS)
    price = 2 * size + 50 * (kind == "house") + random.normal(0, 20, ROWS)
    return pd.DataFrame({"size": size, "kind": kind, "price": price})


@pytest.fixture(scope="module")
def found() -> sl.Comparison:
    result = sl.compare(houses(), target="price", settings=SETTINGS, progress=False)
    assert isinstance(result, sl.Comparison)
    return result


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder and the text of the same question on the command line."""
    folder = tmp_path_factory.mktemp("run")
    houses().to_parquet(folder / "houses.parquet")
    command = [sys.executable, "-m", "straightline", "run", "houses.parquet", "--target", "price", *OVERRIDES]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    return folder / "straightline-houses", done.stdout


def test_it_is_the_answer_of_the_command_line(found: sl.Comparison, printed: tuple[Path, str]) -> None:
    folder, text = printed
    known = load_results(folder).verdicts["price"]
    assert (found.answer, found.finding, found.advice) == (known.answer, known.finding.value, known.advice)
    assert found.gain[:3] == (known.relative_gain, *known.relative_gain_interval)
    losses = found.losses.frame()
    for model, values in known.fold_losses.items():
        assert losses.loc[losses["model"] == model, "loss"].tolist() == values
    shown = pd.read_csv(folder / "runs/price/regression/coefficients.csv")
    pd.testing.assert_frame_equal(found.regression.frame(), shown)
    answer = text[text.index(found.headline[:30]) :].partition("\nReport:")[0]
    assert [line.rstrip() for line in answer.strip().splitlines()] == repr(found).splitlines()


def test_predictions_are_those_of_the_saved_model(found: sl.Comparison, printed: tuple[Path, str]) -> None:
    folder, _ = printed
    new = houses().head(5)
    new.to_csv(folder.parent / "new.csv", index=False)
    command = [sys.executable, "-m", "straightline", "predict", folder / "runs/price/neural", "new.csv"]
    done = subprocess.run(command, cwd=folder.parent, capture_output=True, text=True, check=True)
    known = [float(line) for line in done.stdout.split()[1:]]
    np.testing.assert_allclose(found.models["neural"].predict(new), known, rtol=1e-6)


def test_another_margin_needs_no_training(found: sl.Comparison, printed: tuple[Path, str]) -> None:
    wide = found.judge(margin=0.9)
    assert (wide.gain.margin, found.gain.margin) == (0.9, 0.05)
    assert wide.gain.mean == found.gain.mean
    assert "margin 90 %" in repr(wide)
    assert "margin 90 %" in wide.to_markdown()
    with pytest.raises(sl.UserError, match="margin"):
        found.judge(margin=1.5).answer  # noqa: B018


def test_it_is_saved_loaded_and_pickled(found: sl.Comparison, tmp_path: Path, printed: tuple[Path, str]) -> None:
    found.judge(margin=0.2).save(tmp_path / "kept")
    loaded = sl.load(tmp_path / "kept")
    assert (loaded.answer, loaded.gain.margin) == (found.judge(margin=0.2).answer, 0.2)
    assert repr(pickle.loads(pickle.dumps(found))) == repr(found)
    assert sl.load(printed[0]).headline == found.headline
    with pytest.raises(sl.UserError, match="is not empty"):
        found.save(tmp_path / "kept")
    with pytest.raises(sl.UserError, match="no results here"):
        sl.load(tmp_path)


def test_a_notebook_gets_a_fragment_with_scoped_styles(found: sl.Comparison) -> None:
    fragment = found._repr_html_()
    style = fragment[fragment.index("<style>") : fragment.index("</style>")]
    selectors = [rule.partition("{")[0] for rule in style.replace("<style>", "").split("}")]
    named = [each for rule in selectors for each in rule.split(",") if each.strip() and "@media" not in each]
    assert all(".straightline" in each for each in named)
    assert "<script" not in fragment
    assert "<html" not in fragment
    assert found.to_html().startswith("<!doctype html>")


def test_the_fragment_says_the_answer_once_and_breaks_no_number(found: sl.Comparison) -> None:
    """The answer is coloured where the headline has it, and the intervals have a level, as on a terminal."""
    for shown in (found, found.judge(margin=0.001), found.judge(margin=0.9)):
        shown_html = shown._repr_html_()
        words = re.sub(r"<[^>]+>", "", re.search(r'<p class="answer">(.*)</p>', shown_html)[1])
        assert html.unescape(words).replace("\xa0", " ") == shown.headline
        assert " %" not in words
        assert re.search(rf'<span class="{shown.answer}">{shown.answer}</span>', shown_html, re.IGNORECASE)
        assert "90 % interval" in shown_html


def test_the_text_of_an_answer_shows_nothing_in_jupyter(found: sl.Comparison, monkeypatch: pytest.MonkeyPatch) -> None:
    """A notebook asks for the text of each object that it shows, beside its HTML."""
    text, shown = repr(found), []
    monkeypatch.setattr("rich.console._is_jupyter", lambda: True)
    monkeypatch.setattr("rich.jupyter.display", lambda *parts: shown.append(parts))
    assert (repr(found), shown) == (text, [])


def test_pictures_are_axes(found: sl.Comparison) -> None:
    from matplotlib.figure import Figure

    figure = Figure()
    axes = figure.add_subplot()
    assert found.losses.plot(axes) is axes
    assert axes.get_xlabel().startswith("loss that the model saves")
    labels = found.regression.plot(figure.add_subplot()).get_yticklabels()
    assert "kind[flat]" in [label.get_text() for label in labels]


def test_frames_come_back_in_the_callers_library(found: sl.Comparison) -> None:
    table = sl.load(found._folder)
    assert isinstance(table.losses.frame(), pd.DataFrame)
    other = sl.Comparison(found._folder, "pyarrow")
    assert isinstance(other.losses.frame(), pa.Table)
    assert other.losses.frame().column("model").to_pylist() == table.losses.frame()["model"].tolist()
    assert isinstance(sl.Comparison(found._folder, "polars").regression.frame(), pl.DataFrame)


@pytest.mark.parametrize("data", [pl.DataFrame(houses()), pa.Table.from_pandas(houses()), houses()])
def test_tables_of_each_library_are_the_same_table(data: Any) -> None:
    pd.testing.assert_frame_equal(as_pandas(data), houses(), check_dtype=False)
    assert library_of(data) == type(data).__module__.partition(".")[0]


@pytest.mark.parametrize(
    ("data", "options", "message"),
    [
        (houses(), {}, "expected the name of the column to predict"),
        (houses(), {"target": "prize"}, "has no column 'prize'; nearest: price"),
        (houses(), {"y": [1.0, 2.0]}, "y has 2 rows, the table has 80"),
        ("houses.csv", {"target": "price"}, "expected a table of pandas, polars or pyarrow, or a NumPy array, got str"),
        (np.zeros(4), {"y": np.zeros(4)}, r"expected a table or an array \(rows, columns\), got an array of shape"),
        (houses().assign(mixed=[1, "a"] * 40), {"target": "price"}, "the table cannot be written as Parquet"),
        (houses(), {"target": "price", "margin": 2.0}, "margin"),
    ],
)
def test_what_cannot_be_compared_is_one_line(data: object, options: dict[str, object], message: str) -> None:
    with pytest.raises(sl.UserError, match=message):
        sl.compare(data, **options, progress=False)  # type: ignore[arg-type]


def test_a_part_outlives_the_comparison_that_it_comes_from(found: sl.Comparison) -> None:
    state = pickle.dumps(found)
    assert pickle.loads(state).losses.frame().equals(found.losses.frame())
    assert pickle.loads(state).judge(margin=0.2).regression.frame().equals(found.regression.frame())
    new = houses().head(3)
    np.testing.assert_array_equal(pickle.loads(state).best.predict(new), found.best.predict(new))


def test_the_folder_of_a_comparison_goes_with_its_last_part(found: sl.Comparison) -> None:
    losses = pickle.loads(pickle.dumps(found)).losses
    folder = losses._results.root
    assert folder.is_dir()
    del losses
    gc.collect()
    assert not folder.exists()
