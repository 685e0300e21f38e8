"""What differs between two snapshots, and the words for it."""

import json
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from straightline.config.composition import flattened
from straightline.revisions import terminal
from straightline.revisions.changes import Change, Snapshot, changes, compare, stale
from straightline.revisions.lockfile import ABSENT, code, current, data

PARAMS = {
    "targets": {"y": {"family": "gaussian"}},
    "models": {"regression": {}, "neural": {"hidden": [16]}},
    "data": {"path": "own.csv"},
    "verdict": {"margin": 0.05, "ladder": None},
    "tracking": {"live": False},
}

VERDICT = {
    "answer": "no",
    "finding": "challenger_better",
    "challenger": "neural",
    "margin": 0.05,
    "relative_gain": 0.5,
    "relative_gain_interval": [0.4, None],
    "losses": {"regression": 2.0, "neural": 1.0},
}


def dep(path: str, digest: str) -> dict[str, str]:
    return {"path": path, "md5": digest}


STAGES: dict[str, Any] = {
    "data": {
        "deps": [dep("own.csv", "t1"), dep("src/straightline/data", "a1")],
        "params": {"params.yaml": {"data": {"path": "own.csv"}}},
        "outs": [dep("data/train.parquet", "d1")],
    },
    "train@y-regression": {"deps": [dep("data/train.parquet", "d1"), dep("src/straightline/training", "b1")]},
    "train@y-neural": {
        "deps": [dep("src/straightline/training", "b1")],
        "params": {"params.yaml": {"models.neural": {"hidden": [16]}}},
    },
    "compare": {"params": {"params.yaml": {"verdict": PARAMS["verdict"]}}},
    "report": {"deps": [dep("src/straightline/report", "c1")]},
}


def snapshot(**given: Any) -> Snapshot:
    values = {
        "commit": None,
        "verdicts": {"y": VERDICT},
        "params": PARAMS,
        "stages": STAGES,
        "packages": {"keras": "3"},
    }
    return Snapshot(**({"revision": "workspace"} | values | given))


OLD = snapshot(revision="main", commit="0123456789")


def altered(values: Any, dotted: str, value: Any) -> Any:
    """Return a copy of nested mappings with another value at a dotted key."""
    copy = json.loads(json.dumps(values))
    *parents, last = dotted.split(".")
    place = copy
    for parent in parents:
        place = place[parent]
    place[last] = value
    return copy


def restaged(stage: str, path: str, digest: str, kind: str = "deps") -> Any:
    """Return STAGES in which a stage has another digest of `path`."""
    entries = [dep(one["path"], digest if one["path"] == path else one["md5"]) for one in STAGES[stage][kind]]
    return STAGES | {stage: STAGES[stage] | {kind: entries}}


def text(difference: Any) -> str:
    console = Console(width=120, highlight=False)
    with console.capture() as captured:
        console.print(terminal.printed(difference))
    return captured.get()


def test_the_same_is_said_plainly() -> None:
    difference = compare(OLD, snapshot(), {})
    assert difference.are_answers_same
    assert difference.are_numbers_same
    assert not difference.is_unexplained
    assert text(difference) == (
        "main (0123456) -> workspace: the answers are the same, and so is every number.\ny: no, as before\n"
    )


@pytest.mark.parametrize(
    ("verdicts", "status"),
    [
        ({"y": VERDICT | {"answer": "yes"}}, "changed"),
        ({"y": VERDICT | {"relative_gain": 0.5000000001}}, "numbers"),
        ({"y": VERDICT | {"advice": "of another version"}}, "same"),
        ({"y": VERDICT | {"confidence": 0.95}}, "same"),
        ({"y": {"answer": "no"}}, "same"),
        ({}, "removed"),
    ],
)
def test_the_status_of_an_answer(verdicts: Any, status: str) -> None:
    difference = compare(OLD, snapshot(verdicts=verdicts), {})
    assert [answer.status for answer in difference.answers] == [status]
    assert difference.are_answers_same == (status in ("same", "numbers"))
    assert text(difference)


def test_targets_and_models_that_come_and_go() -> None:
    losses = {"regression": 2.0, "wide": 0.5}
    verdicts = {"y": VERDICT | {"losses": losses}, "z": VERDICT}
    difference = compare(OLD, snapshot(verdicts=verdicts), {})
    printed = text(difference)
    assert "1 of 2 answers differ" in printed
    assert "y: no, as before; models added: wide; models removed: neural" in printed
    assert "z: added, no" in printed
    assert difference.answers[0].losses == [
        Change("regression", 2.0, 2.0),
        Change("neural", 1.0, ABSENT),
        Change("wide", ABSENT, 0.5),
    ]


