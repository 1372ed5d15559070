#!/usr/bin/env bash
# Package:   ministack 1.5.33 (PyPI), an AWS emulator in one process; boto3 1.43.106, which it asks for.
# Behaviour: an alarm over a sum of two metrics (`Metrics` with an expression) is accepted by PutMetricAlarm and refused as a resource of a
#            stack, with CREATE_FAILED and a rollback of the whole stack. cfn-lint and `sam validate` accept the template, and so does AWS.
# Matters:   a template that is to be proven on this emulator needs one alarm for each metric; the linter cannot tell.
# Fails if:  one of the two ways answers differently.
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
env BIND_HOST=127.0.0.1 GATEWAY_PORT="$port" MINISTACK_HOST=127.0.0.1 IOT_MTLS_ENABLED=false SFTP_ENABLED=false LAMBDA_EXECUTOR=local \
  TMPDIR="$folder" "$folder/venv/bin/ministack" >"$folder/server.log" 2>&1 &
server=$!
for _ in {1..100}; do
  if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then break; fi
  sleep 0.2
done

"$folder/venv/bin/python" - <<'PY' | tee "$folder/seen.txt"
import json
import time

import boto3

metrics = [{"Id": "sum", "Expression": "failed + lost", "ReturnData": True}] + [
    {
        "Id": name,
        "ReturnData": False,
        "MetricStat": {"Metric": {"Namespace": "Example", "MetricName": name}, "Period": 300, "Stat": "Sum"},
    }
    for name in ("failed", "lost")
]
alarm = {
    "AlarmName": "outages",
    "ComparisonOperator": "GreaterThanThreshold",
    "EvaluationPeriods": 1,
    "Threshold": 1,
    "Metrics": metrics,
}
boto3.client("cloudwatch").put_metric_alarm(**alarm)
print("PutMetricAlarm: accepted")

stacks = boto3.client("cloudformation")
template = {"Resources": {"Outages": {"Type": "AWS::CloudWatch::Alarm", "Properties": {**alarm, "AlarmName": "outages-of-a-stack"}}}}
stacks.create_stack(StackName="alarms", TemplateBody=json.dumps(template))
while (status := stacks.describe_stacks(StackName="alarms")["Stacks"][0]["StackStatus"]).endswith("IN_PROGRESS"):
    time.sleep(0.2)
events = stacks.describe_stack_events(StackName="alarms")["StackEvents"]
print("stack:", status, "because", next(e["ResourceStatusReason"] for e in events if e["ResourceStatus"] == "CREATE_FAILED"))
PY

diff - "$folder/seen.txt" <<'SEEN'
PutMetricAlarm: accepted
stack: ROLLBACK_COMPLETE because AWS::CloudWatch::Alarm Properties.Metrics (metric math) is not supported; use MetricName and Namespace.
SEEN
echo "as described"
