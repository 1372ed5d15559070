#!/usr/bin/env bash
# Packages:  moto 5.2.5 and ministack 1.5.33 (PyPI), two doubles of Amazon SQS, each with the boto3 that it asks for.
# Behaviour: a message is received twice, and then deleted with the receipt of the first time. moto deletes it, although the second
#            receiver holds it. ministack refuses the receipt as invalid, and the message comes back. SQS documents that only the newest
#            receipt is sure to delete; both are within that, but a program proven against one fails against the other.
# Matters:   a redrive that receives a page of dead letters, takes longer than the visibility timeout and then deletes must use the
#            receipt of the latest receive, and count a refused deletion as "still there".
# Fails if:  one of the two answers differently.
set -euo pipefail
folder=$(mktemp -d)
server=
stop() {
  [ -z "$server" ] || kill "$server" 2>/dev/null || true
  wait
  rm -rf "$folder"
}
trap stop EXIT
export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test PIP_DISABLE_PIP_VERSION_CHECK=1
for double in moto ministack; do python3 -m venv "$folder/$double"; done
"$folder/moto/bin/pip" install --quiet 'moto[sqs]==5.2.5' boto3==1.44.8
"$folder/ministack/bin/pip" install --quiet 'ministack[full]==1.5.33' boto3==1.43.106

cat >"$folder/older_receipt.py" <<'PY'
import sys
import time
from contextlib import nullcontext

import boto3
from botocore.exceptions import ClientError

double, address = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None
if double == "moto":
    from moto import mock_aws as service
else:
    service = nullcontext
with service():
    queues = boto3.client("sqs", region_name="eu-west-1", endpoint_url=address)
    queue = queues.create_queue(QueueName="letters", Attributes={"VisibilityTimeout": "1"})["QueueUrl"]
    queues.send_message(QueueUrl=queue, MessageBody="a letter")
    older = queues.receive_message(QueueUrl=queue)["Messages"][0]["ReceiptHandle"]
    newer = []
    while not newer:
        time.sleep(0.2)
        newer = queues.receive_message(QueueUrl=queue, VisibilityTimeout=60).get("Messages", [])
    try:
        queues.delete_message(QueueUrl=queue, ReceiptHandle=older)
        said = "deletes"
    except ClientError as error:
        said = error.response["Error"]["Code"]
    counters = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    found = queues.get_queue_attributes(QueueUrl=queue, AttributeNames=counters)["Attributes"]
    print(f"{double}: {said}, messages left: {sum(int(number) for number in found.values())}")
PY

"$folder/moto/bin/python" "$folder/older_receipt.py" moto | tee "$folder/seen.txt"

port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
env BIND_HOST=127.0.0.1 GATEWAY_PORT="$port" MINISTACK_HOST=127.0.0.1 AWS_ENDPOINT_URL="http://127.0.0.1:$port" IOT_MTLS_ENABLED=false \
  SFTP_ENABLED=false LAMBDA_EXECUTOR=local TMPDIR="$folder" "$folder/ministack/bin/ministack" >"$folder/server.log" 2>&1 &
server=$!
for _ in {1..100}; do
  if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then break; fi
  sleep 0.2
done
"$folder/ministack/bin/python" "$folder/older_receipt.py" ministack "http://127.0.0.1:$port" | tee -a "$folder/seen.txt"

diff - "$folder/seen.txt" <<'SEEN'
moto: deletes, messages left: 0
ministack: ReceiptHandleIsInvalid, messages left: 1
SEEN
echo "as described"
