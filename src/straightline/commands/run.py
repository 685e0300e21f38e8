"""`straightline run`: all stages of the pipeline on a user's table, in an output folder, without DVC or git."""

import itertools
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path

import yaml

from straightline.commands.output_folder import output_folder
from straightline.config.table_options import TableOptions, command_line, table_settings
from straightline.results import terminal
from straightline.results.files import load_results
from straightline.runtime.artifacts import write_text
from straightline.runtime.processes import end_only_with_parent
from straightline.runtime.stage import timed
from straightline.stages import compare, data, reference, report


def run(options: TableOptions, out: Path, track: bool) -> None:
    """Run the pipeline's stages in the folder `out`, and print the answer. With `track`, publish it to MLflow too.

    Raises UserError, before anything is written, if the file or the options are invalid, or if `out` cannot be replaced
    (`output_folder`).
    """
    text = table_settings(options)
    with output_folder(out) as work:
        _run_stages(work, text, command_line(options))
    results = load_results(out)
    if track:
        from straightline.tracking import publication

        print(publication.publish(results))
    terminal.show(results)


def _run_stages(root: Path, text: str, command: str) -> None:
    write_text(root / "params.yaml", text)
    write_text(root / "command.txt", f"{command}\n")
    values = yaml.safe_load(text)
    with timed(root, "data"):
        data.run(root)
    with _references(root, values["reference"]):
        with timed(root, "import of TensorFlow"):  # only after the data stage has accepted the table
            from straightline.stages import evaluate, train

        for target, model in itertools.product(values["targets"], values["models"]):
            with timed(root, "train", target=target, model=model):
                train.run(root, target, model)
    for stage in (evaluate, compare, report):
        with timed(root, stage.__name__.rpartition(".")[2]):
            stage.run(root)


@contextmanager
def _references(root: Path, model: str) -> Iterator[None]:
    """Run the stage `reference` in another process meanwhile: the import of TensorFlow needs one core only."""
    if model == "none":
        yield
        return
    with ProcessPoolExecutor(1, get_context("spawn"), initializer=end_only_with_parent) as pool:
        done = pool.submit(reference.run_timed, root)
        yield
        done.result()
