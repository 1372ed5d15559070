#!/usr/bin/env bash
# Package:   moto 5.2.5 (PyPI), the in-process double of AWS services for Python; boto3 1.44.8 (PyPI).
# Behaviour: TransactWriteItems with the same ClientRequestToken is applied each time it arrives. DynamoDB documents it as idempotent for
#            ten minutes: the second request succeeds and changes nothing.
# Matters:   a counter that is added to in a transaction counts twice here when an answer was lost and the SDK repeats the request, and
#            once on AWS; a test against this double reports a fault that is none.
# Fails if:  the second request no longer changes the item.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check 'moto[dynamodb]==5.2.5' boto3==1.44.8

AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test "$folder/venv/bin/python" - <<'PY' | tee "$folder/seen.txt"
import boto3
from moto import mock_aws

with mock_aws():
    table = "runs"
    client = boto3.client("dynamodb", region_name="eu-west-1")
    client.create_table(
        TableName=table,
        KeySchema=[{"AttributeName": "run", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "run", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    key = {"run": {"S": "1"}}
    for _ in range(2):
        client.transact_write_items(
            ClientRequestToken="the-same-token",
            TransactItems=[
                {
                    "Update": {
                        "TableName": table,
                        "Key": key,
                        "UpdateExpression": "ADD done :one",
                        "ExpressionAttributeValues": {":one": {"N": "1"}},
                    }
                }
            ],
        )
        print("done:", client.get_item(TableName=table, Key=key)["Item"]["done"]["N"])
PY

diff - "$folder/seen.txt" <<'SEEN'
done: 1
done: 2
SEEN
echo "as described"
