"""The search space of a sweep, parsed from Hydra overrides, and the settings at each of its points."""

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
from straightline.models import Regression

Point = Mapping[str, str | float | int]  # key -> the text of a choice, or a number from an interval


@dataclass(frozen=True)
class Dimension:
    """A setting that varies: either its `choices`, or an interval from `low` to `high`.

    `choices` maps the text that Hydra writes for a choice to its value. In an interval of whole numbers, `low` and
    `high` are int. A `log` interval is sampled on a logarithmic scale.
    """

    key: str
    choices: Mapping[str, Any] | None = None
    low: float = 0.0
    high: float = 0.0
    log: bool = False

    @property
    def is_whole(self) -> bool:
        """Whether this is an interval of whole numbers."""
        return isinstance(self.low, int) and isinstance(self.high, int)

    def value(self, point: Point) -> Any:
        """Return the value of the setting at `point`."""
        return point[self.key] if self.choices is None else self.choices[str(point[self.key])]


@dataclass(frozen=True)
class Space:
    """All dimensions of a sweep, the settings `base` of everything else, and the name `model` of the network."""

    dimensions: Sequence[Dimension]
    base: Mapping[str, Any]
    model: str

    @property
    def size(self) -> int | None:
        """The number of points, or None if there is an interval, which has infinitely many."""
        product = 1
        for dimension in self.dimensions:
            if dimension.choices is None:
                return None
            product *= len(dimension.choices)
        return product

    def points(self) -> list[dict[str, str]]:
        """Return every point of a space without intervals; the last dimension changes fastest."""
        keys = [dimension.key for dimension in self.dimensions]
        choices = [list(dimension.choices or {}) for dimension in self.dimensions]
        return [dict(zip(keys, combination, strict=True)) for combination in itertools.product(*choices)]

    def config(self, point: Point) -> Config:
        """Return the settings at `point`. Raises UserError if they are not valid."""
        values = copy.deepcopy(dict(self.base))
        for dimension in self.dimensions:
            *parents, last = dimension.key.split(".")
            section: Any = values
            for parent in parents:
                section = section[parent]
            section[last] = dimension.value(point)
        return parse(values, "sweep")


def digest(config: Config, model: str, data: str) -> str:
    """Return the identity of a trial: a digest of everything that its fits depend on.

    `data` is a digest of the rows.
    """
    content = [asdict(config.models[model]), asdict(config.fit), asdict(config.folds), data]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def space(overrides: Sequence[str], compose: Callable[[Sequence[str]], Mapping[str, Any]]) -> Space:
    """Parse `overrides` into a space; `compose` returns the settings for the overrides that have a single value.

    Raises UserError for overrides that Hydra cannot parse, for unknown keys (with the nearest known ones), for empty
    choices, ranges and intervals, for keys that a sweep cannot vary, and if nothing varies.
    """
    fixed, dimensions = _parsed(overrides)
    if not dimensions:
        raise UserError(
            "sweep: nothing varies; expected a key with several values, such as models.neural.hidden=[8],[16,16] or "
            "'models.neural.learning_rate=tag(log,interval(1e-4,1e-1))'"
        )
    base = compose(fixed)
    known = flattened(base)
    for dimension in dimensions:
        _require_known(dimension.key, known)
    return Space(dimensions, base, _network(dimensions, base))


def _parsed(overrides: Sequence[str]) -> tuple[list[str], list[Dimension]]:
    """Return the overrides with a single value, and the dimensions of the others."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    fixed, dimensions = [], []
    for text in overrides:
        try:
            (override,) = OverridesParser.create().parse_overrides([text])
        except HydraException as error:
            raise UserError(f"sweep: {text}: not a valid Hydra override: {' '.join(str(error).split())}") from None
        if not override.is_sweep_override():
            fixed.append(text)
        elif override.is_add() or override.is_force_add() or override.package is not None:
            raise UserError(
                f"sweep: {text}: a sweep varies single, existing settings; choose a model or group with one value"
            )
        else:
            dimensions.append(_dimension(override, text))
    keys = [dimension.key for dimension in dimensions]
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
            raise UserError(f"sweep: {text}: expected an interval above 0, since it is logarithmic")
        return Dimension(key, None, start, end, "log" in sweep.tags)
    if isinstance(sweep, Glob) or not override.is_discrete_sweep():
        raise UserError(f"sweep: {text}: expected choices, a range or an interval")
    elements = list(override.sweep_iterator())
    if not elements:
        raise UserError(f"sweep: {text}: is empty; expected at least one value")
    return Dimension(
        key, {override._get_value_element_as_str(element): override._convert_value(element) for element in elements}
    )


def _require_known(key: str, known: Mapping[str, Any]) -> None:
    if inside := [setting for setting in known if setting.startswith(f"{key}.")]:
        raise UserError(f"sweep: {key} stands for many settings; vary one of them, such as {inside[0]}")
    if key not in known:
        close = difflib.get_close_matches(key, known, n=3, cutoff=0.6)
        raise UserError(f"sweep: {key} is not a setting" + (f"; nearest: {', '.join(close)}" if close else ""))
    if not key.startswith(("models.", "fit.")):
        raise UserError(
            f"sweep: {key} cannot vary, only models.<a network>.* and fit.*, so that losses can be compared"
        )


def _network(dimensions: Sequence[Dimension], base: Mapping[str, Any]) -> str:
    """Return the name of the network that the sweep varies."""
    config = parse(base, "sweep")
    networks = [name for name, model in config.models.items() if not isinstance(model, Regression)]
    varied = sorted({each.key.split(".")[1] for each in dimensions if each.key.startswith("models.")})
    for name in varied:
        if name not in networks:
            raise UserError(f"sweep: {name} is a regression, which is always fitted exactly; vary a network")
    if len(varied or networks) != 1:
        raise UserError(
            f"sweep: expected one network to vary, got {', '.join(varied or networks) or 'none'}; vary one at a time"
        )
    return (varied or networks)[0]
