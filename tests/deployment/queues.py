"""Steps: who reaches the queues."""

import json

import boto3
import botocore.config
import botocore.exceptions

from checks import equal, expect
from processes import REGION

STRANGER, REPLAYING = "stranger", "replay-agent"
EVERYTHING = {"Effect": "Allow", "Action": "sqs:*", "Resource": "*"}
# The role that may replay, and the proof itself, which acts as the account's root user: no other role of it ends so.
REPLAY_ROLES = "arn:aws:iam::000000000000:ro*t"


def _refused(call, **arguments):
    """Whether AWS denies a call."""
    try:
        call(**arguments)
    except botocore.exceptions.ClientError as error:
        expect("AccessDenied" in error.response["Error"]["Code"], f"another refusal: {error}")
        return True
    return False


def _acting_as(world, role):
    """SQS as a role sees it that is allowed everything by its own policies."""
    iam = world.stack.client("iam")
    trust = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    try:
        arn = iam.create_role(RoleName=role, AssumeRolePolicyDocument=document)["Role"]["Arn"]
    except iam.exceptions.EntityAlreadyExistsException:
        arn = iam.get_role(RoleName=role)["Role"]["Arn"]
    policy = json.dumps({"Version": "2012-10-17", "Statement": [EVERYTHING]})
    iam.put_role_policy(RoleName=role, PolicyName="everything", PolicyDocument=policy)
    given = world.stack.client("sts").assume_role(RoleArn=arn, RoleSessionName="proof")["Credentials"]
    session = boto3.Session(given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"], REGION)
    patient = botocore.config.Config(retries={"total_max_attempts": 1})
    return session.client("sqs", endpoint_url=world.emulator.url, config=patient)


def _without_tls(world):
    """SQS of the account's root user, over a connection that says it is not encrypted."""
    sqs = world.stack.client("sqs")
    sqs.meta.events.register("before-sign.sqs", lambda request, **_: request.headers.add_header("X-Forwarded-Proto", "http"))
    return sqs


def only_those_who_need_it(world):
    """Nobody else sends to a queue, takes messages from it or removes them, whatever his own policies allow; and without TLS
    nobody does."""
    outputs = world.stack.outputs
    urls = {name: outputs[name] for name in outputs if name.endswith(("QueueUrl", "DeadLettersUrl"))}
    equal(len(urls), 5, "queues")
    stranger, plain = _acting_as(world, STRANGER), _without_tls(world)
    own = stranger.create_queue(QueueName="his-own")["QueueUrl"]
    stranger.send_message(QueueUrl=own, MessageBody="what his policies allow")
    before = {name: world.stack.depth(name) for name in urls}
    for name, url in urls.items():
        for who, sqs in (("a stranger", stranger), ("somebody without TLS", plain)):
            # The emulator does not know which principals are services of AWS, and these alone may send dead letters.
            if who != "a stranger" or name.endswith("QueueUrl"):
                expect(_refused(sqs.send_message, QueueUrl=url, MessageBody="forged"), f"{who} may send to {name}")
            expect(_refused(sqs.receive_message, QueueUrl=url), f"{who} may take messages from {name}")
            expect(_refused(sqs.purge_queue, QueueUrl=url), f"{who} may empty {name}")
        expect(_refused(plain.get_queue_attributes, QueueUrl=url), f"{name} answers without TLS")
        equal(world.stack.depth(name), before[name], f"what is in {name}")


def the_replay_role_does(world):
    """The role that the stack is told of sends and takes, and no other does."""
    stranger, replaying = _acting_as(world, STRANGER), _acting_as(world, REPLAYING)
    url = world.stack.outputs["RecordsDeadLettersUrl"]
    replaying.send_message(QueueUrl=url, MessageBody="this is no message")
    expect(_refused(stranger.receive_message, QueueUrl=url), "a stranger may take messages beside the replay role")
    (message,) = replaying.receive_message(QueueUrl=url)["Messages"]
    replaying.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    records = world.stack.outputs["RecordsQueueUrl"]
    expect(_refused(stranger.send_message, QueueUrl=records, MessageBody="forged"), "a stranger may send to the records")
