"""The one kind of error that a user can mend; everything else is a defect and keeps its traceback."""


class UserError(Exception):
    """One line that names what was expected, what came, where, and what to do."""
