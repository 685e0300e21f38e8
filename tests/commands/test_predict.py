"""`straightline predict`: saved models on new rows, and models that are refused."""

import gzip
import hashlib
import io
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from straightline.commands import predict
from straightline.data import encoding
from straightline.data.notation import Notation
from straightline.data.schema import Feature, read_schema
from straightline.errors import UserError
from straightline.runtime.artifacts import read_json, write_json

LOADING = "predict: loading the model, which takes a few seconds\n"
OTHER_SCHEMA = r"schema\.json: is not the schema that .*color/neural was trained with; train again"


def new_rows(project: Path) -> Path:
    test = pd.read_parquet(project / "data/test.parquet")
    names = read_schema(project).features
    test[names[::-1]].assign(more="text").to_csv(project / "new.csv", index=False)
    return project / "new.csv"


@pytest.mark.parametrize(
    ("target", "name"), [pytest.param("num_balloons", "regression", marks=pytest.mark.slow), ("color", "neural")]
)
def test_a_fresh_process_predicts_what_was_scored(project: Path, target: str, name: str) -> None:
    words = [f"runs/{target}/{name}", new_rows(project).name, "--out", "out.csv"]
    code = "import sys; from straightline.__main__ import main; sys.argv = sys.argv[1:]; main()"
    command = [sys.executable, "-c", code, "straightline", "predict", *words]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert_scored(project, target, name)


@pytest.mark.parametrize(("target", "name"), [("num_balloons", "neural"), ("color", "regression")])
def test_predictions_are_what_was_scored(project: Path, target: str, name: str) -> None:
    predict.run(project / "runs" / target / name, new_rows(project), project / "out.csv")
    assert_scored(project, target, name)


def assert_scored(project: Path, target: str, name: str) -> None:
    found = pd.read_csv(project / "out.csv")
    scored = pd.read_parquet(project / f"predictions/{target}-{name}.parquet")["prediction"]
    extra = ["probability of 1"] if target == "color" else []
    assert list(found.columns) == [target, *extra]
    np.testing.assert_allclose(found[(extra or [target])[0]], scored, rtol=1e-6, atol=1e-9)
    if extra:
        assert (found[target] == (scored > 0.5)).all()


def test_new_rows_may_come_from_standard_input(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = gzip.compress(new_rows(project).read_bytes())
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))
    predict.run(project / "runs/num_balloons/regression", Path("-"), project / "out.csv")
    assert_scored(project, "num_balloons", "regression")


def test_predictions_are_printed(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    predict.run(project / "runs/num_balloons/regression/model.keras", new_rows(project), None)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "num_balloons"
    assert len(lines) == 1 + len(pd.read_parquet(project / "data/test.parquet"))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda table: table.drop(columns="age"), "has no column 'age'"),
        (lambda table: table.assign(age="old"), "column 'age', row 1: expected a number, got 'old'"),
        (
            lambda table: table.assign(age=np.nan),
            r"no row can be predicted: blank cells in 'age' \(120\), which had none in training; fill them",
        ),
        (lambda table: table.assign(age=[np.inf, *table["age"][1:]]), "column 'age': expected finite numbers, got 1"),
    ],
)
def test_rows_that_do_not_fit_are_refused(project: Path, change: object, told: str) -> None:
    rows = new_rows(project)
    change(pd.read_csv(rows)).to_csv(rows, index=False)
    with pytest.raises(UserError, match=told):
        predict.run(project / "runs/color/neural", rows, project / "out.csv")
    assert not (project / "out.csv").exists()


def test_all_that_does_not_fit_is_told_at_once(project: Path) -> None:
    rows = new_rows(project)
    pd.read_csv(rows).drop(columns="age").assign(children="many").to_csv(rows, index=False)
    with pytest.raises(UserError) as caught:
        predict.run(project / "runs/color/neural", rows, None)
    assert str(caught.value).startswith(f"{rows}: column 'children', row 1: expected a number, got 'many'")
    assert "; has no column 'age'" in str(caught.value)


