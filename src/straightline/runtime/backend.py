"""Import TensorFlow and MLflow on request, with the environment variables that they read during their import."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from straightline.runtime.processor import use_common_instructions

XLA_FLAGS = (
    "--xla_cpu_multi_thread_eigen=false",
    "--xla_backend_extra_options=xla_cpu_small_while_loop_byte_threshold=100000,xla_cpu_disable_loop_unrolling=true",
    "--xla_cpu_use_xnnpack=false",
    "--xla_cpu_experimental_xnn_fusion_type=",
    "--xla_cpu_experimental_ynn_fusion_type=",
)


def import_tensorflow() -> None:
    """Import TensorFlow and Keras. TensorFlow's output on stderr is shown only if the import fails.

    Keras imports Matplotlib for galleries of images, which nobody needs here. It is hidden from Keras, since its import
    takes a sixth of the time.

    The flags of XLA (docs/log.md) have these reasons. XLA runs on the calling thread, since `fit` starts threads
    itself. A loop whose body uses little memory is compiled into one function, which is three times as fast for a
    single small replica. Loops are not unrolled, since rolled loops compile sooner and run as fast. Products are not
    left to XNNPACK and YNNPACK, which choose their kernels by the processor, whatever XLA is limited to.

    TensorFlow's libraries log before they read TF_CPP_MIN_LOG_LEVEL. The file descriptor of stderr is therefore
    redirected.
    """
    use_common_instructions()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    given = os.environ.get("XLA_FLAGS", "").split()
    os.environ["XLA_FLAGS"] = " ".join([*given, *(flag for flag in XLA_FLAGS if flag not in given)])
    sys.stderr.flush()
    with tempfile.TemporaryFile() as output:
        stderr = os.dup(2)
        os.dup2(output.fileno(), 2)
        failed = True
        try:
            with _hidden("matplotlib"):
                import keras  # noqa: F401
                import tensorflow  # noqa: F401

            failed = False
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
            if failed:
                output.seek(0)
                sys.stderr.write(output.read().decode(errors="replace"))


@contextmanager
def _hidden(name: str) -> Iterator[None]:
    """Make imports of the module `name` fail within the context, unless it is imported already."""
    if name in sys.modules:
        yield
        return
    sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[name]


def import_mlflow() -> None:
    """Import MLflow without telemetry and without a progress bar for each artifact.

    MLflow reads these environment variables during its import. Call this function before any other import from MLflow.
    """
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    import mlflow  # noqa: F401
