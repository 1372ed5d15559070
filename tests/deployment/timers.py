"""The template's timers against the catalogue: names, frequencies, order, and which are on."""

import json
import re
import sys
from pathlib import Path

import yaml

BUILT_RULES = "shared/engine/src/rules/mod.rs"
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
    """Job, frequency, whether on by default, and minute, of every timer in the template."""
    template = yaml.load((project / "template.yaml").read_text(), Loader)
    timers = {}
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Scheduler::Schedule":
            properties = resource["Properties"]
            job = json.loads(properties["Target"]["Input"].replace("${SynchronizationMode}", "modified"))["job"]
            condition, _, expression = properties["ScheduleExpression"]
            if isinstance(expression, list):
                # A minute, and what follows it with the frequencies of their own.
                expression = expression[0].replace("${Rest}", template["Mappings"]["Frequencies"]["own"]["Cron"])
            every = re.fullmatch(r"cron\((\d+)/(\d+) \* \* \* \? \*\)|rate\((\d+) minutes\)", expression)
            minute, period, rate = every.groups()
            timers[job] = {
                "every": int(period or rate),
                "minute": int(minute) if minute else None,
                "built": properties["State"][0] != "JobsNotBuiltYetRun",
                "target": properties["Target"]["Arn"],
                "window": properties["FlexibleTimeWindow"] == [condition, *WINDOWS],
            }
    return timers


def catalogue_jobs(project):
    """Frequency and dependencies of every default job."""
    jobs = {}
    for file in (project / CATALOGUE / "mappings").glob("*.json"):
        mapping = json.loads(file.read_text())
        if mapping["job"]:
            needs = set(mapping["dependencies"]).union(*mapping["dependencies_when"].values())
            known = jobs.setdefault(mapping["name"], {"every": mapping["job"]["every_minutes"], "needs": set()})
            known["needs"] |= needs
    for job in json.loads((project / CATALOGUE / "jobs.json").read_text())["jobs"]:
        if job["recurring"]:
            needs = {"ITEM-PRODUCT"} if job["name"] == "Item Availability" else set()
            jobs[job["name"]] = {"every": job["every_minutes"], "needs": needs}
    return jobs


def problems(project):
    """Everything in which the template does not follow the catalogue."""
    timers, jobs = template_timers(project), catalogue_jobs(project)
    for job in sorted(jobs.keys() - timers.keys()):
        yield f"the default job {job} has no timer"
    for job in sorted(timers.keys() - jobs.keys()):
        yield f"the timer of {job} belongs to no default job"
    source = (project / BUILT_RULES).read_text()
    built = set(re.findall(r'^\s+"([A-Z -]+)"(?: \| "[A-Z -]+")* => Ok\(', source, re.MULTILINE)) | {"Item Availability"}
    for job in sorted(timers.keys() & jobs.keys()):
        timer, wanted = timers[job], jobs[job]
        if timer["every"] != wanted["every"]:
            yield f"{job} runs every {timer['every']} minutes instead of every {wanted['every']}"
        if timer["built"] != (job in built):
            yield f"{job} is {'' if job in built else 'not '}built, but its timer says otherwise"
        target = "RefreshAvailability.Arn" if job == "Item Availability" else "RunJob.Arn"
        if timer["target"] != target:
            yield f"{job} starts {timer['target']} instead of {target}"
        for needed in wanted["needs"] & timers.keys():
            if timers[needed]["minute"] >= timer["minute"]:
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
