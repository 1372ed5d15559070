"""What the template promises and no local emulator can show: who may use the queues, loops, alarms, times and sizes.

`python template.py f30` checks one group; without a name all are checked.
"""

import re
import sys
from pathlib import Path

import yaml

from timers import Loader

STORE = "shared/store/src"
DAY = 86400
# Where the store calls what a policy allows.
CALLS = {
    "BatchGetItem": ".batch_get_item()",
    "BatchWriteItem": ".batch_write_item()",
    "ConditionCheckItem": "ConditionCheck::builder()",
    "DeleteItem": " Delete::builder()",
    "GetItem": ".get_item()",
    "PutItem": " Put::builder()",
    "Query": ".query()",
    "UpdateItem": ".update_item()",
}
READS = {"BatchGetItem", "GetItem", "Query"}
# What each role does with the table: to find changes nothing is removed under a condition, but couplings are when units are
# switched; to go on with a run none is begun.
TABLE_ACTIONS = {
    "RunJobRole": READS | {"BatchWriteItem", "DeleteItem", "PutItem", "UpdateItem"},
    "RefreshAvailabilityRole": READS | {"BatchWriteItem", "PutItem", "UpdateItem"},
    "ReceiveChangeRole": {"GetItem", "UpdateItem"},
    "RunTaskRole": READS | {"BatchWriteItem", "UpdateItem"},
    "SyncRecordRole": READS | {"BatchWriteItem", "DeleteItem", "PutItem", "UpdateItem"},
}
REPLAY = ["ReplayRoleIsGiven", "ReplayRoleArn", "arn:${AWS::Partition}:iam::${AWS::AccountId}:root"]
# Plain names: they stand for the same call in a batch as well.
TAKING = ["sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:PurgeQueue", "sqs:ReceiveMessage"]
# A page of 20,000 rows with 30 columns took 280 MB; the proof measures one of the widest table's.
PAGE_MEMORY_MB = 280
JOB = re.compile(r'"job": "([^"]+)"')
ON = "NotificationsAreOn"


class Template:
    """The template as it stands, short forms as lists and texts."""

    def __init__(self, project):
        self.project = project
        document = yaml.load((project / "template.yaml").read_text(), Loader)
        self.parameters = document["Parameters"]
        self.mappings = document["Mappings"]
        self.resources = document["Resources"]

    def of_type(self, kind):
        """Properties by name."""
        return {name: it.get("Properties", {}) for name, it in self.resources.items() if it["Type"] == f"AWS::{kind}"}

    def statements(self, role):
        """Every statement of a role, and the condition it is there under."""
        for policy in self.of_type("IAM::Role")[role]["Policies"]:
            for statement in policy["PolicyDocument"]["Statement"]:
                yield (statement[1], statement[0]) if isinstance(statement, list) else (statement, None)

    def grants(self, role):
        """Actions and resources of every statement of a role."""
        for statement, _ in self.statements(role):
            yield listed(statement["Action"]), listed(statement["Resource"])

    def may(self, action, queue):
        """Roles that are granted an action on a queue."""
        return {
            role for role in self.of_type("IAM::Role")
            for actions, resources in self.grants(role)
            if f"{queue}.Arn" in resources and any(allowed.rstrip("*") == action for allowed in actions)
        }  # fmt: skip

    def timers(self):
        """Schedules that start a job, by name."""
        return {name: it for name, it in self.of_type("Scheduler::Schedule").items() if JOB.search(it["Target"]["Input"])}

    def alarms(self, metric):
        """Alarms over a metric."""
        return {name: it for name, it in self.of_type("CloudWatch::Alarm").items() if it["MetricName"] == metric}


def listed(value):
    """A value that may stand alone."""
    return value if isinstance(value, list) else [value]