def test_the_verdict_before_and_after() -> None:
    after = VERDICT | {"answer": "yes", "finding": "baseline_enough", "relative_gain": 0.25}
    lines = text(compare(OLD, snapshot(verdicts={"y": after}), {})).splitlines()
    rows = [[cell.strip() for cell in line.strip("│").split("│")] for line in lines if line.startswith("│")]
    assert "y: no -> yes" in lines
    assert ["finding", "challenger better", "baseline enough", ""] in rows
    gain = ["relative gain (interval)", "50.0 % (40.0 % to unbounded)", "25.0 % (40.0 % to unbounded)", "-0.25"]
    assert gain in rows
    assert ["loss of regression", "2", "2", ""] in rows


def test_a_param_is_the_reason_where_the_results_were_made_with_it() -> None:
    params = altered(PARAMS, "verdict.margin", 0.5)
    stages = altered(STAGES, "compare.params", {"params.yaml": {"verdict": params["verdict"]}})
    verdicts = {"y": VERDICT | {"margin": 0.5}}
    difference = compare(OLD, snapshot(verdicts=verdicts, params=params, stages=stages), {})
    assert difference.params == [Change("verdict.margin", 0.05, 0.5)]
    assert not difference.idle_params
    assert not difference.stale
    assert not difference.is_unexplained
    assert "Why: 1 param; the same: data, code, packages." in text(difference)


def test_a_param_that_no_stage_ran_with_is_no_reason() -> None:
    """Neither one of tracking nor one that was changed since the last dvc repro."""
    params = altered(altered(PARAMS, "tracking.live", True), "verdict.ladder", ["regression"])
    after = snapshot(params=params, verdicts={"y": VERDICT | {"relative_gain": 0.51}})
    difference = compare(OLD, after, {})
    assert difference.idle_params == ["verdict.ladder", "tracking.live"]
    assert difference.is_unexplained
    printed = " ".join(text(difference).split())
    assert 'params.yaml was changed since the last dvc repro: verdict.ladder null -> ["regression"]' in printed
    assert "had no part in these results: verdict.ladder, tracking.live." in printed
    assert "Another type of processor" in printed


@pytest.mark.parametrize(
    ("stages", "reason"),
    [
        (restaged("data", "own.csv", "t2"), "Why: 1 data file; the same: params, code, packages."),
        (restaged("data", "data/train.parquet", "d2", "outs"), "Why: 1 data file;"),
        (
            restaged("train@y-neural", "src/straightline/training", "b2"),
            "Why: 1 module; the same: params, data, packages.",
        ),
        (restaged("report", "src/straightline/report", "c2"), "Another type of processor"),
        (STAGES, "Another type of processor"),
        ({}, "workspace: has no dvc.lock"),
    ],
)
def test_what_explains_other_numbers(stages: Any, reason: str) -> None:
    metrics = {"metrics/y-neural.json": [Change("loss", 1.0, 1.0 + 2**-52), Change("baseline.loss", ABSENT, 3)]}
    difference = compare(OLD, snapshot(stages=stages), metrics)
    printed = text(difference)
    assert reason in printed
    assert difference.is_unexplained == ("Another type" in reason)
    assert "+2.2e-16" in printed


def test_packages_explain_too() -> None:
    difference = compare(OLD, snapshot(packages={"keras": "4"}), {"m.json": [Change("loss", 1, 2)]})
    assert difference.packages == [Change("keras", "3", "4")]
    assert not difference.is_unexplained


def test_modules_are_named_by_stage() -> None:
    stages = restaged("train@y-neural", "src/straightline/training", "b2") | {"evaluate": STAGES["report"]}
    (module,) = compare(OLD, snapshot(stages=stages), {}).code
    assert (module.path, module.stages, module.matters) == ("src/straightline/training", ["train"], True)


def test_what_a_lock_says() -> None:
    gone = STAGES | {"train@y-gone": {}, "train@x-neural": {}}
    assert current(gone, PARAMS) == STAGES
    assert data(STAGES) == {"own.csv": "t1", "data/train.parquet": "d1"}
    assert code(STAGES)["src/straightline/training", "train"] == {"b1"}


def test_null_is_not_absent() -> None:
    assert changes({"a": None, "b": 1}, {"b": 1, "c": None}) == [Change("a", None, ABSENT), Change("c", ABSENT, None)]
    assert flattened({"a": {"b": {"c": 1}, "d": []}, "e": {}}) == {"a.b.c": 1, "a.d": [], "e": {}}


def test_stale_params_that_came_or_went() -> None:
    params = altered(PARAMS, "models", {"regression": {}, "neural": {"depth": 2}})
    assert stale(replace(OLD, params=params)) == [
        Change("models.neural.hidden", [16], ABSENT),
        Change("models.neural.depth", ABSENT, 2),
    ]
