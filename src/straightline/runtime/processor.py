"""The same last digits on every x86-64 processor that has AVX2, whatever else it can do."""

import os
import platform
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")
REQUIRED = {"avx2", "fma"}  # flags of the processor, as Linux lists them
LIMITS = {
    "OPENBLAS_CORETYPE": "Haswell",
    "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
}
XLA_LIMIT = "--xla_cpu_max_isa=AVX2"


def use_common_instructions() -> None:
    """Limit NumPy, OpenBLAS and TensorFlow to AVX2 if the processor has it. Call this before NumPy is imported.

    Each library chooses its kernels by the processor, and kernels with AVX-512 round sums differently from those with
    AVX2. The libraries read these variables once, when they are loaded. Values from outside are replaced, since results
    must not depend on the machine. On other processors the libraries choose for themselves.
    """
    if _has_common_instructions():
        os.environ |= LIMITS
        flags = os.environ.get("XLA_FLAGS", "").split()
        if XLA_LIMIT not in flags:
            os.environ["XLA_FLAGS"] = " ".join([*flags, XLA_LIMIT])


def _has_common_instructions() -> bool:
    if platform.machine() != "x86_64" or not CPUINFO.exists():
        return False
    with CPUINFO.open() as lines:
        return any(line.startswith("flags") and set(line.split()) >= REQUIRED for line in lines)
