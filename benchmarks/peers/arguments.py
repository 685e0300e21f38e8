"""Print the arguments of callables and their defaults as CSV: `python arguments.py skore:evaluate ...`.

`benchmarks/peers.py` runs it in the environment of each peer. Columns: call, argument, default (the text of its repr;
empty if the argument has to be given).
"""

import csv
import importlib
import inspect
import sys


def main() -> None:
    """Print a row for each argument of the callables that the command line names."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    for call in sys.argv[1:]:
        module, _, path = call.partition(":")
        value = importlib.import_module(module)
        for name in path.split("."):
            value = getattr(value, name)
        for argument in inspect.signature(value).parameters.values():
            default = "" if argument.default is inspect.Parameter.empty else repr(argument.default)
            if argument.name != "self":
                writer.writerow([path, argument.name, default])


main()
