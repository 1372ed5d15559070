"""Steps: the stack comes, changes, goes, and comes again."""

import json

from checks import equal, expect, wait_until
from measurements import FUNCTIONS
from queues import REPLAY_ROLES
from world import JOBS

# Timers that run every minute, everything there is: what the first synchronization of a company needs.
FIRST = {"Schedules": "ENABLED", "FrequencyMinutes": 1, "SynchronizationMode": "full"}
# An invocation so short, and pages so small, that the first load does not fit into one.
SHORT = {"RunSeconds": 1, "BusinessCentralPageSize": 200}
# The template's defaults: a parameter that is left out of a deployment keeps the value it had.
DEFAULTS = {"RunSeconds": "", "BusinessCentralPageSize": 20000}


def first_deployment(world):
    """One secret the stack keeps, one that somebody else put into Secrets Manager."""
    secret = world.stack.client("secretsmanager").create_secret(
        Name="business-central", SecretString=world.business_central.secret
    )
    world.deploy(
        CompanyId=world.business_central.company,
        BusinessCentralUrl=world.business_central.url,
        BusinessCentralTenant=world.business_central.tenant,
        BusinessCentralClientId=world.business_central.client,
        BusinessCentralClientSecretArn=secret["ARN"],
        BusinessCentralAuthority=world.business_central.authority,
        DataverseUrl=world.dataverse.url,
        EntraTenant=world.dataverse.tenant,
        EntraClientId=world.dataverse.client,
        ClientSecret=world.dataverse.secret,
        EntraAuthority=world.dataverse.authority,
        Ownership="person",
        BatchingWindowSeconds=1,
        FirstRetrySeconds=1,
        RecordsTimeout=60,
        LeaseMinutes=2,
        AlarmEmail="operations@example.com",
        **FIRST,
        **SHORT,
    )


def a_second_deployment_updates_in_place(world):
    """Changed parameters change the functions and the timers, and nothing that is remembered."""
    # The emulator ends invocations under way when their function changes, as AWS does not, and their messages stay hidden.
    world.stack.process_records(False)
    before, outputs = world.stack.couplings(), dict(world.stack.outputs)
    world.deploy(SynchronizationMode="modified", LogLevel="info,couplet_engine=debug", **DEFAULTS)
    world.stack.process_records(True)
    equal(world.stack.outputs, outputs, "the outputs")
    equal(world.stack.couplings(), before, "the couplings")
    configuration = world.stack.functions.get_function_configuration(FunctionName=outputs["RunJobFunction"])
    variables = configuration["Environment"]["Variables"]
    equal(variables["COUPLET_LOG"], "info,couplet_engine=debug", "the log level")
    equal(variables["COUPLET_BUSINESS_CENTRAL_PAGE_SIZE"], "20000", "the size of a page")
    equal(variables["COUPLET_LIMITS_RUN_SECONDS"], "", "the seconds of an invocation")
    schedule = world.stack.client("scheduler").get_schedule(GroupName="couplet", Name="ItemProduct")
    equal(json.loads(schedule["Target"]["Input"])["mode"], "modified", "the timer's mode")


def timers_can_be_switched_off(world):
    """One parameter stops all timers."""
    world.deploy(Schedules="DISABLED")
    scheduler = world.stack.client("scheduler")
    listed = scheduler.list_schedules(GroupName="couplet", MaxResults=100)["Schedules"]
    equal(len(listed), 29, "timers")
    equal({schedule["State"] for schedule in listed}, {"DISABLED"}, "their states")
    wait_until("what had started is done", lambda: world.nobody_runs() and world.is_quiet(), 90)


def the_alarms(world):
    """Everything that has to be seen has an alarm that tells somebody."""
    alarms = world.stack.client("cloudwatch").describe_alarms()["MetricAlarms"]
    of_jobs = {dimension["Value"] for alarm in alarms for dimension in alarm["Dimensions"] if dimension["Name"] == "Job"}
    equal(of_jobs, JOBS, "jobs whose successful runs are watched")
    others = [alarm for alarm in alarms if not alarm["AlarmName"].startswith("couplet-no-successful-run-")]
    equal(len(others) + len(JOBS), len(alarms), "alarms of jobs and others")
    names = {alarm["AlarmName"].removeprefix("couplet-") for alarm in others}
    wanted = {f"{queue}-dead-letters" for queue in ("records", "tasks", "schedules")}
    wanted |= {"records-age", "records-held", "tasks-age", "outages-to-dataverse", "outages-from-dataverse"}
    wanted |= {"sync-record-recursion", "run-task-recursion"}
    wanted |= {f"{function}-{what}" for function in FUNCTIONS.values() for what in ("errors", "throttles")}
    equal(names, wanted, "the alarms")
    silent = [alarm["AlarmName"] for alarm in alarms if alarm["AlarmActions"] != [world.stack.outputs["AlarmTopic"]]]
    expect(not silent, f"alarms without anybody to tell: {silent}")


def deleting_the_stack_keeps_the_table(world):
    """The stack goes, what Couplet remembers stays, and the events say so."""
    table, before = world.stack.outputs["TableName"], world.stack.couplings()
    described = world.stack.cloudformation.describe_stacks(StackName="couplet")["Stacks"][0]
    world.stack.delete()
    events = world.stack.cloudformation.describe_stack_events(StackName=described["StackId"])["StackEvents"]
    kept = {event["LogicalResourceId"] for event in events if event["ResourceStatus"] == "DELETE_SKIPPED"}
    equal(kept, {"Table"}, "what the events say was kept")
    equal(world.stack.couplings(), before, "the couplings")
    functions = [function["FunctionName"] for function in world.stack.functions.list_functions()["Functions"]]
    equal(functions, [], "functions left")
    return table


def a_new_stack_goes_on_with_the_table(world, table):
    """A stack on the table that was left goes on where the old one ended."""
    world.deploy(ExistingTableName=table, Schedules="DISABLED", ReplayRoleArn=REPLAY_ROLES)
    equal(world.stack.outputs["TableName"], table, "the table")
    items = world.items_by_number()[40:41]
    world.enqueue(items, "After the move")
    world.stack.process_records(True)
    wait_until("the change arrives", world.agrees, 60)
    world.expect_names(items, "After the move")
