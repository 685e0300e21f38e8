"""Stage `report`: the results as a page, pictures, and one table of all loss curves."""

from pathlib import Path

from straightline.artifacts import replacing, write_csv, write_text
from straightline.page import draw, loss_table, render
from straightline.results import load_results
from straightline.stages import stage


def run(root: Path) -> None:
    """Write reports/index.html, reports/*.png and reports/losses.csv below `root`."""
    results = load_results(root)
    table = loss_table(results)
    drawn = draw(results, table)
    page = render(results, drawn, (root / "params.yaml").read_text(encoding="utf-8"))
    for name, content in drawn.items():
        with replacing(root / "reports" / name) as temporary:
            temporary.write_bytes(content)
    write_csv(root / "reports/losses.csv", table)
    write_text(root / "reports/index.html", page)
    # Without DVC, which empties the folder, a picture of rows that are no longer held out would stay.
    for path in (root / "reports").glob("predictions-*.png"):
        if path.name not in drawn:
            path.unlink()
    print("report: reports/index.html")


if __name__ == "__main__":
    with stage("report"):
        run(Path("."))
