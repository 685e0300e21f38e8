"""How TensorFlow comes in: on request, and without its start-up chatter about hardware that is not there."""

import os
import sys
import tempfile


def import_tensorflow() -> None:
    """Import TensorFlow and Keras; what TensorFlow writes to stderr meanwhile is shown only where that fails.

    Its libraries log before they read TF_CPP_MIN_LOG_LEVEL, so that the file descriptor itself is turned away.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
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
