"""Time the cells of ten lines in a notebook, as a newcomer types them: `python benchmarks/notebook.py PYTHON`.

PYTHON is the interpreter of an environment with straightline[tensorflow] and ipykernel. Cells come from
benchmarks/peers/ten_lines.py. Written are docs/peers/cells.csv (cell, seconds), and with --out the notebook itself.
"""

import argparse
import json
import shutil
import tempfile
from datetime import datetime
from pathlib import Path

import nbformat
import pandas as pd
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parents[1]
CELLS = ROOT / "benchmarks/peers/ten_lines.py"


def main() -> None:
    """Run the notebook and write its times."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("python", type=Path, help="the Python that runs the cells")
    parser.add_argument("--out", type=Path, help="where the notebook is written")
    arguments = parser.parse_args()
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(text) for text in cells()])
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        shutil.copy(ROOT / "examples/diabetes.csv", folder)
        client = NotebookClient(notebook, km=kernel(folder, arguments.python.absolute()), timeout=600)
        client.resources = {"metadata": {"path": str(folder)}}
        client.execute()
    times = pd.DataFrame([{"cell": number, "seconds": seconds(cell)} for number, cell in enumerate(notebook.cells, 1)])
    times.to_csv(ROOT / "docs/peers/cells.csv", index=False)
    print(times.to_string(index=False))
    if arguments.out:
        nbformat.write(notebook, arguments.out)


def cells() -> list[str]:
    """Return the cells; the packages are installed already."""
    return [text.strip() for text in CELLS.read_text(encoding="utf-8").split("# %%\n")]


def kernel(folder: Path, python: Path) -> AsyncKernelManager:
    """Return the manager of a kernel that `python` runs."""
    (folder / "kernels/peer").mkdir(parents=True)
    command = [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    specification = {"argv": command, "display_name": "peer", "language": "python"}
    (folder / "kernels/peer/kernel.json").write_text(json.dumps(specification))
    specs = KernelSpecManager(kernel_dirs=[str(folder / "kernels")])
    return AsyncKernelManager(kernel_name="peer", kernel_spec_manager=specs)


def seconds(cell: nbformat.NotebookNode) -> float:
    """Return the seconds between the start of a cell and its answer."""
    times = cell.metadata.execution
    started, ended = (datetime.fromisoformat(times[key]) for key in ("iopub.execute_input", "shell.execute_reply"))
    return round((ended - started).total_seconds(), 1)


if __name__ == "__main__":
    main()
