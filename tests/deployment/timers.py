"""The template's timers against the catalogue: names, frequencies, order, and which are on."""

import json
import re
import sys
from pathlib import Path

import yaml

REGISTRY = "shared/engine/src/mappings/registry.rs"
CATALOGUE = "shared/model/catalogue"
# How timers start that are not kept apart by their minutes, and the others.
WINDOWS = [{"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 1}, {"Mode": "OFF"}]


class Loader(yaml.SafeLoader):
    """Reads the short forms of CloudFormation's functions as lists or texts."""


Loader.add_multi_constructor(
    "!",
    lambda loader, _, node: (
        loader.construct_scalar(node) if isinstance(node, yaml.ScalarNode) else loader.construct_sequence(node, deep=True)
    ),
)


def template_timers(project):
    """Job, frequency and minute of every timer in the template."""
    template = yaml.load((project / "template.yaml").read_text(), Loader)
    timers = {}
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Scheduler::Schedule":
            properties = resource["Properties"]
            job = json.loads(properties["Target"]["Input"].replace("${SynchronizationMode}", "modified")).get("job")
            if job is None:
                # It keeps the subscriptions.
                continue
            condition, _, expression = properties["ScheduleExpression"]
            if isinstance(expression, list):
                # A minute, and what follows it with the frequencies of their own.
                expression = expression[0].replace("${Rest}", template["Mappings"]["Frequencies"]["own"]["Cron"])
            every = re.fullmatch(r"cron\((\d+)/(\d+) \* \* \* \? \*\)|rate\((\d+) minutes\)", expression)
            minute, period, rate = every.groups()
            timers[job] = {
                "every": int(period or rate),
                "minute": int(minute) if minute else None,
                "target": properties["Target"]["Arn"],
                "window": properties["FlexibleTimeWindow"] == [condition, *WINDOWS],
            }
    return timers


def built_rules(project):
    """The ids of the rules that the registry finds."""
    found = re.findall(r"RulesId::(\w+) => &", (project / REGISTRY).read_text())
    return {re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower() for name in found}


def catalogue_jobs(project):
    """Frequency, dependencies, function and whether it can run, of every default job."""
    rules, jobs = built_rules(project), {}
    for file in (project / CATALOGUE / "mappings").glob("*.json"):
        mapping = json.loads(file.read_text())
        # A job without a period runs on demand.
        if mapping["job"] and mapping["job"]["every_minutes"]:
            needs = set(mapping["dependencies"]).union(*mapping["dependencies_when"].values())
            new = {"every": mapping["job"]["every_minutes"], "needs": set(), "built": True, "target": "RunJob.Arn"}
            known = jobs.setdefault(mapping["name"], new)
            known["needs"] |= needs
            known["built"] &= mapping["rules"] in rules
    for job in json.loads((project / CATALOGUE / "jobs.json").read_text())["jobs"]:
        if job["recurring"]:
            enqueues = job.get("enqueues")
            function = job.get("function", "run-job").title().replace("-", "")
            jobs[job["name"]] = {
                "every": job["every_minutes"],
                "needs": {enqueues["mapping"]} if enqueues else set(),
                "built": enqueues is not None,
                "target": f"{function}.Arn",
            }
    return jobs


def problems(project):
    """Everything in which the template does not follow the catalogue."""
    timers, jobs = template_timers(project), catalogue_jobs(project)
    for job in sorted(jobs.keys() - timers.keys()):
        yield f"the default job {job} has no timer"
    for job in sorted(timers.keys() - jobs.keys()):
        yield f"the timer of {job} belongs to no default job"
    for job in sorted(timers.keys() & jobs.keys()):
        timer, wanted = timers[job], jobs[job]
        if timer["every"] != wanted["every"]:
            yield f"{job} runs every {timer['every']} minutes instead of every {wanted['every']}"
        if not wanted["built"]:
            yield f"{job} has a timer, but is not built"
        if timer["target"] != wanted["target"]:
            yield f"{job} starts {timer['target']} instead of {wanted['target']}"
        for needed in wanted["needs"] & timers.keys():
            # A timer with a rate of its own comes round more often than any order of minutes could say.
            if None not in (timers[needed]["minute"], timer["minute"]) and timers[needed]["minute"] >= timer["minute"]:
                yield f"{job} runs before {needed}, which it depends on"
    for job, timer in sorted(timers.items()):
        if not timer["window"]:
            yield f"f35: when timers have no minute of their own, that of {job} starts at once with others"
    minutes = [timer["minute"] for timer in timers.values() if timer["minute"] is not None]
    if len(minutes) != len(set(minutes)):
        yield "two timers start in the same minute"


if __name__ == "__main__":
    found = list(problems(Path(__file__).resolve().parents[2]))
    print("\n".join(found) or f"{len(template_timers(Path(__file__).resolve().parents[2]))} timers follow the catalogue; f35: no two start at once")
    sys.exit(1 if found else 0)