def f30(template):
    """Queues take messages from and give them to those who need it, over TLS; nothing is granted that nobody uses."""
    policies = {name: it for it in template.of_type("SQS::QueuePolicy").values() for name in it["Queues"]}
    for queue in template.of_type("SQS::Queue"):
        if queue not in policies:
            yield f"{queue} has no policy"
            continue
        statements = {it["Sid"]: it for it in policies[queue]["PolicyDocument"]["Statement"]}
        for statement in statements.values():
            if (statement["Effect"], statement["Principal"], statement["Resource"]) != ("Deny", "*", f"{queue}.Arn"):
                yield f"{queue}: {statement['Sid']} does not refuse for everybody"
        tls = statements.get("NobodyWithoutTls", {})
        if (tls.get("Action"), tls.get("Condition")) != ("sqs:*", {"Bool": {"aws:SecureTransport": "false"}}):
            yield f"{queue} can be used without TLS"
        for sid, actions, action in (
            ("NobodyElseSends", ["sqs:SendMessage"], "sqs:SendMessage"),
            ("NobodyElseTakes", TAKING, "sqs:ReceiveMessage"),
        ):
            statement = statements.get(sid, {"Action": None, "Condition": {}})
            if listed(statement["Action"]) != actions:
                yield f"{queue}: {sid} refuses {statement['Action']}"
            let = statement["Condition"].get("ArnNotLike", {}).get("aws:PrincipalArn", [])
            wanted = {f"{role}.Arn" for role in template.may(action, queue)}
            if REPLAY not in let or {who for who in let if isinstance(who, str)} != wanted or len(let) != len(wanted) + 1:
                yield f"{queue}: {sid} lets {let} pass instead of {sorted(wanted)} and the replay role"
            # SQS itself moves what was received too often; refused, it would lose those messages.
            further = {key: it for key, it in statement["Condition"].items() if key != "ArnNotLike"}
            targets = [it.get("RedrivePolicy", {}).get("deadLetterTargetArn") for it in template.of_type("SQS::Queue").values()]
            moved_by_sqs = sid == "NobodyElseSends" and f"{queue}.Arn" in targets
            if further != ({"Bool": {"aws:PrincipalIsAWSService": "false"}} if moved_by_sqs else {}):
                yield f"{queue}: {sid} has the further conditions {further}"
    trust = template.of_type("IAM::Role")["ScheduleRole"]["AssumeRolePolicyDocument"]["Statement"][0]
    expected = {"aws:SourceAccount": "AWS::AccountId", "aws:SourceArn": "ScheduleGroup.Arn"}
    if trust.get("Condition") != {"StringEquals": expected}:
        yield f"timers of other groups may use the timers' role: {trust.get('Condition')}"
    source = "\n".join(file.read_text() for file in sorted((template.project / STORE).glob("*.rs")))
    for role, wanted in TABLE_ACTIONS.items():
        granted = {
            action.removeprefix("dynamodb:") for actions, _ in template.grants(role)
            for action in actions if action.startswith("dynamodb:")
        }  # fmt: skip
        if granted != wanted:
            yield f"{role} may {sorted(granted)} on the table instead of {sorted(wanted)}"
        for action in sorted(granted):
            if CALLS[action] not in source:
                yield f"{role} may {action}, which the store never does"
    for role in template.of_type("IAM::Role"):
        for statement, given in template.statements(role):
            actions, resources = listed(statement["Action"]), listed(statement["Resource"])
            # A token that says who this is belongs to no resource: it is for one receiver, and only where it is asked for.
            receivers = statement.get("Condition", {}).get("ForAllValues:StringEquals", {}).get("sts:IdentityTokenAudience")
            proves = actions == ["sts:GetWebIdentityToken"] and given == "WebIdentityIsUsed"
            if proves and receivers == "api://AzureADTokenExchange":
                continue
            if "*" in resources or any(action.endswith(":*") for action in actions):
                yield f"{role} may {actions} on {resources}"


def f32(template):
    """A function that sends messages to itself is allowed to, no other is, and an alarm tells when Lambda cuts it anyway."""
    watched = {it["Dimensions"][0]["Value"]: it for it in template.alarms("RecursiveInvocationsDropped").values()}
    for name, function in template.of_type("Serverless::Function").items():
        queues = [event["Properties"]["Queue"] for event in function.get("Events", {}).values() if event["Type"] == "SQS"]
        role = function["Role"].removesuffix(".Arn")
        loops = any(role in template.may("sqs:SendMessage", queue.removesuffix(".Arn")) for queue in queues)
        if function.get("RecursiveLoop", "Terminate") != ("Allow" if loops else "Terminate"):
            yield f"{name} {'sends messages to itself and would be cut' if loops else 'need not be allowed to loop'}"
        if loops != (name in watched):
            yield f"{name} has {'no' if loops else 'an'} alarm for dropped invocations"
    for name, alarm in watched.items():
        rings = (alarm["Namespace"], alarm["Statistic"], alarm["ComparisonOperator"], alarm["Threshold"])
        if rings != ("AWS/Lambda", "Sum", "GreaterThanThreshold", 0):
            yield f"the alarm for dropped invocations of {name} rings on {rings}"


