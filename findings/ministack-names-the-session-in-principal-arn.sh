#!/usr/bin/env bash
# Package:   ministack 1.5.33 (PyPI), an AWS emulator in one process, with its IAM switched on (AUTH=true); boto3 1.43.106.
# Behaviour: in a queue's policy the key aws:PrincipalArn of a caller with an assumed role is the ARN of the session
#            (arn:aws:sts::…:assumed-role/…). IAM documents the ARN of the role (arn:aws:iam::…:role/…). A policy that refuses everybody
#            but a role, as AWS recommends to write it, therefore refuses the role itself here.
# Matters:   "only these roles may send" cannot be proven on the emulator as it is: the proof replaces this key's value.
# Fails if:  the role may send under a policy with the role's ARN, or may not under one with the session's.
set -euo pipefail
folder=$(mktemp -d)
server=
stop() {
  [ -z "$server" ] || kill "$server" 2>/dev/null || true
  wait
  rm -rf "$folder"
}
trap stop EXIT
export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test AWS_REGION=eu-west-1 AWS_DEFAULT_REGION=eu-west-1
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check 'ministack[full]==1.5.33' boto3==1.43.106

port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
export AWS_ENDPOINT_URL="http://127.0.0.1:$port"
env AUTH=true BIND_HOST=127.0.0.1 GATEWAY_PORT="$port" MINISTACK_HOST=127.0.0.1 IOT_MTLS_ENABLED=false SFTP_ENABLED=false LAMBDA_EXECUTOR=local \
  TMPDIR="$folder" "$folder/venv/bin/ministack" >"$folder/server.log" 2>&1 &
server=$!
for _ in {1..100}; do
  if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then break; fi
  sleep 0.2
done

"$folder/venv/bin/python" - <<'PY' | tee "$folder/seen.txt"
import json

import boto3
from botocore.exceptions import ClientError

iam, sts, queues = boto3.client("iam"), boto3.client("sts"), boto3.client("sqs")
trust = {"Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}]}
role = iam.create_role(RoleName="sender", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
allowed = {"Statement": [{"Effect": "Allow", "Action": "sqs:*", "Resource": "*"}]}
iam.put_role_policy(RoleName="sender", PolicyName="queues", PolicyDocument=json.dumps(allowed))
given = sts.assume_role(RoleArn=role, RoleSessionName="session")
session = given["AssumedRoleUser"]["Arn"]
sender = boto3.client(
    "sqs",
    aws_access_key_id=given["Credentials"]["AccessKeyId"],
    aws_secret_access_key=given["Credentials"]["SecretAccessKey"],
    aws_session_token=given["Credentials"]["SessionToken"],
)
queue = queues.create_queue(QueueName="records")["QueueUrl"]
arn = queues.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
for name, principal in (("role", role), ("session", session)):
    policy = {
        "Statement": [
            {
                "Effect": "Deny",
                "Principal": "*",
                "Action": "sqs:SendMessage",
                "Resource": arn,
                "Condition": {"ArnNotLike": {"aws:PrincipalArn": principal}},
            }
        ]
    }
    queues.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": json.dumps(policy)})
    try:
        sender.send_message(QueueUrl=queue, MessageBody="a record")
        print(f"everybody but the {name} is refused: the role may send")
    except ClientError as error:
        print(f"everybody but the {name} is refused: {error.response['Error']['Code']}")
PY

diff - "$folder/seen.txt" <<'SEEN'
everybody but the role is refused: AccessDenied
everybody but the session is refused: the role may send
SEEN
echo "as described"
