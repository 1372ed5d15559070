"""Steps: what the functions logged and measured."""

import json
import re

from checks import equal, expect
from measurements import FUNCTIONS
from stack import NAME

# What Lambda itself writes around an invocation.
PLATFORM = re.compile(r"(START|END|REPORT) RequestId: |INIT_START ")
LEVELS = {"ERROR", "WARN", "INFO", "DEBUG"}
# What stands in every line; and in those of ours, which the library that runs the functions does not know.
EVERYWHERE = {"timestamp", "level", "target", "message"}
OURS = {"function", "request_id", "company"}
RUNTIME = "lambda_runtime::"
# Where the library says once more what a handler has said: nothing of it may get through.
SAID_AGAIN = "lambda_runtime::layers::panic"
# Values a metric may have in one line, and metrics in one definition.
MOST = 100
# Metrics that the proof gives a reason for, and what distinguishes them.
METRICS = {
    "Job": {"SuccessfulRuns", "FailedRuns", "RecordsFound", "RecordsWaiting"},
    "Direction": {"Inserted", "Modified", "Unchanged", "Failed", "Returned"},
    "Mapping": {"Lag"},
    "Function": {"BatchSize", "DeadLetters", "RemainingTime"},
    "System": {"Requests", "Throttles"},
}
# Metrics that this company has no reason for, or only when its first timers fire in an unlucky order.
RARE = {"Direction": {"Ignored", "Skipped", "Waiting"}, "Function": {"SubscriptionFailures"}}


def _object(line):
    """The object of a line. A name that occurs twice would be lost in a search."""

    def unique(pairs):
        names = [name for name, _ in pairs]
        expect(len(names) == len(set(names)), f"a field occurs twice in {line[:500]}")
        return dict(pairs)

    try:
        return json.loads(line, object_pairs_hook=unique)
    except json.JSONDecodeError as error:
        expect(False, f"no JSON object ({error}): {line[:500]}")


def fields(lines):
    """The lines that say something, as objects; without Lambda's own lines and without metrics."""
    objects = [_object(line) for line in lines if not PLATFORM.match(line)]
    return [line for line in objects if "_aws" not in line]


def every_line_can_be_read(world):
    """Every function wrote objects that a search finds by its fields; no line holds a secret or tells of a refusal."""
    for function in FUNCTIONS.values():
        lines = world.stack.log_lines(function)
        for secret in world.secrets:
            expect(not any(secret in line for line in lines), f"{function} logged a secret")
        refused = [line for line in lines if "AccessDenied" in line or "not authorized" in line]
        expect(not refused, f"the policies refuse something to {function}: {refused[:3]}")
        said = fields(lines)
        expect(said, f"{function} logged nothing")
        for line in said:
            expect(line["target"] != SAID_AGAIN, f"{function} logged a failure twice: {line}")
            wanted = EVERYWHERE if line["target"].startswith(RUNTIME) else EVERYWHERE | OURS
            expect(wanted <= line.keys(), f"{function} logged a line without {wanted - line.keys()}: {line}")
            expect(line["level"] in LEVELS, f"{function} logged at the level {line['level']}")
            equal(line.get("function", function), function, "the function a line names")
            nested = [name for name, value in line.items() if isinstance(value, (dict, list))]
            expect(not nested, f"{function} logged nested fields {nested}")
        print(f"        {function}: {len(said)} lines, {len(lines)} with metrics and Lambda's own")


def the_metrics(world):
    """Every metric is told in the format CloudWatch takes metrics from, and none but those that are documented."""
    told = {}
    for function in FUNCTIONS.values():
        for text in world.stack.log_lines(function):
            if PLATFORM.match(text) or "_aws" not in (line := _object(text)):
                continue
            expect(isinstance(line["_aws"]["Timestamp"], int), f"a line of metrics without a time: {text[:300]}")
            for definition in line["_aws"]["CloudWatchMetrics"]:
                equal(definition["Namespace"], f"Couplet/{NAME}", "the namespace")
                ((dimension,),) = definition["Dimensions"]
                expect(isinstance(line[dimension], str), f"the dimension {dimension} has no value: {text[:300]}")
                expect(0 < len(definition["Metrics"]) <= MOST, f"{len(definition['Metrics'])} metrics in a line")
                for metric in definition["Metrics"]:
                    expect(metric["Unit"] in ("Count", "Milliseconds"), f"the unit {metric['Unit']}")
                    _expect_numbers(metric["Name"], line.get(metric["Name"]))
                    told.setdefault(dimension, set()).add(metric["Name"])
    allowed = {dimension: names | RARE.get(dimension, set()) for dimension, names in METRICS.items()}
    for dimension in told.keys() | METRICS.keys():
        missing = METRICS.get(dimension, set()) - told.get(dimension, set())
        expect(not missing, f"metrics by {dimension} that nobody told: {missing}")
        unknown = told.get(dimension, set()) - allowed.get(dimension, set())
        expect(not unknown, f"metrics by {dimension} that no document knows: {unknown}")


def failed_runs(world):
    """A run that failed tells a zero beside its failure, or the alarm would go on with numbers of earlier periods."""
    failed = [
        line
        for function in ("run-job", "refresh-availability", "run-task")
        for text in world.stack.log_lines(function)
        if not PLATFORM.match(text) and "FailedRuns" in (line := _object(text))
    ]
    expect(failed, "no run failed")
    equal([line for line in failed if line.get("SuccessfulRuns") != 0], [], "failures without a zero")


def _expect_numbers(name, value):
    values = value if isinstance(value, list) else [value]
    expect(0 < len(values) <= MOST, f"the metric {name} has {len(values)} values in one line")
    expect(all(type(number) in (int, float) for number in values), f"the metric {name} has the values {values[:5]}")


def a_run_can_be_followed(world):
    """The id in the timer's invocation leads to every record that was written for it."""
    runs = {
        line["run"]: line["enqueued"]
        for function in ("run-job", "refresh-availability", "run-task")
        for line in fields(world.stack.log_lines(function))
        if line["message"] == "run ended"
    }
    written = {}
    for line in fields(world.stack.log_lines("sync-record")):
        if line["message"] == "record synchronized":
            written.setdefault(line["run"], set()).add(line["record"])
    followed = {run: len(written.get(run, ())) for run, enqueued in runs.items() if enqueued}
    expect(any(followed.values()), "no record can be followed to its run")
    # A deployment may have ended a run under way; the next run of its job notes that.
    stopped = {
        item["sk"]["S"]
        for item in world.stack.items()
        if "#run#" in item["pk"]["S"] and "stopped without a word" in item.get("message", {}).get("S", "")
    }
    strangers = written.keys() - runs.keys() - stopped
    expect(not strangers, f"records of runs that never ended: {strangers}")
    too_many = {run: count for run, count in followed.items() if count > runs[run]}
    expect(not too_many, f"more records were written than found: {too_many}")
    print(f"        {sum(followed.values())} records written for {len(followed)} runs")