def starts(cron):
    """Minutes of a day at which a cron expression starts."""
    minutes, hours, *every_day = re.fullmatch(r"cron\((.*)\)", cron).group(1).split(" ")
    if every_day != ["*", "*", "?", "*"]:
        raise ValueError(cron)

    def of(field, size):
        if field == "*":
            return range(size)
        first, _, step = field.partition("/")
        return range(int(first), size, int(step)) if step else [int(first)]

    return [hour * 60 + minute for hour in of(hours, 24) for minute in of(minutes, 60)]


def f33(template):
    """Each timer keeps its frequency, apart from the others where there is room, and its alarm's period follows."""
    frequencies, parameter = template.mappings["Frequencies"], template.parameters["FrequencyMinutes"]
    if set(frequencies) != set(parameter["AllowedValues"]):
        yield f"the frequencies {sorted(frequencies)} are not those one can choose: {parameter['AllowedValues']}"
    found = lambda what: ["Frequencies", "FrequencyMinutes", what]
    schedules = template.timers()
    for frequency, row in frequencies.items():
        minutes = 30 if frequency == "own" else int(frequency)
        if row["Rate"] != f"rate({minutes} minute{'s' if minutes > 1 else ''})":
            yield f"the rate of {frequency} is {row['Rate']}"
        seconds = row["AlarmSeconds"]
        if seconds % 60 or seconds > DAY or seconds < min(minutes * 60 * 4 / 3, DAY) or seconds > max(minutes * 80, 900):
            yield f"the alarm's period for {frequency} is {seconds} s"
        if 2 * seconds > (7 * DAY if seconds >= 3600 else DAY):
            yield f"CloudWatch takes no alarm over two periods of {seconds} s"
        apart = {}
        for name, schedule in schedules.items():
            condition, together, alone = schedule["ScheduleExpression"]
            if together != found("Rate"):
                yield f"{name} starts by {together}"
            if not isinstance(alone, list):
                continue
            text, values = alone
            if values != {"Rest": found("Cron")}:
                yield f"{name} starts by {values}"
            if minutes < int(re.fullmatch(r"FasterThan(\d+)Minutes", condition).group(1)):
                continue
            at = starts(text.replace("${Rest}", row["Cron"]))
            gaps = {(after - before) % (24 * 60) or 24 * 60 for before, after in zip(at, at[1:] + at[:1])}
            if gaps != {minutes}:
                yield f"{name} starts after {sorted(gaps)} minutes instead of {minutes}"
            apart.setdefault(at[0], []).append(name)
        for names in apart.values():
            if len(names) > 1:
                yield f"{names} start together every {minutes} minutes"
    alarms = {it["Dimensions"][0]["Value"]: it for it in template.alarms("SuccessfulRuns").values()}
    for name, schedule in schedules.items():
        job = JOB.search(schedule["Target"]["Input"]).group(1)
        alarm = alarms.get(job)
        if not alarm:
            yield f"no alarm tells that {job} does not run"
            continue
        rings = (alarm["Statistic"], alarm["ComparisonOperator"], alarm["Threshold"], alarm["EvaluationPeriods"])
        if rings != ("Sum", "LessThanThreshold", 1, 2) or alarm["TreatMissingData"] != "breaching":
            yield f"the alarm of {job} rings on {rings}, and takes silence for {alarm['TreatMissingData']}"
        if alarm["Period"] != found("AlarmSeconds"):
            yield f"the alarm of {job} has the period {alarm['Period']}"


