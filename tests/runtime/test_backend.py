"""What the import of TensorFlow brings along."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from straightline.runtime import backend


@pytest.mark.slow
def test_keras_comes_without_matplotlib_which_can_be_imported_later(tmp_path: Path) -> None:
    code = (
        "import sys; from straightline.runtime.backend import import_tensorflow; import_tensorflow(); "
        "print('matplotlib' in sys.modules, 'keras' in sys.modules); import matplotlib.pyplot; print('later')"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, capture_output=True, text=True)
    assert done.stdout == "False True\nlater\n"


def test_a_second_import_leaves_the_environment_as_it_is() -> None:
    backend.import_tensorflow()
    known = dict(os.environ)
    backend.import_tensorflow()
    assert dict(os.environ) == known
