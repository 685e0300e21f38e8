"""The answer to another question never takes the place of one that was computed, unless that is asked for."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from straightline.errors import UserError
from straightline.outputs.folder import MANIFEST
from straightline.outputs.question import Question, folder_for

FILE = Path("houses.csv")


def settings(*targets: str, **data: Any) -> dict[str, Any]:
    """Return the settings that tell a question, and one that does not."""
    table = {"path": "/houses.csv", "features": None, "exclude": [], "held_out": 0.2}
    return {"data": table | data, "targets": {target: {"column": target} for target in targets or ("price",)}}


def answer(folder: Path, values: dict[str, Any]) -> None:
    folder.mkdir()
    (folder / MANIFEST).touch()
    (folder / "params.yaml").write_text(yaml.safe_dump(values))


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


SAME = [settings(), settings(exclude=[], features=None, held_out=0.5, groups="shop")]
OTHER = [
    settings("sold"),
    settings("price", "sold"),
    settings(path="/flats.csv"),
    settings(sheet="2025"),
    settings(features=["size"]),
    settings(exclude=["id"]),
    settings(weights="rows"),
    {**settings(), "targets": {"price": {"column": "price", "exposure": "days"}}},
]


@pytest.mark.parametrize("values", SAME)
def test_the_same_question_goes_to_its_folder(values: dict[str, Any]) -> None:
    answer(Path("straightline-houses"), settings())
    assert folder_for("houses", values, None, replaces=False) == Path("straightline-houses")
    assert folder_for("houses", values, Path("straightline-houses"), replaces=False) == Path("straightline-houses")


@pytest.mark.parametrize("stream", ["standard input", "pipe"])
def test_a_stream_never_brings_the_same_table(stream: str) -> None:
    values = settings(path=stream)
    answer(Path("straightline-pipe"), values)
    assert folder_for("pipe", values, None, replaces=False) == Path("straightline-pipe-price")
    assert folder_for("pipe", values, None, replaces=True) == Path("straightline-pipe")
    with pytest.raises(UserError, match="holds the answer to another question"):
        folder_for("pipe", values, Path("straightline-pipe"), replaces=False)


@pytest.mark.parametrize("values", OTHER)
def test_another_one_goes_to_another_folder_or_is_refused(
    values: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    out = Path("straightline-houses")
    answer(out, settings())
    longer = f"straightline-houses-{'-'.join(values['targets'])}"
    assert folder_for("houses", values, None, replaces=False) == Path(longer)
    told = "straightline-houses holds the answer to another question (price in /houses.csv from all other columns)"
    assert f"{told}; this answer goes to {longer}" in capsys.readouterr().out
    with pytest.raises(UserError, match="choose another folder with --out, or replace what it holds with"):
        folder_for("houses", values, out, replaces=False)
    assert folder_for("houses", values, out, replaces=True) == out
    assert folder_for("houses", values, None, replaces=True) == out

    answer(Path(longer), settings("a third one"))
    assert folder_for("houses", values, None, replaces=False) == Path(f"{longer}-2")
    answer(Path(f"{longer}-2"), values)
    assert folder_for("houses", values, None, replaces=False) == Path(f"{longer}-2")


def test_the_order_of_names_makes_no_other_question() -> None:
    one, two = settings("a", "b", features=["c", "d"]), settings("b", "a", features=["d", "c"])
    assert Question.of(one) == Question.of(two)
    assert str(Question.of(one)) == "a, b in /houses.csv from c, d"
    assert str(Question.of(settings(exclude=["id"]))) == "price in /houses.csv from all other columns but id"
    assert str(Question.of(settings(weights="rows"))) == "price in /houses.csv from all other columns, weights rows"


@pytest.mark.parametrize("text", ["", "data: 3", "data: {path: a}", "targets: [", "data: {path: a}\ntargets: {a: 3}"])
def test_results_of_an_unknown_question_are_kept_too(text: str) -> None:
    answer(Path("out"), settings())
    Path("out/params.yaml").write_text(text)
    with pytest.raises(UserError, match=r"out: holds results whose params\.yaml is not readable"):
        folder_for("houses", settings(), Path("out"), replaces=False)
