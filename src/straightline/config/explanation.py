"""What is wrong with settings, in words."""

import re
from collections.abc import Mapping
from typing import Any

from pydantic_core import ErrorDetails

from straightline.errors import UserError


def refuse_target(value: Any, origin: str, place: str) -> None:
    """Raise UserError if the key `_target_` is anywhere in `value`, which stands at `place` in the settings."""
    children = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        if key == "_target_":
            raise UserError(
                f"{origin}: {place or 'top level'} has _target_ ({child!r}); models are chosen by name "
                "(kind: regression, neural), never instantiated from a config; remove the key"
            )
        refuse_target(child, origin, f"{place}.{key}".lstrip("."))


def explain(detail: ErrorDetails) -> str:
    """Return in words which setting pydantic refuses, what was expected and what came."""
    # A discriminated union adds its tag to the location, as the second `neural` in: models, neural, neural, hidden, 0.
    location = list(detail["loc"])
    if location[:1] == ["data"]:
        location[1:2] = []
    elif location[:1] == ["models"]:
        location[2:3] = []
    name = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).lstrip(".")
    if detail["type"] in ("unexpected_keyword_argument", "extra_forbidden"):
        return f"{name} is not a setting; check its spelling or remove it"
    if detail["type"] in ("missing", "missing_argument"):
        return f"{name} is missing"
    if detail["type"].startswith("union_tag"):
        context = detail["ctx"]
        name += "." + context["discriminator"].strip("'")
        return f"{name}: expected one of {context.get('expected_tags', 'the kinds')}, got {context.get('tag')!r}"
    message = re.sub(r"^Input should be (a )?|^(List|String|Dictionary) should ", "", detail["msg"])
    return f"{name}: expected {message}, got {detail['input']!r}"
