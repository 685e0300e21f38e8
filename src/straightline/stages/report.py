"""Stage `report`: the results as a page, Markdown, pictures, and the tables that DVC draws."""

from pathlib import Path

import yaml

from straightline.report import figures, render
from straightline.report.content import content
from straightline.report.pictures import canvas
from straightline.report.plot_tables import tables
from straightline.results.files import Results, load_results
from straightline.runtime.artifacts import replacing, write_csv, write_text
from straightline.runtime.stage import stage

PICTURES = ("*.png", "*.svg")
SETTINGS = ("data", "targets", "models", "fit", "folds", "verdict")  # the stage's params in dvc.yaml


def run(root: Path) -> None:
    """Write reports/ below `root`: index.html, report.md with its pictures, and the tables of dvc.yaml's plots."""
    results = load_results(root)
    found = content(results, _settings(root))
    drawn = {name: text.encode() for name, text in render.pictures(found).items()} | _composites(results)
    for name, picture in drawn.items():
        with replacing(root / "reports" / name) as temporary:
            temporary.write_bytes(picture)
    for name, table in tables(results).items():
        write_csv(root / "reports" / name, table)
    write_text(root / "reports/index.html", render.html(found))
    write_text(root / "reports/report.md", render.markdown(found))
    # Without DVC, which empties the folder, a picture of rows that are no longer held out would stay.
    for path in (path for pattern in PICTURES for path in (root / "reports").glob(pattern)):
        if path.name not in drawn:
            path.unlink()
    print("report: reports/index.html")


def _settings(root: Path) -> str:
    """Return what the results depend on of params.yaml, in one order whichever it has there."""
    values = yaml.safe_load((root / "params.yaml").read_text(encoding="utf-8"))
    return str(yaml.safe_dump({key: values[key] for key in SETTINGS}, allow_unicode=True))


def _composites(results: Results) -> dict[str, bytes]:
    """Return as PNG what DVC and MLflow show: losses.png, and predictions-<target>.png where rows were held out."""
    names = list(results.config.targets)
    drawn = {"losses.png": canvas.png([figures.losses_panel(results, target, target) for target in names])}
    for target in names:
        if results.variants_of(target)[0].metrics["rows"]:
            drawn[f"predictions-{target}.png"] = canvas.png(figures.predictions_panels(results, target))
    return drawn


if __name__ == "__main__":
    with stage("report"):
        run(Path("."))
