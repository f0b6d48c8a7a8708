"""Conditional writes to the emulator's tables hold, whoever writes at the same time."""

import uuid
from concurrent.futures import ThreadPoolExecutor

from vodstack_platform.embedded.emulator import aws_client

BOUND = 60


def test_a_bounded_counter_stays_within_its_bound(aws_endpoint: str):
    dynamodb = aws_client("dynamodb", aws_endpoint, "us-east-1")
    table = f"counters-{uuid.uuid4().hex[:8]}"
    dynamodb.create_table(
        TableName=table,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
    )
    dynamodb.put_item(TableName=table, Item={"pk": {"S": "a"}, "count": {"N": "0"}})

    def add(_: int) -> bool:
        try:
            dynamodb.update_item(
                TableName=table,
                Key={"pk": {"S": "a"}},
                UpdateExpression="ADD #count :one",
                ConditionExpression="#count < :bound",
                ExpressionAttributeNames={"#count": "count"},
                ExpressionAttributeValues={":one": {"N": "1"}, ":bound": {"N": str(BOUND)}},
            )
        except dynamodb.exceptions.ConditionalCheckFailedException:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        added = sum(pool.map(add, range(2 * BOUND)))
    item = dynamodb.get_item(TableName=table, Key={"pk": {"S": "a"}})["Item"]
    assert (added, item["count"]["N"]) == (BOUND, str(BOUND))
