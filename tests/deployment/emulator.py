"""Starts the emulator as AWS would judge requests to it.

Queue policies ask whether a request came over TLS, and which role it came from. Everything here is on 127.0.0.1 without
TLS, and the emulator names the session of a role where AWS names the role. So requests count as encrypted, unless they say
`X-Forwarded-Proto: http`, and roles are named as on AWS.
"""

import contextvars
import re

from ministack import app
from ministack.core import iam_evaluator

SESSION = re.compile(r"arn:(aws[a-z-]*):sts::(\d{12}):assumed-role/([^/]+)/.+")
over_tls = contextvars.ContextVar("over_tls", default=True)
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


app.app = serve_as_encrypted
app.pin_request_origin = pin_origin_as_encrypted
iam_evaluator._resolve_condition_key = condition_key_of_roles

if __name__ == "__main__":
    app.main()
