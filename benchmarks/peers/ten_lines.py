# %pip install "straightline[tensorflow]"
import pandas as pd

import straightline as sl

patients = pd.read_csv("diabetes.csv")
answer = sl.compare(patients, target="progression", random_state=0)
# %%
answer
# %%
answer.regression.frame()
# %%
new = patients.drop(columns="progression").tail()
answer.best.predict(new)
# %%
answer.judge(margin=0.02)
