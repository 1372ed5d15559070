"""Starts the emulator as AWS would judge requests to it.

Queue policies ask whether a request came over TLS, and which role it came from. Everything here is on 127.0.0.1 without
TLS, and the emulator names the session of a role where AWS names the role. So requests count as encrypted, unless they say
`X-Forwarded-Proto: http`, and roles are named as on AWS.

A function gets as many records at once as its event source allows, where the emulator ends at ten; as on AWS, an invocation's
records are no larger than its payload may be.
"""

import contextvars
import re

from ministack import app
from ministack.core import iam_evaluator
from ministack.services import sqs

SESSION = re.compile(r"arn:(aws[a-z-]*):sts::(\d{12}):assumed-role/([^/]+)/.+")
over_tls = contextvars.ContextVar("over_tls", default=True)
# Bytes of the messages of one invocation: what surrounds them in its 6 MB is left out.
PAYLOAD = 5_000_000
receive_for_function = sqs._receive_messages_for_esm
serve, pin_origin, condition_key = app.app, app.pin_request_origin, iam_evaluator._resolve_condition_key


async def serve_as_encrypted(scope, receive, send):
    over_tls.set((b"x-forwarded-proto", b"http") not in [tuple(header) for header in scope.get("headers", [])])
    await serve(scope, receive, send)


def pin_origin_as_encrypted(address, _):
    pin_origin(address, over_tls.get())


def condition_key_of_roles(key, context):
    value = condition_key(key, context)
    if key.lower() == "aws:principalarn" and (session := SESSION.fullmatch(str(value))):
        partition, account, role = session.groups()
        return f"arn:{partition}:iam::{account}:role/{role}"
    return value


def receive_full_batch(queue_url, most):
    received = []
    while len(received) < most and sum(len(message["body"]) for message in received) < PAYLOAD:
        more = receive_for_function(queue_url, most - len(received))
        if not more:
            break
        received += more
    return received


app.app = serve_as_encrypted
app.pin_request_origin = pin_origin_as_encrypted
iam_evaluator._resolve_condition_key = condition_key_of_roles
sqs._receive_messages_for_esm = receive_full_batch

if __name__ == "__main__":
    app.main()
