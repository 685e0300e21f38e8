"""`straightline run`: all stages of the pipeline on a user's table, in an output folder, without DVC or git."""

import itertools
import os
import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import NoReturn

import yaml

from straightline.config.streams import received
from straightline.config.table_options import TableOptions, command_line, table_settings
from straightline.errors import UserError
from straightline.results import terminal
from straightline.results.files import load_results
from straightline.runtime.artifacts import write_text
from straightline.runtime.leftovers import is_left, signed
from straightline.runtime.processes import end_only_with_parent
from straightline.runtime.stage import timed
from straightline.runtime.terminal import say
from straightline.stages import compare, data, reference, report

MANIFEST = ".straightline-output"  # It holds the paths of all files that a run wrote, one in each line.
UNFINISHED = ".straightline-run-"  # Prefix of a folder beside the output, in which a run writes.
NAME_BYTES = 255  # the longest name that common file systems take


def run(options: TableOptions, out: Path, track: bool) -> None:
    """Run the pipeline's stages in the folder `out`, and print the answer. With `track`, publish it to MLflow too.

    Raises UserError, before anything is written, if the file or the options are invalid, or if `out` cannot be replaced
    (`output_folder`).
    """
    text = table_settings(options)
    with output_folder(out) as work, received(options.file, work):
        _run_stages(work, text, command_line(options))
    results = load_results(out)
    if track:
        from straightline.tracking import publication

        say(publication.publish(results))
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


@contextmanager
def output_folder(out: Path) -> Iterator[Path]:
    """Yield an empty folder beside `out`; on success it becomes `out`.

    If `out` is the output of an earlier run, the files that this run wrote are removed. All others stay where they are,
    also those of a folder that somebody made meanwhile. If a new file has taken the place of one, it goes to a folder
    beside `out`, whose name is printed. What a killed run left beside `out` is cleared. Raises UserError, before
    anything is written, if `out` cannot be replaced.
    """
    if obstacle := _obstacle(out):
        raise UserError(f"{out}: {obstacle}; choose another folder with --out")
    out.parent.mkdir(parents=True, exist_ok=True)
    _clear(out.parent)
    work = Path(tempfile.mkdtemp(dir=out.parent, prefix=signed(UNFINISHED)))
    is_safe = True
    try:
        (work / "new").mkdir()
        yield work / "new"
        write_text(work / "new" / MANIFEST, "".join(f"{path}\n" for path in [*_leaves(work / "new"), MANIFEST]))
        is_safe = False
        try:
            _put(work, out)
        except BaseException:
            _put_back(work, out.parent)
            is_safe = True
            raise
        is_safe = True
    finally:
        if is_safe:
            shutil.rmtree(work, ignore_errors=True)
        else:
            say(f"run: what was in {out} before is kept in {work / 'old'}", is_error=True)


def _obstacle(out: Path) -> str | None:
    """Return why a run cannot write to `out`, or None if it can."""
    if len(os.fsencode(out.name)) > NAME_BYTES:
        return f"its name has {len(os.fsencode(out.name))} bytes; expected at most {NAME_BYTES}"
    try:
        parent = next(folder for folder in out.absolute().parents if folder.exists())
        checks = {
            "is a symbolic link": out.is_symlink(),
            "is a mount point": os.path.ismount(out),
            "is the current folder, or contains it": Path.cwd().is_relative_to(out.resolve()),
            "exists and is not an output of `straightline run`": out.exists() and not _is_output(out),
            f"the folder {parent} is not writable": not os.access(parent, os.W_OK | os.X_OK),
            "is not writable": out.exists() and not os.access(out, os.W_OK | os.X_OK),
            "has a folder that is not readable and writable": out.is_dir() and not _is_open(out),
        }
    except OSError as error:
        return (error.strerror or str(error)).lower()
    return next((obstacle for obstacle, is_found in checks.items() if is_found), None)


def _is_open(folder: Path) -> bool:
    """Return whether all files in `folder`, at any depth, can be moved."""
    needed = os.R_OK | os.W_OK | os.X_OK
    return os.access(folder, needed) and all(
        _is_open(Path(entry.path)) for entry in os.scandir(folder) if entry.is_dir(follow_symlinks=False)
    )


def _is_output(out: Path) -> bool:
    return (out / MANIFEST).is_file() or (out.is_dir() and not any(out.iterdir()))


def _put(work: Path, out: Path) -> None:
    """Move `work`/new to `out`, and what was in `out` to `work`/old until its foreign files are in `out` again."""
    old = work / "old" / out.name
    old.parent.mkdir()
    if out.exists():
        out.rename(old)
    (work / "new").rename(out)
    _carry_over(old, out)


def _carry_over(old: Path, out: Path) -> None:
    """Move the files of `old` that no run wrote to `out`."""
    manifest = old / MANIFEST
    lines = manifest.read_text(encoding="utf-8", errors="surrogateescape") if manifest.is_file() else ""
    written = set(lines.splitlines())
    if foreign := [path for path in _leaves(old) if str(path) not in written]:
        homeless = [path for path in foreign if not _moved(old / path, out / path)]
        if homeless:
            name = os.fsencode(out.name)[:100].decode(errors="ignore")
            kept = Path(tempfile.mkdtemp(dir=out.parent, prefix=f"{name}-kept-"))
            for path in homeless:
                _moved(old / path, kept / path)
            say(f"run: kept {len(homeless):,} files that no run wrote in {kept}, since {out} has new ones there")


def _moved(path: Path, place: Path) -> bool:
    """Move a file to a place, or return False if something else is there."""
    if os.path.lexists(place):
        return False
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        return False
    path.rename(place)
    return True


def _leaves(root: Path) -> list[Path]:
    """Return the files, links and empty folders below `root`, relative to it."""
    found: list[Path] = []
    for folder, folders, files in os.walk(root, onerror=_raised) if root.exists() else ():
        here = Path(folder)
        links = [name for name in folders if (here / name).is_symlink()]
        found += [(here / name).relative_to(root) for name in [*links, *files]]
        if not folders and not files and here != root:
            found.append(here.relative_to(root))
    return sorted(found)


def _raised(error: OSError) -> NoReturn:
    raise error


def _clear(parent: Path) -> None:
    """Remove what killed runs of this user left in `parent`; an output that a run was about to replace comes back."""
    for work in parent.glob(f"{UNFINISHED}*"):
        if is_left(work, UNFINISHED):
            _put_back(work, parent)
            shutil.rmtree(work, ignore_errors=True)


def _put_back(work: Path, parent: Path) -> None:
    """Undo a replacement that did not end, or end it if only foreign files are left to move."""
    for old in (work / "old").glob("*"):
        out = parent / old.name
        if out.exists():
            _carry_over(old, out)
        else:
            old.rename(out)
