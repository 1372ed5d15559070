"""The deployed stack, through the ordinary clients of AWS."""

import json
import os
import subprocess
from collections import defaultdict
from pathlib import Path

import boto3
import botocore.config

from checks import expect, wait_until
from processes import REGION

NAME = "couplet"
BUILT = Path(".aws-sam") / "build" / "template.yaml"


class Stack:
    """One stack on one endpoint."""

    def __init__(self, sam, project, endpoint):
        self.sam = sam
        self.project = project
        self.environment = {
            **os.environ,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ENDPOINT_URL": endpoint,
            "SAM_CLI_TELEMETRY": "0",
            # Seconds between two looks at a stack under way; the emulator is quick.
            "SAM_CLI_POLL_DELAY": "0.5",
        }
        session = boto3.Session("test", "test", region_name=REGION)
        # A run may take long, and a run that is tried again by the client would be two.
        patient = botocore.config.Config(read_timeout=300, retries={"total_max_attempts": 1})
        self.client = lambda service: session.client(service, endpoint_url=endpoint, config=patient)
        self.cloudformation = self.client("cloudformation")
        self.dynamodb = self.client("dynamodb")
        self.functions = self.client("lambda")
        self.sqs = self.client("sqs")
        self.outputs = {}

    # -- The stack itself

    def deploy(self, parameters):
        """`sam deploy` of what `sam build` built; gives what it printed."""
        overrides = [f'{name}="{value}"' for name, value in parameters.items()]
        printed = self._sam(
            "deploy", "--template-file", str(BUILT), "--stack-name", NAME, "--resolve-s3",
            "--capabilities", "CAPABILITY_IAM", "--no-confirm-changeset", "--no-progressbar",
            "--parameter-overrides", *overrides,
        )  # fmt: skip
        described = self.cloudformation.describe_stacks(StackName=NAME)["Stacks"][0]
        self.outputs = {output["OutputKey"]: output["OutputValue"] for output in described["Outputs"]}
        self._limit_batches_at_once()
        return printed

    def delete(self):
        """`sam delete`; gives what it printed."""
        return self._sam("delete", "--stack-name", NAME, "--no-prompts", "--region", REGION)

    def _sam(self, *arguments):
        done = subprocess.run(
            [self.sam, *arguments], cwd=self.project, env=self.environment,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300,
        )  # fmt: skip
        expect(done.returncode == 0, f"sam {arguments[0]} ended with {done.returncode}: {done.stdout[-1500:]}")
        return done.stdout

    def _limit_batches_at_once(self):
        # The emulator keeps a number that came through a parameter as text, cannot compare it, and then serves no queue
        # at all; AWS reads it.
        for mapping in self.functions.list_event_source_mappings()["EventSourceMappings"]:
            limit = int(mapping.get("ScalingConfig", {}).get("MaximumConcurrency", 2))
            self.functions.update_event_source_mapping(
                UUID=mapping["UUID"], ScalingConfig={"MaximumConcurrency": limit}
            )

    # -- The functions

    def event_source(self):
        """What brings records to sync-record."""
        listed = self.functions.list_event_source_mappings(EventSourceArn=self.queue_arn("RecordsQueueUrl"))
        return listed["EventSourceMappings"][0]

    def process_records(self, on):
        """Holds the records in the queue, or lets them go."""
        self.functions.update_event_source_mapping(UUID=self.event_source()["UUID"], Enabled=on)
        if not on:
            # A batch under way is finished first.
            wait_until("no batch is under way", lambda: self.depth("RecordsQueueUrl")["under way"] == 0, 60)

    def run_job(self, job, mode="modified"):
        """Runs a job and waits for its answer."""
        function = "RefreshAvailabilityFunction" if job == "Item Availability" else "RunJobFunction"
        event = json.dumps({"job": job, "mode": mode, "trigger": "manual"})
        answer = self.functions.invoke(FunctionName=self.outputs[function], Payload=event)
        body = json.loads(answer["Payload"].read())
        expect("FunctionError" not in answer, f"the job {job} failed: {body}")
        return body

    def log_lines(self, function):
        """Every line of a function's log, in the order of time.

        Stream by stream, because the emulator's search ends at 10,000 lines without saying so.
        """
        logs, group = self.client("logs"), f"/couplet/{NAME}/{function}"
        pages = logs.get_paginator("describe_log_streams").paginate(logGroupName=group)
        # Streams are listed by pages, and a stream that gets lines meanwhile may stand on two of them.
        streams = {stream["logStreamName"] for page in pages for stream in page["logStreams"]}
        lines = []
        for stream in streams:
            lines += logs.get_log_events(logGroupName=group, logStreamName=stream, startFromHead=True)["events"]
        return [line["message"].rstrip("\n") for line in sorted(lines, key=lambda line: line["timestamp"])]

    # -- The queues

    def queue_arn(self, output):
        """The ARN of a queue that is among the outputs."""
        answer = self.sqs.get_queue_attributes(QueueUrl=self.outputs[output], AttributeNames=["QueueArn"])
        return answer["Attributes"]["QueueArn"]

    def depth(self, output):
        """Messages of a queue: waiting, and under way or coming back later."""
        answer = self.sqs.get_queue_attributes(QueueUrl=self.outputs[output], AttributeNames=["All"])["Attributes"]
        return {
            "waiting": int(answer["ApproximateNumberOfMessages"]),
            "under way": int(answer["ApproximateNumberOfMessagesNotVisible"]),
        }

    def expect_depth(self, output, waiting):
        """Fails unless exactly so many messages wait and none is under way."""
        found = self.depth(output)
        expect(found == {"waiting": waiting, "under way": 0}, f"{output} holds {found} instead of {waiting}")
        return True

    def take_all(self, output, count):
        """Receives and deletes exactly so many messages."""
        taken = []
        while len(taken) < count:
            answer = self.sqs.receive_message(
                QueueUrl=self.outputs[output], MaxNumberOfMessages=10, AttributeNames=["All"], VisibilityTimeout=600
            )
            messages = answer.get("Messages", [])
            expect(messages, f"only {len(taken)} of {count} messages are in {output}")
            taken.extend(messages)
            entries = [
                {"Id": str(index), "ReceiptHandle": message["ReceiptHandle"]}
                for index, message in enumerate(messages)
            ]
            self.sqs.delete_message_batch(QueueUrl=self.outputs[output], Entries=entries)
        return taken

    def peek_all(self, output, count):
        """Receives exactly so many messages and puts them back."""
        url, seen = self.outputs[output], []
        while len(seen) < count:
            answer = self.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=600)
            messages = answer.get("Messages", [])
            expect(messages, f"only {len(seen)} of {count} messages are in {output}")
            seen.extend(messages)
        for message in seen:
            self.sqs.change_message_visibility(
                QueueUrl=url, ReceiptHandle=message["ReceiptHandle"], VisibilityTimeout=0
            )
        return seen

    def send(self, output, bodies):
        """Sends messages, up to ten at once."""
        for start in range(0, len(bodies), 10):
            chunk = bodies[start : start + 10]
            entries = [{"Id": str(index), "MessageBody": body} for index, body in enumerate(chunk)]
            failed = self.sqs.send_message_batch(QueueUrl=self.outputs[output], Entries=entries).get("Failed")
            expect(not failed, f"messages were not taken: {failed}")

    # -- The table

    def items(self):
        """Everything in the table."""
        pages = self.dynamodb.get_paginator("scan").paginate(TableName=self.outputs["TableName"], ConsistentRead=True)
        return [item for page in pages for item in page["Items"]]

    def couplings(self):
        """Coupled pairs by mapping: Business Central id and Dataverse id."""
        pairs = defaultdict(list)
        for item in self.items():
            sort_key = item["sk"]["S"]
            if sort_key.startswith("coupling#") and "dv" in item:
                mapping = item["pk"]["S"].split("#")[1]
                pairs[mapping].append((sort_key.removeprefix("coupling#"), item["dv"]["S"]))
        return dict(pairs)

    def jobs(self):
        """What is stored of every job."""
        partition = [item for item in self.items() if item["pk"]["S"].endswith("#jobs")]
        return {item["sk"]["S"]: {name: next(iter(value.values())) for name, value in item.items()} for item in partition}
