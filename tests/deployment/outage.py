"""Steps: what cannot be synchronized becomes a dead letter, somebody is told, and it comes home."""

import json
import urllib.parse

from checks import equal, expect, moment, now, wait_until


def _fates(report):
    """How many letters of a replay came to which end."""
    return {fate: count for fate, count in report["sums"].items() if count}


def a_poison_message(world):
    """A message that cannot be read becomes a dead letter; its batch is synchronized; a replay leaves it and says why."""
    items = world.items_by_number()[10:13]
    world.enqueue(items, "Beside poison")
    world.stack.send("RecordsQueueUrl", ["this is no message"])
    world.stack.process_records(True)
    wait_until("the others are synchronized", lambda: world.expect_names(items, "Beside poison"), 60)
    wait_until("the poison is a dead letter", lambda: world.stack.expect_depth("RecordsDeadLettersUrl", 1), 120)
    world.stack.expect_depth("RecordsQueueUrl", 0)

    report = world.couplet.ask("replay")
    equal(_fates(report), {"unreadable": 1}, "what the replay did")
    (letter,) = report["letters"]
    expect(letter["unreadable"], "the replay does not say what is wrong with the message")
    expect("cannot be read" in (letter["reason"] or ""), f"why it died: {letter['reason']!r}")
    wait_until("the poison lies where it lay", lambda: world.stack.expect_depth("RecordsDeadLettersUrl", 1), 30)
    (message,) = world.stack.take_all("RecordsDeadLettersUrl", 1)
    equal(message["Body"], "this is no message", "the dead letter")


def an_outage(world):
    """While Dataverse is down, runs fail and records become dead letters; neither loses anything. Gives what was caught."""
    wait_until("nothing is under way", lambda: world.nobody_runs() and world.is_quiet(), 60)
    items = world.items_by_number()[20:32]
    began = now()
    run = world.enqueue(items, "Through an outage")
    world.dataverse.outage(True)
    try:
        world.stack.process_records(True)
        world.couplet.text("run", "CUSTOMER", ends_with=1)
        wait_until(
            "all are dead letters", lambda: world.stack.expect_depth("RecordsDeadLettersUrl", len(items)), 180
        )
        world.stack.expect_depth("RecordsQueueUrl", 0)
    finally:
        world.dataverse.outage(False)
    taken = [row["name"] for row in world.dataverse.rows("product") if row["name"].startswith("Through")]
    equal(taken, [], "what Dataverse took while it was down")
    return items, run, began


def its_alarm(world, caught):
    """The deployed alarm watches the very number that has risen, and tells the topic.

    The emulator makes no metric of its queues, as CloudWatch does by itself; so its number is handed over here.
    """
    letters = len(caught[0])
    cloudwatch = world.stack.client("cloudwatch")
    queue = urllib.parse.urlsplit(world.stack.outputs["RecordsDeadLettersUrl"]).path.rsplit("/", 1)[1]
    dimensions = [{"Name": "QueueName", "Value": queue}]

    def alarm():
        return cloudwatch.describe_alarms(AlarmNames=["couplet-records-dead-letters"])["MetricAlarms"][0]

    metric = (alarm()["Namespace"], alarm()["MetricName"], alarm()["Dimensions"], alarm()["Statistic"])
    equal(metric, ("AWS/SQS", "ApproximateNumberOfMessagesVisible", dimensions, "Maximum"), "what the alarm watches")
    equal((alarm()["ComparisonOperator"], alarm()["Threshold"]), ("GreaterThanThreshold", 0.0), "when it rings")
    equal(world.stack.depth("RecordsDeadLettersUrl")["waiting"], letters, "the number it watches")

    listener = _listener(world)
    expect(alarm()["StateValue"] != "ALARM", "the alarm rings already")
    data = {"MetricName": metric[1], "Dimensions": dimensions, "Value": letters, "Unit": "Count"}
    cloudwatch.put_metric_data(Namespace=metric[0], MetricData=[data])
    wait_until("the alarm rings", lambda: alarm()["StateValue"] == "ALARM", 30)

    def is_told():
        for message in world.stack.sqs.receive_message(QueueUrl=listener, MaxNumberOfMessages=10).get("Messages", []):
            told = json.loads(json.loads(message["Body"])["Message"])
            if (told["AlarmName"], told["NewStateValue"]) == ("couplet-records-dead-letters", "ALARM"):
                return True
        return False

    wait_until("somebody is told", is_told, 30)


def _listener(world):
    """A queue that is told what the alarms' topic tells."""
    sqs, topic = world.stack.sqs, world.stack.outputs["AlarmTopic"]
    url = sqs.create_queue(QueueName="who-is-told")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": arn,
        "Condition": {"ArnEquals": {"aws:SourceArn": topic}},
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    world.stack.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    return url


def its_replay(world, caught):
    """Everything that was caught comes home once Dataverse is back, exactly once; replaying it again changes nothing."""
    items, run, began = caught
    records = {item["id"] for item in items}
    bodies = [message["Body"] for message in world.stack.peek_all("RecordsDeadLettersUrl", len(items))]

    rehearsal = world.couplet.ask("replay", "--dry-run")
    expect(rehearsal["dry_run"], "the rehearsal was none")
    equal(_fates(rehearsal), {"moved": len(items)}, "what a replay would do")
    equal({letter["record"] for letter in rehearsal["letters"]}, records, "the records it names")
    for letter in rehearsal["letters"]:
        equal((letter["mapping"], letter["run"], letter["queue"]), ("ITEM-PRODUCT", run, "records"), "whose letter it is")
        expect("Dataverse" in (letter["reason"] or ""), f"why it died: {letter['reason']!r}")
        sent, died = moment(letter["sent"]), moment(letter["died"])
        expect(began <= sent < died <= now(), f"sent {sent}, died {died}, and it began {began}")
    wait_until("they lie where they lay", lambda: world.stack.expect_depth("RecordsDeadLettersUrl", len(items)), 30)

    rows = world.rows()
    report = world.couplet.ask("replay")
    equal(_fates(report), {"moved": len(items)}, "what the replay did")
    wait_until("the replay is home", world.agrees, 90, every=1)
    world.expect_names(items, "Through an outage")
    equal(world.rows(), rows, "rows after the replay")
    last = _last_run(world)
    counted = (last["id"], last["enqueued"], last["processed"], last["counters"]["modified"])
    equal(counted, (run, *[len(items)] * 3), "the run, what it found, what was processed, what was modified")

    versions = world.versions()
    equal(world.couplet.ask("replay")["letters"], [], "what a second replay finds")
    equal(world.versions(), versions, "both systems after the second replay")
    # As the console's redrive does: the bodies as they were, into the queue.
    world.stack.send("RecordsQueueUrl", bodies)
    wait_until("the redrive is done", world.is_quiet, 60)
    equal(world.versions(), versions, "both systems after a redrive of the same messages")
    # And once more from among the dead letters.
    world.stack.send("RecordsDeadLettersUrl", bodies)
    again = _fates(world.couplet.ask("replay"))
    equal(sum(again.get(fate, 0) for fate in ("moved", "synchronized_meanwhile")), len(items), f"letters, of {again}")
    wait_until("the third replay is done", world.is_quiet, 60)
    equal(world.versions(), versions, "both systems after the third replay")
    modified = _last_run(world)["counters"]["modified"]
    equal(modified, len(items), "records the run counts as modified after all of that")


def _last_run(world):
    """The last run of the items' job, as the operator sees it."""
    jobs = {job["name"]: job for job in world.couplet.ask("jobs")["jobs"]}
    return jobs["ITEM-PRODUCT"]["last_run"]
