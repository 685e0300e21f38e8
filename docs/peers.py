"""Write docs/peers.md from what `python benchmarks/peers.py` and `python benchmarks/notebook.py` wrote.

Run as `python docs/peers.py > docs/peers.md` in the project's folder. The text is in docs/peers/page.md.jinja. Defaults
of arguments, printed output and all numbers come from the files beside it.
"""

import re
from functools import cache
from pathlib import Path

import jinja2
import pandas as pd

SCRIPTS, DOCS = Path("benchmarks/peers"), Path("docs")
PEERS = ["straightline", "skore", "lazypredict", "pycaret", "statsmodels", "autogluon"]
LONGEST = 120  # Characters of a printed line that the page shows.

# The lines of the printed output that the page shows.
SHOWN = {
    "straightline": r"^(Yes|better|Use|    neural|loss saved|progression: |┃|│ (reg|neu|pred|random|Inter|bmi|s5))",
    "skore": r"mean_line|^(metric|r2|rmse|mae) ",
    "lazypredict": r"R-Squared|^(ElasticNet|TweedieR|LinearR|ExtraTreesR|RandomF|DummyR|MLPR)\w* ",
    "pycaret": r"Fold (Gen|Number)|MAE +MSE|^(lr|ridge|et|dummy|mlp) +[A-Z]",
    "statsmodels": r"R-squared|coef|^(Intercept|age|bmi|s5) |Cond. No.|Wald",
    "autogluon": r"score_test|^[0-9]+ ",
}
# A row of the table of models that each prints, up to the line that matches the second pattern.
MODELS = {
    "lazypredict": (r"^([A-Z]\w+) +-?[0-9]", r"^$"),
    "pycaret": (r"^([a-z]+) +[A-Z]", r"R2 +RMSLE"),
    "autogluon": (r"^[0-9]+ +(\w+) ", r"score_test"),
}
TOOK = {
    "version": "version",
    "lines": "lines typed",
    "seconds": "seconds",
    "cpu_seconds": "seconds of CPU",
    "memory_mib": "memory (MiB)",
    "packages": "packages installed",
    "installed_mib": "size of these (MiB)",
    "files": "left in the folder",
}


def main() -> None:
    """Print the page."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(DOCS / "peers"), undefined=jinja2.StrictUndefined, keep_trailing_newline=True
    )
    template = environment.get_template("page.md.jinja")
    waited = pd.read_csv(DOCS / "peers/cells.csv")["seconds"]
    functions = {"argument": argument, "code": code, "printed": printed, "models": models, "took": took}
    print(template.render(**functions, waited=list(waited)), end="")


@cache
def defaults() -> pd.Series:
    """Return the texts of the defaults by call and argument."""
    table = pd.read_csv(DOCS / "peers/arguments.csv", keep_default_na=False)
    return table.set_index(["call", "argument"])["default"]


def argument(call: str, *names: str) -> str:
    """Return arguments of a call with their defaults, as code. Raises KeyError for an argument that it lacks."""
    values = [(name, defaults()[call, name]) for name in names]
    return ", ".join(f"`{name}={default}`" if default else f"`{name}`" for name, default in values)


def code(name: str) -> str:
    """Return what is typed, without the marks of the cells of a notebook."""
    return (SCRIPTS / f"{name}.py").read_text(encoding="utf-8").replace("# %%\n", "\n").strip()


def printed(peer: str) -> str:
    """Return what was printed, with "..." for what is left out."""
    lines: list[str] = []
    for line in output(peer):
        if re.search(SHOWN[peer], line):
            lines.append(line.rstrip() if len(line) <= LONGEST else f"{line[:LONGEST].rstrip()} ...")
        elif re.search(r"\w", line) and lines[-1:] != ["..."]:
            lines.append("...")
    return "\n".join(lines)


def models(peer: str) -> int:
    """Return the number of models in the first table that was printed."""
    row, end = MODELS[peer]
    names: list[str] = []
    for line in output(peer):
        if re.search(end, line) and names:
            break
        names += re.findall(row, line)
    return len(names)


def output(peer: str) -> list[str]:
    """Return the lines that were printed."""
    return (DOCS / f"peers/{peer}.txt").read_text(encoding="utf-8").splitlines()


def took() -> str:
    """Return the rows of a table of what each run took."""
    rows = pd.read_csv(DOCS / "peers.csv", keep_default_na=False, dtype=str).set_index("peer")
    lines = [[title, *(rows[column][peer] or "nothing" for peer in PEERS)] for column, title in TOOK.items()]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


if __name__ == "__main__":
    main()
