import pandas as pd
import statsmodels.formula.api as smf
from statsmodels.stats.diagnostic import linear_reset

table = pd.read_csv("diabetes.csv")
fit = smf.ols("progression ~ age + sex + bmi + bp + s1 + s2 + s3 + s4 + s5 + s6", data=table).fit()
print(fit.summary())
print(linear_reset(fit))
