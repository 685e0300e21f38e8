import pandas as pd

import straightline as sl

table = pd.read_csv("diabetes.csv")
answer = sl.compare(table, target="progression", random_state=0)
print(answer)
