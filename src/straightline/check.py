"""What a reader should know about a table."""

from dataclasses import dataclass

from straightline.formatting import listed


@dataclass(frozen=True)
class Check:
    """What was seen in a table.

    `code` names the kind of the check, such as `constant`. `message` says what was seen, `columns` in which columns
    (none if it concerns the rows), and `advice` what to do, if there is something to do.
    """

    code: str
    message: str
    columns: tuple[str, ...] = ()
    advice: str = ""

    def __str__(self) -> str:
        """Return a sentence: the columns, the message and the advice."""
        where = f"{listed(self.columns)}: " if self.columns else ""
        return f"{where}{self.message}" + (f"; {self.advice}" if self.advice else "")
