import pandas as pd
from lazypredict.Supervised import LazyRegressor
from sklearn.model_selection import train_test_split

table = pd.read_csv("diabetes.csv")
X, y = table.drop(columns="progression"), table["progression"]
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.2, random_state=0)
models, predictions = LazyRegressor().fit(X_train, X_test, y_train, y_test)
print(models.to_string())
