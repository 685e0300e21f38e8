"""docs/architecture.md: each kind of addition needs the files that the page names, and no others.

A copy of the project gets one of each: a family, a model, a kind of network, a check, a finding, an artifact and a
table option. One run of the copy then has to show all of them.
"""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from tests.conftest import ROOT

GEOMETRIC = '''
"""Counts with a variance of mean + mean^2: the negative binomial distribution with shape 1, and a log link."""

import numpy as np
from scipy import special

from straightline.families.family import AS_IT_IS, Newton
from straightline.families.poisson import Poisson


class Geometric(Poisson):
    name = "geometric"
    is_count = False
    classical_errors = "expected information"

    def target_scaling(self, mean, deviation, offset_center):
        return AS_IT_IS

    def loss_unit(self, target_scale):
        return 1.0

    def variance(self, mean):
        return mean + mean**2

    def predictor_losses(self, predictor, labels):
        least = special.xlogy(labels + 1, labels + 1) - special.xlogy(labels, labels)
        return 2 * ((labels + 1) * np.logaddexp(0, predictor) - labels * predictor - least)

    def newton(self, predictor, labels):
        share = special.expit(predictor)
        return Newton(labels - (labels + 1) * share, (labels + 1) * share * (1 - share))

    def information(self, predictor, labels):
        return special.expit(predictor)

    def keras_loss(self, labels, predictor):
        from keras import ops

        return ops.mean(2 * ((labels + 1) * ops.softplus(predictor) - labels * predictor), axis=-1)
'''


@dataclass(frozen=True)
class Addition:
    """An addition: its heading in docs/architecture.md, new files, and (anchor, text put before it) by file.

    An anchor stands exactly once in its file.
    """

    heading: str
    new: dict[str, str]
    edits: dict[str, list[tuple[str, str]]]

    @property
    def files(self) -> list[str]:
        return [*self.new, *self.edits]

    def apply(self, root: Path) -> None:
        for name, text in self.new.items():
            assert not (root / name).exists()
            (root / name).write_text(text)
        for name, insertions in self.edits.items():
            text = (root / name).read_text()
            for anchor, inserted in insertions:
                assert text.count(anchor) == 1, f"{name}: {anchor}"
                text = text.replace(anchor, inserted + anchor)
            (root / name).write_text(text)


def additions() -> list[Addition]:
    network = (ROOT / "src/straightline/models/neural.py").read_text()
    source = "src/straightline"
    return [
        Addition(
            "a family",
            {f"{source}/families/geometric.py": GEOMETRIC},
            {
                f"{source}/families/__init__.py": [
                    ("\nif TYPE_CHECKING:", "from straightline.families.geometric import Geometric\n"),
                    ("Gamma())", "Geometric(), "),
                ]
            },
        ),
        Addition(
            "a model of a kind that exists", {"conf/model/tiny.yaml": "defaults: [single, _self_]\nhidden: [2]\n"}, {}
        ),
        Addition(
            "a new kind of network",
            {
                f"{source}/models/wide.py": network.replace("Neural", "Wide").replace('"neural"', '"wide"'),
                "conf/model/wide.yaml": "defaults: [single, _self_]\nkind: wide\nhidden: [8]\n",
            },
            {
                f"{source}/models/__init__.py": [
                    ("\n__all__", "from straightline.models.wide import Wide\n"),
                    (", Field(discriminator", " | Wide"),
                ]
            },
        ),
        Addition(
            "a check of a table",
            {},
            {
                f"{source}/data/checks.py": [
                    ("    for target in targets.values():\n        values", "    found += _shape_checks(table)\n"),
                    (
                        "def _row_checks",
                        'def _shape_checks(table):\n    return [Check("shape", f"{len(table)} rows seen")]\n\n\n',
                    ),
                ]
            },
        ),
        Addition(
            "a finding",
            {},
            {
                f"{source}/comparison/verdict.py": [
                    ("\n    @property\n    def answer", '    not_shown = "not_shown"\n'),
                    ("Finding.undecided else", "Finding.not_shown or self is "),
                    (
                        'Finding.undecided: "the folds',
                        'Finding.not_shown: f"nothing is shown of {challenger}",\n            ',
                    ),
                ],
                f"{source}/comparison/findings.py": [
                    (
                        "    if baseline_better >= level:",
                        "    if challenger_better < level:\n        return Finding.not_shown\n",
                    )
                ],
                f"{source}/comparison/advice.py": [
                    (
                        '        case "baseline_better"',
                        '        case "not_shown":\n            return "Wait for more."\n',
                    )
                ],
            },
        ),
        Addition(
            "a tracked artifact",
            {},
            {
                f"{source}/training/records.py": [
                    ("    fold_history: pd.DataFrame", "    label_counts: pd.Series | None = None\n"),
                    (
                        "def learning_table",
                        "def label_counts(labels):\n    return labels.value_counts()\n\n\n",
                    ),
                ],
                f"{source}/training/variants.py": [
                    ("    learning_table,\n    weight", "    label_counts,\n"),
                    (
                        "fold_history=fold_history_table",
                        "label_counts=label_counts(pd.Series(table.labels)),\n        ",
                    ),
                ],
                f"{source}/stages/train.py": [
                    (
                        "    if trained.coefficients is not None",
                        "    if trained.label_counts is not None:\n"
                        '        write_csv(folder / "label_counts.csv", trained.label_counts.reset_index())\n',
                    )
                ],
            },
        ),
        Addition(
            "an option of a table",
            {},
            {
                "conf/data/table.yaml": [("# null: detected", "first_rows: null\n")],
                f"{source}/config/sources.py": [
                    ("    delimiter: str | None", "    first_rows: Annotated[int, Field(ge=1)] | None\n")
                ],
                f"{source}/cli/arguments.py": [
                    ("    delimiter: Delimiter", "    first_rows: int | None = None,\n"),
                    ('    values |= {"delimiter"', '    values |= {"first_rows": first_rows}\n'),
                ],
            },
        ),
    ]


