"""Steps: both systems tell the deployed stack of changes."""

import json
import urllib.error
import urllib.request

from checks import equal, expect, wait_until

JOB = "CUSTOMER"
CHANGE = json.dumps({"MessageName": "Update", "PrimaryEntityName": "account"}).encode()


def told(world, path, body=b""):
    """Status and text of the answer at the stack's own address, which the emulator serves under a path of its own."""
    identifier = world.stack.outputs["NotificationsUrl"].split("//")[1].split(".")[0]
    url = f"{world.stack.environment['AWS_ENDPOINT_URL']}/_aws/lambda-url/{identifier}/{path}"
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data=body, method="POST"), timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def early_runs(world):
    """Runs of the job that a notification started."""
    partition = [item for item in world.stack.items() if item["pk"]["S"].endswith(f"#run#{JOB}")]
    return {item["sk"]["S"] for item in partition if item.get("trigger", {}).get("S") == "notification"}


def a_notification_starts_a_job(world):
    """The address answers a handshake, refuses who does not show the secret, and starts a job for who does."""
    world.deploy(Notifications="on")
    equal(told(world, "business-central/customers?validationToken=to%20be%2Bsaid"), (200, "to be+said"), "the handshake")
    equal(told(world, "dataverse?code=guessed", CHANGE), (403, ""), "the answer to a wrong key")
    equal(told(world, "", CHANGE)[0], 404, "the answer at another path")
    equal(early_runs(world), set(), "runs that a forged notification started")
    configuration = world.stack.functions.get_function_configuration(FunctionName="couplet-receive-change")
    variables = configuration["Environment"]["Variables"]
    expect("COUPLET_NOTIFICATIONS_URL" not in variables, "the door need not know its address")
    secrets = world.stack.client("secretsmanager")
    secret = secrets.get_secret_value(SecretId=variables["COUPLET_NOTIFICATIONS_SECRET_ARN"])["SecretString"]
    equal(len(secret), 64, "letters of the secret")
    equal(told(world, f"dataverse?code={secret}", CHANGE), (200, ""), "the answer to the right key")
    wait_until("the job has run", lambda: early_runs(world), 60)
    equal(told(world, f"dataverse?code={secret}", CHANGE), (200, ""), "the answer to the same once more")
    lines = world.stack.log_lines("receive-change")
    expect(not any(secret in line for line in lines), "the secret is in the log")
    expect(not any('"level":"ERROR"' in line for line in lines), "a forged notification is an error in the log")

    # Dataverse takes any address; the simulated Business Central tells nobody beyond this machine, and says so.
    status = world.couplet.ask("notifications", "renew", ends_with=1)
    equal(status["address"], world.stack.outputs["NotificationsUrl"], "where both systems are to tell of changes")
    states = {(table["system"], table["table"]): table for table in status["tables"]}
    equal(states["dataverse", "account"]["state"], "subscribed", "the state of accounts")
    equal(states["business_central", "Customer"]["state"], "failed", "the state of customers")
    expect("on this machine" in states["business_central", "Customer"]["why"], "why customers cannot be subscribed")
    equal(world.couplet.ask("notifications", "status"), status, "what is remembered of it")
    equal(world.couplet.ask("notifications", "remove")["tables"], [], "what is left")
