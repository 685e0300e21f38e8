"""What rooms hand to each other and the pipeline writes as JSON: frozen dataclasses, checked where they are read."""

from collections.abc import Mapping
from typing import Any, Self

from pydantic import TypeAdapter, ValidationError

from straightline.errors import UserError


class Contract:
    """The JSON form of a frozen dataclass: its fields in their order, nested ones as mappings."""

    def to_json(self) -> dict[str, Any]:
        """Return the values that `from_json` takes."""
        return dict(TypeAdapter(type(self)).dump_python(self, mode="json"))

    @classmethod
    def from_json(cls, values: Mapping[str, Any], origin: str = "JSON") -> Self:
        """Return the object that `values` describe; keys that it does not have are left aside.

        Raises UserError, which names `origin` and the first field, where one is missing or has another type.
        """
        try:
            return TypeAdapter(cls).validate_python(values)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"]))
            raise UserError(
                f"{origin}: {place}: {first['msg'].lower()}; another version of straightline wrote it, or it was "
                "changed: run `dvc repro`"
            ) from None
