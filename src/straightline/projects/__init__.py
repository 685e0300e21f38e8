"""The files of a project that `straightline init` makes for a user's table."""
