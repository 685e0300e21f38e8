"""Frozen dataclasses that packages share and the pipeline writes as JSON. They are checked when they are read."""

from collections.abc import Mapping
from typing import Any, Self

from pydantic import TypeAdapter, ValidationError

from straightline.errors import UserError


class Contract:
    """Convert a frozen dataclass to and from JSON: fields keep their order, nested dataclasses are mappings."""

    def to_json(self) -> dict[str, Any]:
        """Return the values that `from_json` takes."""
        return dict(TypeAdapter(type(self)).dump_python(self, mode="json"))

    @classmethod
    def from_json(cls, values: Mapping[str, Any], origin: str = "JSON") -> Self:
        """Return the object that `values` describe. Unknown keys are ignored.

        Raises UserError if a field is missing or has another type. The message names `origin` and the first such field.
        """
        try:
            return TypeAdapter(cls).validate_python(values)
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(map(str, first["loc"]))
            raise UserError(
                f"{origin}: {field}: {first['msg'].lower()}; the file was changed, or another version of straightline "
                "wrote it: use `straightline run` again if that made it, else run `dvc repro`"
            ) from None
