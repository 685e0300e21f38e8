"""Predictions of RealMLP (pytabkit, default settings) in given folds; `networks.py` runs it in another environment.

`python realmlp.py rows.npz predictions.npy` reads features, labels, the training and test rows of each fold, and
whether the labels are classes. It prints the seconds of all fits and predictions.
"""

import sys
import time

import numpy as np
from pytabkit import RealMLP_TD_Classifier, RealMLP_TD_Regressor


def main() -> None:
    """Write the predictions of the test rows, joined fold after fold."""
    rows = np.load(sys.argv[1])
    features, labels, is_class = rows["features"], rows["labels"], bool(rows["is_class"])
    started = time.monotonic()
    predictions = []
    for fold in range(int(rows["folds"])):
        train, test = rows[f"train{fold}"], rows[f"test{fold}"]
        kind = RealMLP_TD_Classifier if is_class else RealMLP_TD_Regressor
        model = kind(device="cpu", random_state=fold, n_threads=2)
        model.fit(features[train], labels[train].astype(int) if is_class else labels[train])
        predictions.append(model.predict_proba(features[test])[:, 1] if is_class else model.predict(features[test]))
    seconds = time.monotonic() - started
    np.save(sys.argv[2], np.concatenate(predictions).astype(float))
    print(seconds)


main()