ROWS_READ = {
    "src/straightline/data/preparation.py": [
        ("    path, names =", "    frame = frame.iloc[: config.data.first_rows]\n")
    ]
}


@pytest.mark.parametrize("addition", additions(), ids=lambda addition: addition.heading)
def test_the_page_names_each_file_that_an_addition_needs(addition: Addition) -> None:
    page = (ROOT / "docs/architecture.md").read_text()
    section = page.split(f"**{addition.heading}**")[1].split("\n**")[0]
    assert len(addition.files) <= 3
    for name in addition.files:
        pattern = name.removeprefix("src/straightline/")
        stem = Path(pattern).stem
        named = (pattern, pattern.replace(stem, "<name>"), pattern.replace(stem, "<kind>"))
        assert any(f"`{path}`" in section for path in named), name


# The package has links to these files, and a registered model brings the files of the package along.
LINKED = (".dvc/config", ".dvcignore", ".gitignore", "data/.gitignore")


def copied(root: Path) -> Path:
    """Return a copy of the project below `root`, with one of each addition."""
    for folder in ("src", "conf", "tests", ".dvc/plots"):
        shutil.copytree(ROOT / folder, root / folder, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "dvc.yaml", "params.yaml", *LINKED):
        (root / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, root / name)
    for addition in [*additions(), Addition("what the option does", {}, ROWS_READ)]:
        addition.apply(root)
    return root


def test_the_code_is_still_where_additions_go(tmp_path: Path) -> None:
    root = copied(tmp_path / "copy")
    for addition in additions():
        for name in addition.files:
            if name.endswith(".py"):
                compile((root / name).read_text(), name, "exec")


@pytest.mark.slow
def test_one_of_each_is_added_by_these_files_alone(tmp_path: Path) -> None:
    copy = copied(tmp_path / "copy")
    random = np.random.default_rng(2)
    table = pd.DataFrame({"x": random.normal(size=130), "z": random.normal(size=130)})
    table["visits"] = random.poisson(np.exp(0.5 + 0.8 * table["x"] - 0.6 * table["z"]))
    table.to_csv(tmp_path / "visits.csv", index=False)

    environment = os.environ | {"PYTHONPATH": str(copy / "src")}
    options = ["--target", "visits", "--family", "geometric", "--first-rows", "120", "--held-out", "0", "--track"]
    settings = ["fit.epochs=60", "folds.k=5", "folds.repeats=2", "folds.seeds=1", "~models.neural"]
    for model in ("tiny", "wide"):
        settings += [f"+model@models.{model}={model}", f"models.{model}.learning_rate=0.01"]
    command = [sys.executable, "-m", "straightline", "run", "visits.csv", *options, *settings]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr

    out = tmp_path / "straightline-visits"
    used = table.head(120)
    known = sm.GLM(used["visits"], sm.add_constant(used[["x", "z"]]), sm.families.NegativeBinomial(alpha=1.0)).fit(
        tol=1e-12
    )
    shown = pd.read_csv(out / "runs/visits/regression/coefficients.csv")
    np.testing.assert_allclose(shown["estimate"], known.params, rtol=1e-7)
    np.testing.assert_allclose(shown["std_error"], known.bse, rtol=1e-6)
    verdict = json.loads((out / "verdicts/visits.json").read_text())
    assert {name: result["finding"] for name, result in verdict["challengers"].items()} == {
        "tiny": "not_shown",
        "wide": "not_shown",
    }
    assert "120 rows seen" in done.stdout
    assert "Wait for more." in done.stdout
    tracked = list(tmp_path.rglob("mlartifacts/*/artifacts/files/label_counts.csv"))
    assert len(tracked) == 2
    assert pd.read_csv(tracked[0])["count"].sum() == 120

    rooms = ["-n", "0", "-q", "-p", "no:cacheprovider", "tests/test_dependencies.py", "-k", "room or cover or exactly"]
    rooms = [sys.executable, "-m", "pytest", *rooms]
    checked = subprocess.run(rooms, cwd=copy, env=environment, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout
