"""Which question a folder of results answers, and which folder the answer to a question goes to."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import yaml

from straightline.config.streams import PIPE, STDIN
from straightline.errors import UserError
from straightline.outputs.folder import MANIFEST
from straightline.runtime.terminal import say

LONGEST_KEYS = 100  # characters of the targets' keys in the name of a folder


@dataclass(frozen=True)
class Question:
    """What is predicted from what: the table (a file, or a sheet of it), its targets, and the columns that are used.

    `rows` are the columns that belong to the rows and are not predicted from: an exposure, an offset, and weights. All
    else, such as the effort or the margin, is how the same question is answered. Names are sorted, since their order
    has no meaning; `features` is None for all columns but the targets, those in `exclude` and `rows`.
    """

    path: str
    sheet: str | None
    targets: tuple[str, ...]
    features: tuple[str, ...] | None
    exclude: tuple[str, ...]
    rows: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> "Question":
        """Return the question that the settings in `values`, the content of params.yaml, ask."""
        data, features = values["data"], values["data"].get("features")
        targets = list(values["targets"].values())
        rows = [(name, target.get(name)) for name in ("exposure", "offset") for target in targets]
        rows.append(("weights", data.get("weights")))
        return cls(
            path=str(data["path"]),
            sheet=None if data.get("sheet") is None else str(data["sheet"]),
            targets=tuple(sorted(target["column"] for target in targets)),
            features=None if features is None else tuple(sorted(features)),
            exclude=tuple(sorted(data.get("exclude", []))),
            rows=tuple(dict.fromkeys((name, str(column)) for name, column in rows if column is not None)),
        )

    def __str__(self) -> str:
        """Return the question in words."""
        others = "all other columns" if self.features is None else ", ".join(self.features)
        without = f" but {', '.join(self.exclude)}" if self.exclude else ""
        sheet = f", sheet {self.sheet}," if self.sheet else ""
        rows = "".join(f", {name} {column}" for name, column in self.rows)
        return f"{', '.join(self.targets)} in {self.path}{sheet} from {others}{without}{rows}"


def folder_for(name: str, values: Mapping[str, Any], out: Path | None, replaces: bool) -> Path:
    """Return the folder for the results of a run on the table called `name` with the settings `values`.

    It is `out`, or by default straightline-<name>. If that holds the answer to another question, the
    default gets the names of the targets, and if need be a number, at its end. With `replaces` it does not matter what
    a folder holds. Raises UserError if `out` holds the answer to another question.
    """
    default = f"straightline-{name}"
    if replaces:
        return out or Path(default)
    question = Question.of(values)
    if out is not None:
        if (held := _other_answer(out, question)) is not None:
            raise UserError(f"{out}: {held}; choose another folder with --out, or replace what it holds with --replace")
        return out
    folder = next(place for place in _places(default, list(values["targets"])) if not _other_answer(place, question))
    if folder.name != default:
        say(f"run: {default} {_other_answer(Path(default), question)}; this answer goes to {folder}")
    return folder


def _places(default: str, keys: Sequence[str]) -> Iterator[Path]:
    longer = f"{default}-{'-'.join(keys)[:LONGEST_KEYS]}"
    yield from (Path(default), Path(longer))
    yield from (Path(f"{longer}-{number}") for number in count(2))


def _other_answer(folder: Path, question: Question) -> str | None:
    """Return what `folder` holds if that is the answer to another question, else None."""
    if not (folder / MANIFEST).is_file():
        return None
    try:
        held = Question.of(yaml.safe_load((folder / "params.yaml").read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, KeyError, AttributeError, yaml.YAMLError):
        return "holds results whose params.yaml is not readable"
    is_file = question.path not in (STDIN, PIPE)  # Nobody knows whether a stream brings the same table again.
    return None if held == question and is_file else f"holds the answer to another question ({held})"
