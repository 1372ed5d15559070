#!/usr/bin/env bash
# Packages:  moto 5.2.5 with boto3 1.44.8, and ministack 1.5.33 with boto3 1.43.106 (PyPI), two doubles of Amazon DynamoDB.
# Behaviour: DynamoDB documents that it trims leading and trailing zeroes of numbers, so 1.1 and 1.10 are one number, as a key and in a set.
#            ministack stores an item that is put under the sort key 1.10 as 1.1. A conditional put under 1.100 finds it there; GetItem
#            finds it under 1.1 alone, not even under the 1.10 of the put, and answers with nothing. moto finds the item by every spelling and shows the number as it was written last; of
#            a number set with 1.0 it says that it contains 1, but DELETE of 1 leaves it in the set, without an error.
# Matters:   decimals that are keys or members of sets must be written in one normal form before a double judges a program; here all keys are
#            texts, and decimals are normalized when they are stored.
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
"$folder/moto/bin/pip" install --quiet 'moto[dynamodb]==5.2.5' boto3==1.44.8
"$folder/ministack/bin/pip" install --quiet 'ministack[full]==1.5.33' boto3==1.43.106

cat >"$folder/spellings.py" <<'PY'
import sys
from contextlib import nullcontext

import boto3
from botocore.exceptions import ClientError

double, address = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None
if double == "moto":
    from moto import mock_aws as service
else:
    service = nullcontext
with service():
    tables = boto3.client("dynamodb", region_name="eu-west-1", endpoint_url=address)
    tables.create_table(
        TableName="prices",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "article", "AttributeType": "S"}, {"AttributeName": "price", "AttributeType": "N"}],
        KeySchema=[{"AttributeName": "article", "KeyType": "HASH"}, {"AttributeName": "price", "KeyType": "RANGE"}],
    )

    def key(price):
        return {"article": {"S": "bolt"}, "price": {"N": price}}

    tables.put_item(TableName="prices", Item={**key("1.10"), "sizes": {"NS": ["1.0", "2"]}})
    try:
        tables.put_item(TableName="prices", Item=key("1.100"), ConditionExpression="attribute_not_exists(article)")
        there = "is free"
    except ClientError as error:
        there = error.response["Error"]["Code"]
    found = {price: "Item" in tables.get_item(TableName="prices", Key=key(price)) for price in ("1.1", "1.10", "1.100")}
    print(f"{double}: a put under 1.100 {there}; found by {[price for price, is_found in found.items() if is_found]}")
    one = {":one": {"N": "1"}, ":ones": {"NS": ["1"]}}
    left = tables.update_item(
        TableName="prices",
        Key=key("1.1"),
        UpdateExpression="DELETE sizes :ones",
        ConditionExpression="contains(sizes, :one)",
        ExpressionAttributeValues=one,
        ReturnValues="ALL_NEW",
    )["Attributes"]["sizes"]["NS"]
    print(f"{double}: the set contains 1; without 1 it has {sorted(left)}")
PY

"$folder/moto/bin/python" "$folder/spellings.py" moto | tee "$folder/seen.txt"

port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
env BIND_HOST=127.0.0.1 GATEWAY_PORT="$port" MINISTACK_HOST=127.0.0.1 AWS_ENDPOINT_URL="http://127.0.0.1:$port" IOT_MTLS_ENABLED=false \
  SFTP_ENABLED=false LAMBDA_EXECUTOR=local TMPDIR="$folder" "$folder/ministack/bin/ministack" >"$folder/server.log" 2>&1 &
server=$!
for _ in {1..100}; do
  if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then break; fi
  sleep 0.2
done
"$folder/ministack/bin/python" "$folder/spellings.py" ministack "http://127.0.0.1:$port" | tee -a "$folder/seen.txt"

diff - "$folder/seen.txt" <<'SEEN'
moto: a put under 1.100 ConditionalCheckFailedException; found by ['1.1', '1.10', '1.100']
moto: the set contains 1; without 1 it has ['1.0', '2']
ministack: a put under 1.100 ConditionalCheckFailedException; found by ['1.1']
ministack: the set contains 1; without 1 it has ['2']
SEEN
echo "as described"