@pytest.mark.parametrize(
    ("place", "problem"),
    [
        ("nowhere/model.keras", "no such file or folder"),
        ("nowhere", "no such file or folder"),
        ("/", "has no results of straightline"),
        (".", "has no results of straightline itself, but its folder project may have some"),
        ("project/runs", "has no weights.json; the project is .*project"),
        ("project/runs/color", "has no weights.json; the project is .*project"),
        ("project/runs/color/neural/weights.json", "is a file"),
        ("project/new.csv", "is a file"),
        ("project/copy", "is not in .*runs"),
    ],
)
def test_a_place_without_a_model_is_said(
    project: Path, monkeypatch: pytest.MonkeyPatch, place: str, problem: str
) -> None:
    shutil.copytree(project / "runs/color/neural", project / "copy")
    new_rows(project)
    monkeypatch.chdir(project.parent)
    with pytest.raises(UserError, match=f"^{place}: {problem}; expected the folder of a project or of `straight"):
        predict.run(Path(place), project / "new.csv", None)


def test_a_project_that_has_not_run_is_said(project: Path) -> None:
    (project / "verdicts/color.json").unlink()
    with pytest.raises(UserError, match=r"project: has no verdict on color yet; run `dvc repro` there first"):
        predict.run(project, new_rows(project), None, predict.Options(target="color"))


@pytest.mark.parametrize(("answer", "model"), [("no", "neural"), ("yes", "regression"), ("undecided", "regression")])
def test_a_project_predicts_with_the_model_that_its_verdict_advises(
    project: Path, capsys: pytest.CaptureFixture[str], answer: str, model: str
) -> None:
    path = project / "verdicts/color.json"
    verdict = read_json(path) | {"answer": answer, "finding": "baseline_enough"}
    verdict["challengers"]["neural"]["failed"] = False
    write_json(path, verdict)
    predict.run(project, new_rows(project), project / "out.csv", predict.Options(target="color"))
    assert_scored(project, "color", model)
    told = f"predict: {model} predicts color, as the verdict advises: neural is not better by the margin\n"
    assert capsys.readouterr().err.replace(LOADING, "") == told


def test_the_target_of_a_project_is_named_once(project: Path) -> None:
    rows = new_rows(project)
    with pytest.raises(UserError, match="--target: expected one of num_balloons, color, got none"):
        predict.run(project, rows, None)
    with pytest.raises(UserError, match=r"--target: .*runs/color/neural is a model of color, not of num_balloons"):
        predict.run(project / "runs/color/neural", rows, None, predict.Options(target="num_balloons"))


@pytest.mark.parametrize(("target", "columns"), [("num_balloons", 1), ("color", 2)])
def test_a_blank_cell_costs_its_row_only(
    project: Path, capsys: pytest.CaptureFixture[str], target: str, columns: int
) -> None:
    rows, folder = new_rows(project), project / f"runs/{target}/regression"
    predict.run(folder, rows, project / "whole.csv")
    table = pd.read_csv(rows)
    table.loc[[3, 7], "age"] = np.nan
    table.loc[7, "children"] = np.nan
    table.to_csv(rows, index=False)
    predict.run(folder, rows, project / "out.csv")
    assert capsys.readouterr().err.replace(LOADING, "") == (
        "predict: warning: 2 of 120 rows get no prediction, first row 4: blank cells in 'children' (1), 'age' (2), "
        "which had none in training\n"
    )
    whole, found = ((project / name).read_text().splitlines() for name in ("whole.csv", "out.csv"))
    assert [number for number, (one, other) in enumerate(zip(whole, found, strict=True)) if one != other] == [4, 8]
    assert found[4] == found[8] == '""' if columns == 1 else ","


