"""Stage `report`: write the results as a page, as Markdown with pictures, and as tables for DVC's plots."""

from pathlib import Path

from straightline.runtime.processor import use_common_instructions
from straightline.runtime.terminal import say

use_common_instructions()

import yaml

from straightline.report import figures, held_out_figures, render
from straightline.report.content import content
from straightline.report.pictures import canvas
from straightline.report.plot_tables import tables
from straightline.results.files import Results, load_results
from straightline.runtime.artifacts import replacing, write_csv, write_text
from straightline.runtime.stage import stage

PICTURES = ("*.png", "*.svg")
SETTINGS = ("data", "targets", "models", "fit", "folds", "verdict")  # the params of this stage in dvc.yaml


def run(root: Path) -> None:
    """Write reports/ below `root`, and say so."""
    write(root)
    say("report: reports/index.html")


def write(root: Path) -> None:
    """Write reports/ below `root`: index.html, report.md with its pictures, and the tables of dvc.yaml's plots."""
    results = load_results(root)
    report = content(results, _settings(root))
    pictures = {name: text.encode() for name, text in render.pictures(report).items()} | _composites(results)
    for name, picture in pictures.items():
        with replacing(root / "reports" / name) as temporary:
            temporary.write_bytes(picture)
    for name, table in tables(results).items():
        write_csv(root / "reports" / name, table)
    write_text(root / "reports/index.html", render.html(report))
    write_text(root / "reports/report.md", render.markdown(report))
    # Remove old pictures, such as those of rows that are no longer held out. DVC would do it; `straightline run` not.
    for path in (path for pattern in PICTURES for path in (root / "reports").glob(pattern)):
        if path.name not in pictures:
            path.unlink()


def _settings(root: Path) -> str:
    """Return the SETTINGS of params.yaml, on which the results depend, as YAML with sorted keys."""
    values = yaml.safe_load((root / "params.yaml").read_text(encoding="utf-8"))
    return str(yaml.safe_dump({key: values[key] for key in SETTINGS}, allow_unicode=True))


def _composites(results: Results) -> dict[str, bytes]:
    """Return the PNG pictures for DVC and MLflow: losses.png, and predictions-<target>.png if rows were held out."""
    names = list(results.config.targets)
    pictures = {"losses.png": canvas.png([figures.losses_panel(results, target, target) for target in names])}
    for target in names:
        if results.variants_of(target)[0].metrics["rows"]:
            pictures[f"predictions-{target}.png"] = canvas.png(held_out_figures.predictions_panels(results, target))
    return pictures


if __name__ == "__main__":
    with stage("report"):
        run(Path("."))
