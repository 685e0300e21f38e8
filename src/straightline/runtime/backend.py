"""How TensorFlow and MLflow are imported: only on request, with the settings that they read at their import."""

import os
import sys
import tempfile

XLA_FLAGS = (
    "--xla_cpu_multi_thread_eigen=false",
    "--xla_backend_extra_options=xla_cpu_small_while_loop_byte_threshold=100000,xla_cpu_disable_loop_unrolling=true",
)


def import_tensorflow() -> None:
    """Import TensorFlow and Keras; what TensorFlow writes to stderr meanwhile is shown only where that fails.

    XLA is told to run on the calling thread, since `fit` has threads of its own, to make one function of a loop whose
    body touches little memory, which is worth a factor of three for one small replica, and to leave loops rolled, which
    compile sooner and run no slower (docs/log.md).

    Its libraries log before they read TF_CPP_MIN_LOG_LEVEL, so that the file descriptor itself is turned away.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    os.environ["XLA_FLAGS"] = " ".join([os.environ.get("XLA_FLAGS", ""), *XLA_FLAGS]).strip()
    sys.stderr.flush()
    with tempfile.TemporaryFile() as chatter:
        stderr = os.dup(2)
        os.dup2(chatter.fileno(), 2)
        failed = True
        try:
            import keras  # noqa: F401
            import tensorflow  # noqa: F401

            failed = False
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
            if failed:
                chatter.seek(0)
                sys.stderr.write(chatter.read().decode(errors="replace"))


def import_mlflow() -> None:
    """Import MLflow without telemetry and without a progress bar for each artifact.

    MLflow reads these settings when it is imported, so that a module calls this before it imports anything of MLflow.
    """
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    import mlflow  # noqa: F401