def test_rows_keep_their_names_as_they_stand(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = new_rows(project)
    names = ["01234", "NA", "", " a", *(f"{number:05}" for number in range(116))]
    pd.read_csv(rows).assign(nr=names).to_csv(rows, index=False)
    predict.run(project / "runs/color/regression", rows, None, predict.Options(identifier="nr"))
    header, *lines = capsys.readouterr().out.splitlines()
    assert header == "nr,color,probability of 1"
    assert [line.split(",")[0] for line in lines] == names
    predict.run(project / "runs/color/regression", rows, None, predict.Options(identifier="age"))
    assert capsys.readouterr().out.startswith("age,color,")
    for name, told in (("no", "--id: .*new.csv: has no column 'no'"), ("color", "have a column 'color' too")):
        with pytest.raises(UserError, match=told):
            predict.run(project / "runs/color/regression", rows, None, predict.Options(identifier=name))


def test_intervals_come_from_the_held_out_rows(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = predict.Options(target="num_balloons", interval=0.9)
    predict.run(project / "runs/num_balloons/neural", new_rows(project), project / "out.csv", options)
    found = pd.read_csv(project / "out.csv")
    assert list(found) == ["num_balloons", "low", "high"]
    scored = pd.read_parquet(project / "predictions/num_balloons-neural.parquet")
    distances = np.sort(np.abs(scored["truth"] - scored["prediction"]))
    np.testing.assert_allclose(found["high"] - found["num_balloons"], distances[108], rtol=1e-9)  # 109 of 121 shares
    np.testing.assert_allclose(found["num_balloons"] - found["low"], distances[108], rtol=1e-9)
    assert (
        f"90 % intervals: ±{distances[108]:.4g} around each prediction, from the errors in 120"
        in capsys.readouterr().err
    )


@pytest.mark.parametrize(
    ("target", "level", "told"),
    [
        ("color", 0.9, "--interval: color has classes"),
        ("num_balloons", 0.999, "--interval 0.999: expected at least 999 held-out rows, got 120; ask for a lower"),
        ("num_balloons", 90, "--interval: expected a probability between 0 and 1, such as 0.9, got 90"),
    ],
)
def test_intervals_that_cannot_be_given_are_said(project: Path, target: str, level: float, told: str) -> None:
    with pytest.raises(UserError, match=told):
        predict.run(project, new_rows(project), None, predict.Options(target=target, interval=level))


@pytest.mark.parametrize(
    ("folder", "model"), [("runs", "color/neural"), ("runs/color", "neural"), ("runs/color/neural", "model.keras")]
)
def test_a_model_is_found_from_inside_its_project(
    project: Path, monkeypatch: pytest.MonkeyPatch, folder: str, model: str
) -> None:
    rows = new_rows(project)
    monkeypatch.chdir(project / folder)
    predict.run(Path(model), rows, project / "out.csv")
    assert_scored(project, "color", "neural")


def test_what_cannot_be_written_is_said_first(project: Path) -> None:
    rows = new_rows(project)
    before = rows.read_bytes()
    link = project / "link.csv"
    link.symlink_to(rows)
    result = "is a result of the pipeline"
    for out, told in (
        (project, "is a folder"),
        (rows, "is the table of new rows"),
        (link, "is the table of new rows"),
        (Path("/dev/null"), "is no ordinary file"),
        (project / "runs/color/neural/model.keras", result),
        (project / "data/schema.json", result),
    ):
        with pytest.raises(UserError, match=f"--out: .* {told}; expected the name of a CSV file to write"):
            predict.run(project / "runs/color/neural", rows, out)
    assert rows.read_bytes() == before


@pytest.mark.parametrize("file", ["data/schema.json", "runs/color/neural/weights.json"])
@pytest.mark.parametrize(
    "content",
    ["", "{}", "[]", "3", "null", "[" * 100_000, '{"digest": 3}', '{"digest": null}', '{"a": NaN}', "9" * 5000],
)
def test_a_malformed_file_of_a_model_is_said(project: Path, file: str, content: str) -> None:
    rows = new_rows(project)
    (project / file).write_text(content)
    with pytest.raises(UserError) as caught:
        predict.run(project / "runs/color/neural", rows, None)
    assert str(caught.value).startswith(str(project / file))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda schema: schema["targets"]["color"].update(family="other"), "expected the family bernoulli or"),
        (lambda schema: schema["encoding"].clear(), OTHER_SCHEMA),
        (lambda schema: schema["encoding"].pop(), OTHER_SCHEMA),
        (lambda schema: schema["encoding"].append(schema["encoding"][0]), OTHER_SCHEMA),
        (lambda schema: schema["encoding"][0].update(fill=1.0), OTHER_SCHEMA),
        (lambda schema: schema["targets"]["color"].update(classes=[5, 7, 9]), OTHER_SCHEMA),
        (lambda schema: schema["targets"]["color"].update(classes=[1, 0]), OTHER_SCHEMA),
        (lambda schema: schema["targets"].pop("color"), "has no target of this name"),
    ],
)
def test_a_schema_of_another_model_is_said(project: Path, change: Callable[[dict], object], told: str) -> None:
    rows = new_rows(project)
    schema = read_json(project / "data/schema.json")
    change(schema)
    write_json(project / "data/schema.json", schema)
    with pytest.raises(UserError, match=told):
        predict.run(project / "runs/color/neural", rows, None)