def f34(template):
    """Nothing is lost or delivered twice at the extremes of the parameters, and memory suffices for the largest page."""
    queues = template.of_type("SQS::Queue")
    for name, queue in queues.items():
        is_dead = name.endswith("DeadLetters")
        days = queue["MessageRetentionPeriod"] / DAY
        if days != (14 if is_dead else 10):
            yield f"{name} keeps messages for {days} days"
        if not is_dead and queue["RedrivePolicy"]["deadLetterTargetArn"].removesuffix(".Arn") not in queues:
            yield f"{name} has no dead letters"
    ages = {
        it["Threshold"] for it in template.alarms("ApproximateAgeOfOldestMessage").values()
        if it["Dimensions"][0]["Value"] == "RecordsQueue.QueueName"
    }  # fmt: skip
    if 2 * DAY not in ages:
        yield f"no alarm tells of records that wait for two days, only for {sorted(ages)} s"
    window, timeouts = template.parameters["BatchingWindowSeconds"]["MaxValue"], template.parameters["RecordsTimeout"]
    visible = template.mappings["Visibility"]
    if set(visible) != set(timeouts["AllowedValues"]):
        yield f"the timeouts {timeouts['AllowedValues']} are not those of the mapping: {sorted(visible)}"
    for timeout, row in visible.items():
        if row["Seconds"] < 6 * int(timeout) + window:
            yield f"with a timeout of {timeout} s a message is visible again after {row['Seconds']} s"
    for name, function in template.of_type("Serverless::Function").items():
        for event in function.get("Events", {}).values():
            queue = queues[event["Properties"]["Queue"].removesuffix(".Arn")]
            if isinstance(queue["VisibilityTimeout"], int) and queue["VisibilityTimeout"] < 6 * function["Timeout"]:
                yield f"the messages of {name} are visible again after {queue['VisibilityTimeout']} s"
    memory = template.parameters["TimerMemory"]
    if not PAGE_MEMORY_MB * 4 / 3 <= memory["MinValue"] <= memory["Default"]:
        yield f"timers may have {memory['MinValue']} MB, a page takes {PAGE_MEMORY_MB} MB"


def notifications(template):
    """Nothing is open to the Internet unless it is asked for; the door starts only jobs that have timers, and enters no system."""
    if template.parameters["Notifications"]["Default"] != "off":
        yield "notifications are on without being asked for"
    for name, it in template.resources.items():
        is_open = it["Type"] == "AWS::Lambda::Url" or it.get("Properties", {}).get("Principal") == "*"
        if is_open and it.get("Condition") != ON:
            yield f"{name} is open to everybody whether notifications are on or not"
    for name, it in template.of_type("Lambda::Permission").items():
        by_address = it.get("FunctionUrlAuthType") == "NONE" or it.get("InvokedViaFunctionUrl") is True
        if not by_address or it["FunctionName"] != "ReceiveChange.Arn":
            yield f"{name} lets everybody do more than knock"
    timers = {JOB.search(it["Target"]["Input"]).group(1): it["State"][0] for it in template.timers().values()}
    wanted = ["none", *([condition, job, "AWS::NoValue"] for job, condition in timers.items())]
    for name in ("ReceiveChange", "RunJob"):
        separator, jobs = template.of_type("Serverless::Function")[name]["Environment"]["Variables"]["COUPLET_NOTIFICATIONS_JOBS"]
        if separator != "," or sorted(map(str, jobs)) != sorted(map(str, wanted)):
            yield f"the jobs that {name} may start are not those whose timers are on"
    secrets = [res for actions, res in template.grants("ReceiveChangeRole") if "secretsmanager:GetSecretValue" in actions]
    if secrets != [["NotificationsSecret.Id"]]:
        yield f"the door reads the secrets {secrets}"
    schedule = template.of_type("Scheduler::Schedule")["SubscriptionsSchedule"]
    hours = re.fullmatch(r"rate\((\d+) hours\)", schedule["ScheduleExpression"])
    # A subscription lives for 72 hours and is renewed with 48 left.
    if not hours or int(hours.group(1)) * 4 > 48:
        yield f"subscriptions are renewed by {schedule['ScheduleExpression']}, too late after a failure or two"


CHECKS = {check.__name__: check for check in (f30, f32, f33, f34, notifications)}


def main(names):
    """Prints what is wrong; the exit code is 0 when nothing is."""
    template = Template(Path(__file__).resolve().parents[2])
    found = [problem for name in names or CHECKS for problem in CHECKS[name](template)]
    print("\n".join(found or [CHECKS[name].__doc__ for name in names or CHECKS]))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
