import pandas as pd
from autogluon.tabular import TabularPredictor
from sklearn.model_selection import train_test_split

train, test = train_test_split(pd.read_csv("diabetes.csv"), test_size=0.2, random_state=0)
predictor = TabularPredictor(label="progression").fit(train, time_limit=300)
print(predictor.leaderboard(test).to_string())
two = TabularPredictor(label="progression").fit(train, hyperparameters={"LR": {}, "NN_TORCH": {}})
print(two.leaderboard(test).to_string())
