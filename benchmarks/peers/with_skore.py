import pandas as pd
from sklearn.linear_model import LinearRegression
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skore import evaluate

table = pd.read_csv("diabetes.csv")
X, y = table.drop(columns="progression"), table["progression"]
network = make_pipeline(StandardScaler(), MLPRegressor(early_stopping=True, max_iter=2000, random_state=0))
report = evaluate({"line": LinearRegression(), "network": network}, X, y, splitter=5)
print(report.metrics.summarize().frame())
