"""The reference of the settings: the files of conf/ with their comments."""

from pathlib import Path

GROUPS = {
    "": "Defaults",
    "data": "Tables",
    "target": "Targets",
    "model": "Models",
    "effort": "Effort",
    "fit": "Training",
    "folds": "Folds",
    "verdict": "The verdict",
    "ladder": "Ladders of models",
    "tracking": "Tracking",
}


def markdown(conf: Path) -> str:
    """Return a section for each group of settings below the folder `conf`. Raises KeyError for a group without title."""
    folders = {path.parent.relative_to(conf).as_posix().strip(".") for path in conf.rglob("*.yaml")}
    order = sorted(folders, key=list(GROUPS).index)
    return "\n".join(_section(conf / folder, GROUPS[folder], folder) for folder in order)


def _section(folder: Path, title: str, group: str) -> str:
    files = sorted(folder.glob("*.yaml"))
    prefix = f"conf/{group}/" if group else "conf/"
    blocks = [f"**{prefix}{path.name}**\n\n```yaml\n{path.read_text(encoding='utf-8')}```\n" for path in files]
    return "\n".join([f"## {title}\n", *blocks])
