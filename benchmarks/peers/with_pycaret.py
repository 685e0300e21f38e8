import pandas as pd
from pycaret.regression import compare_models, setup

setup(pd.read_csv("diabetes.csv"), target="progression", session_id=0)
best = compare_models()
two = compare_models(include=["lr", "mlp"])
