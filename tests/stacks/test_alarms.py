"""Alarms that need no cluster: on what, at what, and to whom."""

import json

import pytest

EMAIL = "ops@example.com"


def _alarms(deployed):
    return {alarm.name: alarm.inputs for alarm in deployed.of_type("aws:cloudwatch/metricAlarm:MetricAlarm")}


def test_every_dead_letter_queue_every_wait_and_every_table_is_watched(dev):
    watched = {(each["metricName"], *each["dimensions"].values()) for each in _alarms(dev).values()}
    queues = {queue.inputs["name"] for queue in dev.of_type("aws:sqs/queue:Queue")}
    tables = {table.inputs["name"] for table in dev.of_type("aws:dynamodb/table:Table")}
    assert watched == (
        {("ApproximateNumberOfMessagesVisible", name) for name in queues if name.endswith("-dlq")}
        | {("ApproximateAgeOfOldestMessage", name) for name in queues if not name.endswith("-dlq")}
        | {(f"{kind}ThrottleEvents", name) for name in tables for kind in ("Read", "Write")}
    )


def test_one_dead_letter_is_enough_and_silence_is_no_alarm(dev):
    alarm = _alarms(dev)["arrivals-dead-letters"]
    assert (alarm["comparisonOperator"], alarm["threshold"], alarm["evaluationPeriods"]) == (
        "GreaterThanThreshold",
        0,
        1,
    )
    assert {each["treatMissingData"] for each in _alarms(dev).values()} == {"notBreaching"}


def test_every_alarm_says_what_to_do_to_the_topic(dev):
    topic = dev.one("aws:sns/topic:Topic").outputs["arn"]
    for alarm in _alarms(dev).values():
        assert alarm["alarmActions"] == alarm["okActions"] == [topic]
        assert len(alarm["alarmDescription"]) > 40


def test_the_topic_is_encrypted_by_a_key_through_which_its_senders_may_send(dev):
    topic, key = dev.one("aws:sns/topic:Topic"), dev.one("aws:kms/key:Key")
    assert topic.inputs["kmsMasterKeyId"] == key.outputs["arn"]
    publish = json.loads(dev.one("aws:sns/topicPolicy:TopicPolicy").inputs["policy"])["Statement"]
    senders = {statement["Principal"]["Service"] for statement in publish}
    assert senders == {"budgets.amazonaws.com", "cloudwatch.amazonaws.com"}
    allowed = {
        str(statement["Principal"].get("Service")) for statement in json.loads(key.inputs["policy"])["Statement"]
    }
    assert senders <= allowed
    for statement in publish:
        assert statement["Condition"]["StringEquals"]["aws:SourceAccount"]


@pytest.fixture(scope="module")
def told(run):
    return run("emulator", foundation={"alarms": {"emails": [EMAIL], "oldestMessageMinutes": 10}})


def test_people_are_told_where_the_config_names_them(told):
    subscription = told.one("aws:sns/topicSubscription:TopicSubscription").inputs
    assert (subscription["protocol"], subscription["endpoint"]) == ("email", EMAIL)
    assert _alarms(told)["chunks-old-messages"]["threshold"] == 600


def test_the_bill_is_watched_before_it_is_due(dev, told):
    budget = dev.one("aws:budgets/budget:Budget").inputs
    assert (budget["limitAmount"], budget["timeUnit"]) == ("400", "MONTHLY")
    assert {(n["threshold"], n["notificationType"]) for n in budget["notifications"]} == {
        (80, "ACTUAL"),
        (100, "FORECASTED"),
    }
    assert not told.of_type("aws:budgets/budget:Budget")


def test_without_alarms_nobody_may_send_through_the_key_but_the_bucket(run):
    quiet = run("emulator")
    assert not _alarms(quiet)
    statements = json.loads(quiet.one("aws:kms/key:Key").inputs["policy"])["Statement"]
    assert [s["Principal"].get("Service") for s in statements if "Service" in s["Principal"]] == ["s3.amazonaws.com"]
