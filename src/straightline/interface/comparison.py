"""A comparison of models: the answer, its evidence, and the fitted models, read from a folder of results."""

from __future__ import annotations

import io
import shutil
import tempfile
import zipfile
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from straightline.comparison import verdict as contracts
from straightline.errors import UserError
from straightline.interface.displays import Checks, Losses
from straightline.interface.fitted import FittedModel
from straightline.interface.formula import Design
from straightline.interface.frames import Library
from straightline.interface.gain import Gain
from straightline.interface.own_folder import OwnFolder, OwnResults
from straightline.interface.summary import Coefficients
from straightline.results import json_output, sentences
from straightline.results.files import Results, load_results


class Comparison:
    """The result of `straightline.compare`, or of `straightline.load` for a folder that `straightline run` wrote.

    It is a folder of results, which is read when something is asked. It prints its answer, shows its first screen in a
    notebook, can be pickled, and judges at another margin without training (`judge`).

    Attributes
    ----------
    answer : str
        Whether a straight line is enough: "yes", "no", "undecided", or "neither" if no model predicts the target.
    finding : str
        The result of the test behind the answer, such as "baseline_enough".
    gain : Gain
        The share of the straight line's loss that the network saves, with its interval.
    """

    def __init__(
        self,
        folder: Path,
        library: Library = "pandas",
        target: str | None = None,
        rules: Mapping[str, float] | None = None,
        design: Design | None = None,
        owner: OwnFolder | None = None,
    ) -> None:
        self._folder, self._library, self._rules = Path(folder), library, dict(rules or {})
        self._design, self._owner = design, owner
        names = list(self._results.verdicts)
        if target not in (None, *names):
            raise UserError(f"target: expected one of {', '.join(names)}, got {target!r}")
        self._target = target or names[0]

    @classmethod
    def of_folder(cls, folder: Path, library: Library = "pandas", design: Design | None = None) -> Comparison:
        """Return the comparison in a copy of `folder`, which lasts as long as the comparison.

        `design` is the formula that its models take tables by, or None.
        """
        owner = OwnFolder()
        kept = owner.path / "answer"
        shutil.copytree(folder, kept)
        return cls(kept, library, design=design, owner=owner)

    @cached_property
    def _results(self) -> Results:
        results = OwnResults(**vars(load_results(self._folder)), owner=self._owner)
        if not self._rules:
            return results
        from straightline.interface.judging import judged

        return judged(results, self._rules)

    @property
    def _verdict(self) -> contracts.Verdict:
        return self._results.verdicts[self._target]

    @property
    def answer(self) -> str:
        """Whether a straight line is enough: "yes", "no", "undecided" or "neither"."""
        return self._verdict.answer

    @property
    def finding(self) -> str:
        """The result of the test behind the answer, as verdicts/<target>.json has it."""
        return str(self._verdict.finding.value)

    @property
    def headline(self) -> str:
        """The answer as a sentence with its numbers."""
        target = self._results.schema.targets[self._target]
        baseline = self._results.family_of(self._target).baseline_title(target)
        return sentences.headline(self._verdict, target.column, baseline)

    @property
    def advice(self) -> str:
        """What to do."""
        return self._verdict.advice

    @property
    def gain(self) -> Gain:
        """The share of the straight line's loss that the best challenger saves."""
        verdict = self._verdict
        level = sentences.interval_level(verdict.confidence, verdict.chances) / 100
        return Gain(verdict.relative_gain, *verdict.relative_gain_interval, level, verdict.margin)

    @property
    def losses(self) -> Losses:
        """The losses of all models: on held-out folds, and on the rows that were held out from the beginning."""
        return Losses(self._results, self._target, self._library)

    @property
    def checks(self) -> Checks:
        """What is odd about the table."""
        return Checks(self._results.schema.checks, self._library)

    @property
    def regression(self) -> Coefficients:
        """The coefficients of the straight line, with their standard errors."""
        return Coefficients(self._results, self._target, self._verdict.baseline, self._library)

    @property
    def models(self) -> Mapping[str, FittedModel]:
        """The fitted models by name. They take raw columns, as the table had them."""
        return {
            variant.model: FittedModel(self._results, self._target, variant.model, self._design)
            for variant in self._results.variants_of(self._target)
        }

    @property
    def best(self) -> FittedModel:
        """The model that the verdict advises."""
        return self.models[self._verdict.advised]

    def judge(self, margin: float | None = None, confidence: float | None = None) -> Comparison:
        """Return the same comparison at another margin or confidence. Nothing is trained again.

        Raises UserError for values that are not possible.
        """
        given = {"margin": margin, "confidence": confidence}
        rules = self._rules | {name: value for name, value in given.items() if value is not None}
        return Comparison(self._folder, self._library, self._target, rules, self._design, self._owner)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as numbers, texts and lists, as `straightline show --json` does."""
        return json_output.as_dict(self._results)

    def to_markdown(self) -> str:
        """Return the report in Markdown. Its pictures are files in the folder that `save` writes."""
        return self._report("report.md")

    def to_html(self, path: str | Path | None = None) -> str:
        """Return the report as one HTML page without scripts, and write it to the file `path` if there is one."""
        page = self._report("index.html")
        if path is not None:
            Path(path).write_text(page, encoding="utf-8")
        return page

    def save(self, folder: str | Path) -> None:
        """Write the results to a new or empty `folder`, which `straightline.load` and the command line read.

        The formula is not written: the models in the folder take the columns that it makes. A pickle keeps it.
        Raises UserError if there is something in it.
        """
        place = Path(folder)
        if place.exists() and (not place.is_dir() or any(place.iterdir())):
            raise UserError(f"{place}: is not empty; expected a new folder")
        shutil.copytree(self._folder, place, dirs_exist_ok=True)
        if self._rules:
            from straightline.interface.judging import rewrite

            rewrite(place, self._rules)

    def _report(self, name: str) -> str:
        if not self._rules:
            return (self._folder / "reports" / name).read_text(encoding="utf-8")
        with tempfile.TemporaryDirectory(prefix="straightline-") as folder:
            self.save(Path(folder) / "answer")
            return (Path(folder) / "answer/reports" / name).read_text(encoding="utf-8")

    def __repr__(self) -> str:
        from straightline.interface.text import as_text

        return as_text(self._results)

    def _repr_html_(self) -> str:
        from straightline.interface.fragment import fragment

        return fragment(self._results, self._target)

    def __getstate__(self) -> dict[str, Any]:
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in sorted(self._folder.rglob("*")):
                if path.is_file():
                    archive.write(path, path.relative_to(self._folder).as_posix())
        kept: dict[str, Any] = {"library": self._library, "target": self._target, "rules": self._rules}
        kept["design"] = self._design
        return kept | {"files": buffer.getvalue()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        owner = OwnFolder()
        with zipfile.ZipFile(io.BytesIO(state["files"])) as archive:
            archive.extractall(owner.path / "answer")
        kept = (state[name] for name in ("library", "target", "rules", "design"))
        self.__init__(owner.path / "answer", *kept, owner)  # type: ignore[misc]


def load(folder: str | Path, target: str | None = None) -> Comparison:
    """Return the comparison in a folder that `Comparison.save` or `straightline run` wrote, or in a project.

    `target` is the key of a target in params.yaml; None is the first one. Raises UserError if there are no results.
    """
    return Comparison(Path(folder), target=target)
