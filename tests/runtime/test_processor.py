"""Results do not depend on what a processor can do beyond AVX2, or on what the environment asks of the libraries."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from straightline.runtime import processor

OTHERS = {
    "OPENBLAS_CORETYPE": "Sandybridge",
    "ONEDNN_MAX_CPU_ISA": "SSE41",
    "XLA_FLAGS": "--xla_cpu_max_isa=AVX",
}  # what an older processor would choose; each of them alone changes digits
FOLDERS = ("runs/color", "metrics", "predictions")

needs_avx2 = pytest.mark.skipif(not processor._has_common_instructions(), reason="this processor has no AVX2")


def python(code: str, folder: Path, **variables: str) -> str:
    """Return what `code` prints in a process of its own, with `variables` in its environment."""
    kept = {name: value for name, value in os.environ.items() if name not in {*OTHERS, *processor.LIMITS}}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=kept | variables, check=True, capture_output=True, text=True
    )
    return done.stdout


@needs_avx2
@pytest.mark.parametrize("entry", ["straightline.stages.data", "straightline.__main__"])
def test_the_libraries_are_held_to_avx2(tmp_path: Path, entry: str) -> None:
    code = (
        f"import {entry}, numpy, scipy.linalg, threadpoolctl; from numpy._core._multiarray_umath import "
        "__cpu_features__ as has; print({i['architecture'] for i in threadpoolctl.threadpool_info() if "
        "i['user_api'] == 'blas'}, has['AVX2'], has['X86_V4'])"
    )
    assert python(code, tmp_path, **OTHERS) == "{'Haswell'} True False\n"


@pytest.mark.slow
@needs_avx2
def test_results_are_the_same_bytes_whatever_the_environment_asks_for(project: Path) -> None:
    before = {path: path.read_bytes() for folder in FOLDERS for path in (project / folder).rglob("*") if path.is_file()}
    code = (
        "from pathlib import Path; from straightline.stages import train, evaluate; "
        "[train.run(Path('.'), 'color', model) for model in ('regression', 'neural')]; evaluate.run(Path('.'))"
    )
    python(code, project, **OTHERS)
    assert [path for path, content in before.items() if path.read_bytes() != content] == []


def test_a_processor_without_avx2_keeps_its_own_choice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = tmp_path / "cpuinfo"
    old.write_text("processor\t: 0\nflags\t\t: fpu sse4_2 avx\n")
    monkeypatch.setattr(processor, "CPUINFO", old)
    monkeypatch.setattr(os, "environ", {"XLA_FLAGS": "--a"})
    processor.use_common_instructions()
    assert os.environ == {"XLA_FLAGS": "--a"}


@needs_avx2
def test_flags_of_the_user_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", {"XLA_FLAGS": "--a"})
    processor.use_common_instructions()
    processor.use_common_instructions()
    assert os.environ == processor.LIMITS | {"XLA_FLAGS": f"--a {processor.XLA_LIMIT}"}
