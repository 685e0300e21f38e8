"""`straightline run`: all stages of the pipeline on a user's table, in an output folder, without DVC or git."""

import itertools
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path

import yaml

from straightline.config.streams import received
from straightline.config.table_options import TableOptions, command_line, table_settings
from straightline.errors import UserError
from straightline.outputs.folder import output_folder
from straightline.outputs.question import folder_for
from straightline.outputs.reuse import Earlier, earlier_outputs
from straightline.results import terminal
from straightline.results.files import Results, load_results
from straightline.runtime.artifacts import write_text
from straightline.runtime.processes import end_only_with_parent
from straightline.runtime.stage import timed
from straightline.runtime.steps import step
from straightline.runtime.terminal import say
from straightline.stages import compare, data, reference, report


def run(options: TableOptions, out: Path | None, replaces: bool, track: bool) -> None:
    """Run the pipeline's stages, and print the answer. With `track`, publish it to MLflow too.

    The results go to the folder `out`, or to a default one (`folder_for`). Stages whose inputs, settings and code are
    those of an earlier run there are not run again. Raises UserError, before anything is written, if the file or the
    options are invalid, if the folder cannot be replaced (`output_folder`), or, unless `replaces`, if it holds the
    answer to another question. Raises UserError, after printing the answer, if it cannot be published.
    """
    text = table_settings(options)
    folder = folder_for(options.name, yaml.safe_load(text), out, replaces)
    with output_folder(folder) as work, received(options.file, work):
        _run_stages(work, text, command_line(options), Earlier(work, earlier_outputs(folder)))
    results = load_results(folder)
    failure = _publish(results) if track else None
    terminal.show(results)
    if failure is not None:
        raise failure


def _publish(results: Results) -> UserError | None:
    """Publish the results, or return why they cannot be published: the answer is printed in any case."""
    from straightline.tracking import publication

    try:
        with step("publishing to MLflow"):
            line = publication.publish(results)
    except UserError as error:
        return error
    say(line)
    return None


def _run_stages(root: Path, text: str, command: str, earlier: Earlier) -> None:
    write_text(root / "params.yaml", text)
    write_text(root / "command.txt", f"{command}\n")
    with timed(root, "data"):
        data.run(root)
    with _references(root, earlier):
        _train(root, earlier)
    if not _is_taken(earlier, "evaluate"):
        with timed(root, "evaluate"):
            from straightline.stages import evaluate

            evaluate.run(root)
        earlier.keep("evaluate")
    for stage in (compare, report):
        with timed(root, stage.__name__.rpartition(".")[2]):
            stage.run(root)


def _train(root: Path, earlier: Earlier) -> None:
    values = yaml.safe_load((root / "params.yaml").read_text(encoding="utf-8"))
    items = [
        {"target": target, "model": model} for target, model in itertools.product(values["targets"], values["models"])
    ]
    missing = [item for item in items if not _is_taken(earlier, "train", **item)]
    if missing:
        say("importing TensorFlow, which takes a few seconds")
        with timed(root, "import of TensorFlow"):  # only after the data stage has accepted the table
            from straightline.stages import train
    for item in missing:
        with timed(root, "train", **item):
            train.run(root, **item)
        earlier.keep("train", **item)


def _is_taken(earlier: Earlier, stage: str, **item: str) -> bool:
    """Take the outputs of a stage from an earlier run, if one has the same inputs, and say so."""
    if is_taken := earlier.take(stage, **item):
        name = " ".join([stage, "/".join(item.values())]).strip()
        say(f"{name}: unchanged since an earlier run, nothing to {'train' if stage == 'train' else 'compute'}")
    return is_taken


@contextmanager
def _references(root: Path, earlier: Earlier) -> Iterator[None]:
    """Run the stage `reference` in another process meanwhile: the import of TensorFlow needs one core only."""
    model = yaml.safe_load((root / "params.yaml").read_text(encoding="utf-8"))["reference"]
    if model == "none" or _is_taken(earlier, "reference"):
        yield
        return
    with ProcessPoolExecutor(1, get_context("spawn"), initializer=end_only_with_parent) as pool:
        done = pool.submit(reference.run_timed, root)
        yield
        done.result()
    earlier.keep("reference")
