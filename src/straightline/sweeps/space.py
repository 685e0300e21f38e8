"""What a sweep varies, in Hydra's own words, and the settings that a point of it stands for."""

import copy
import difflib
import hashlib
import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from straightline.config.composition import flattened
from straightline.config.settings import Config, parse
from straightline.errors import UserError
from straightline.models.neural import Neural

Point = Mapping[str, str | float | int]  # by key: a choice as Hydra writes it, or a number of an interval


@dataclass(frozen=True)
class Dimension:
    """A key and its `choices` (as Hydra writes them, and what they are), or an interval from `low` to `high`."""

    key: str
    choices: Mapping[str, Any] | None = None
    low: float = 0.0  # an interval of whole numbers has int for both
    high: float = 0.0
    log: bool = False

    @property
    def is_whole(self) -> bool:
        """Whether it is an interval of whole numbers."""
        return isinstance(self.low, int) and isinstance(self.high, int)

    def value(self, point: Point) -> Any:
        """Return the setting at `point`."""
        return point[self.key] if self.choices is None else self.choices[str(point[self.key])]


@dataclass(frozen=True)
class Space:
    """All dimensions, the settings `base` at which the rest stays, and the network that varies."""

    dimensions: Sequence[Dimension]
    base: Mapping[str, Any]
    model: str

    @property
    def size(self) -> int | None:
        """The number of points, or None where an interval has no end of them."""
        sizes = [None if one.choices is None else len(one.choices) for one in self.dimensions]
        product = 1
        for size in sizes:
            if size is None:
                return None
            product *= size
        return product

    def points(self) -> list[dict[str, str]]:
        """Return every point of a space without intervals, the last dimension fastest."""
        choices = [list(one.choices or {}) for one in self.dimensions]
        return [
            dict(zip([one.key for one in self.dimensions], own, strict=True)) for own in itertools.product(*choices)
        ]

    def config(self, point: Point) -> Config:
        """Return the settings at `point`. Raises UserError where they are not valid."""
        values = copy.deepcopy(dict(self.base))
        for one in self.dimensions:
            *parents, last = one.key.split(".")
            place: Any = values
            for parent in parents:
                place = place[parent]
            place[last] = one.value(point)
        return parse(values, "sweep")


def digest(config: Config, model: str, data: str) -> str:
    """Return the identity of a trial: what its fits depend on, `data` being a digest of the rows."""
    of = [asdict(config.models[model]), asdict(config.fit), asdict(config.folds), data]
    return hashlib.sha256(json.dumps(of, sort_keys=True).encode()).hexdigest()[:16]


def space(overrides: Sequence[str], compose: Callable[[Sequence[str]], Mapping[str, Any]]) -> Space:
    """Parse `overrides`; `compose` returns the settings that those with one value lead to.

    Raises UserError for words that Hydra does not know, unknown keys (with the nearest), empty choices, ranges and
    intervals, keys that a sweep cannot vary, and where nothing varies.
    """
    fixed, dimensions = _parsed(overrides)
    if not dimensions:
        raise UserError(
            "sweep: nothing varies; expected a key with several values, such as models.neural.hidden=[8],[16,16] or "
            "'models.neural.learning_rate=tag(log,interval(1e-4,1e-1))'"
        )
    base = compose(fixed)
    known = flattened(base)
    for one in dimensions:
        _require_known(one.key, known)
    return Space(dimensions, base, _network(dimensions, base))


def _parsed(overrides: Sequence[str]) -> tuple[list[str], list[Dimension]]:
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    fixed, dimensions = [], []
    for text in overrides:
        try:
            (override,) = OverridesParser.create().parse_overrides([text])
        except HydraException as error:
            raise UserError(f"sweep: {text}: not in Hydra's words: {' '.join(str(error).split())}") from None
        if not override.is_sweep_override():
            fixed.append(text)
        elif override.is_add() or override.is_force_add() or override.package is not None:
            raise UserError(
                f"sweep: {text}: a sweep varies single settings that are there; choose a model or group with one value"
            )
        else:
            dimensions.append(_dimension(override, text))
    keys = [one.key for one in dimensions]
    if repeated := sorted({key for key in keys if keys.count(key) > 1}):
        raise UserError(f"sweep: {repeated[0]} is given twice")
    return fixed, dimensions


def _dimension(override: Any, text: str) -> Dimension:
    from hydra.core.override_parser.types import Glob, IntervalSweep

    key, sweep = override.key_or_group, override.value()
    if isinstance(sweep, IntervalSweep):
        start, end = sweep.start, sweep.end
        if start is None or end is None or not start < end:
            raise UserError(f"sweep: {text}: expected an interval from a smaller to a larger number")
        if "log" in sweep.tags and start <= 0:
            raise UserError(f"sweep: {text}: expected an interval above 0 for a logarithmic one")
        return Dimension(key, None, start, end, "log" in sweep.tags)
    if isinstance(sweep, Glob) or not override.is_discrete_sweep():
        raise UserError(f"sweep: {text}: expected choices, a range or an interval")
    found = list(override.sweep_iterator())
    if not found:
        raise UserError(f"sweep: {text}: is empty; expected at least one value")
    return Dimension(key, {override._get_value_element_as_str(one): override._convert_value(one) for one in found})


def _require_known(key: str, known: Mapping[str, Any]) -> None:
    if inside := [one for one in known if one.startswith(f"{key}.")]:
        raise UserError(f"sweep: {key} stands for many settings; vary one of them, such as {inside[0]}")
    if key not in known:
        close = difflib.get_close_matches(key, known, n=3, cutoff=0.6)
        raise UserError(f"sweep: {key} is not a setting" + (f"; nearest: {', '.join(close)}" if close else ""))
    if not key.startswith(("models.", "fit.")):
        raise UserError(
            f"sweep: {key} cannot vary, only models.<a network>.* and fit.*, so that losses can be compared"
        )


def _network(dimensions: Sequence[Dimension], base: Mapping[str, Any]) -> str:
    config = parse(base, "sweep")
    networks = [name for name, model in config.models.items() if isinstance(model, Neural)]
    varied = sorted({one.key.split(".")[1] for one in dimensions if one.key.startswith("models.")})
    if lines := [name for name in varied if name not in networks]:
        raise UserError(f"sweep: {lines[0]} is a regression, whose loss is that of its exact fit; vary a network")
    if len(varied or networks) != 1:
        raise UserError(
            f"sweep: expected one network to vary, got {', '.join(varied or networks) or 'none'}; vary one at a time"
        )
    return (varied or networks)[0]