def test_stdout_is_utf_8_and_an_ascii_terminal_ends_nothing(project: Path) -> None:
    code = "from straightline.__main__ import main; main()"
    rows = new_rows(project).rename(project / "neuß.csv")
    pd.read_csv(rows).rename(columns={"age": "größe"}).to_csv(rows, index=False)
    ascii_only = os.environ | {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    words = ["predict", "runs/num_balloons/regression"]
    for path, told in (
        (b"neu\xc3\x9f.csv", b"neu\\xdf.csv: has no column 'age'; nearest: "),
        (b"\xff.csv", b"udcff.csv: no such"),
    ):
        done = subprocess.run(
            [sys.executable, "-c", code, *words, path], cwd=project, env=ascii_only, capture_output=True, check=False
        )
        assert (done.returncode, told in done.stderr) == (2, True), done.stderr


def test_a_date_is_a_date(project: Path) -> None:
    schema = read_schema(project)
    feature = replace(schema.encoding[0], name="day", kind="date")
    known = encoding.raw(pd.DataFrame({"day": ["2020-02-01", "2020-02-02"]}), feature)
    assert known.tolist() == [18293, 18294]
    for wrong in (["now"], ["today"], ["01/02/2020"], [20200201], [2020.5]):
        with pytest.raises(UserError, match="column 'day', row 1: expected a date"):
            encoding.raw(pd.DataFrame({"day": wrong}), feature)


def test_a_large_number_is_one_and_its_prediction_is_finite_or_refused(project: Path) -> None:
    rows = new_rows(project)
    pd.read_csv(rows).assign(age=[1e39] + [30] * (len(pd.read_csv(rows)) - 1)).to_csv(rows, index=False)
    predict.run(project / "runs/num_balloons/regression", rows, project / "out.csv")
    assert np.isfinite(pd.read_csv(project / "out.csv")["num_balloons"]).all()
    with pytest.raises(UserError, match=r"new\.csv: row 1: expected a finite prediction, got (nan|-?inf)"):
        predict.run(project / "runs/num_balloons/neural", rows, None)


def test_a_model_that_training_did_not_write_is_refused(project: Path) -> None:
    path = project / "runs/color/regression/model.keras"
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(UserError, match="which training recorded"):
        predict.run(path, new_rows(project), None)


def test_the_digest_is_with_the_weights(project: Path) -> None:
    folder = project / "runs/color/neural"
    weights = read_json(folder / "weights.json")
    assert weights["digest"] == hashlib.sha256((folder / "model.keras").read_bytes()).hexdigest()
    write_json(folder / "weights.json", weights | {"digest": "0" * 64})
    with pytest.raises(UserError, match="expected 000000000000"):
        predict.run(folder, new_rows(project), None)


def test_words_that_look_like_other_types_alone_are_those_of_training(tmp_path: Path) -> None:
    levels = {"code": ("007", "020", "A12"), "flag": ("false", "true", "unknown"), "zip": ("10115", "20095")}
    features = [Feature(name, "category", levels=words, reference=words[0]) for name, words in levels.items()]
    path = tmp_path / "new.csv"
    path.write_text("code,flag,zip,more\n020,true,20095,1\n007,false,,2\n21,true,020095,3\n")
    frame, _ = predict._read(path, predict.Options(), features, [])
    assert frame["code"].tolist() == ["020", "007", "21"]
    assert frame["flag"].tolist() == ["true", "false", "true"]
    assert encoding.raw(frame, features[2]).tolist() == ["20095", "(missing)", "20095"]
    assert list(map(str, encoding.unseen(frame, features[:2]))) == ["code: 21 not in the training rows, taken as 007"]


def test_numbers_without_the_percent_signs_of_training_are_told() -> None:
    feature = Feature("discount", "number", written=Notation(unit="%"))
    assert encoding.without_percent_signs(pd.DataFrame({"discount": ["5%"]}), [feature]) == []
    (told,) = encoding.without_percent_signs(pd.DataFrame({"discount": [0.05]}), [feature])
    assert told == ("discount: has no percent signs, which the training rows had; 0.05 is taken as 0.05 %, not as 5 %")
