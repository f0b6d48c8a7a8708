"""The judge of policies itself, by AWS's documented rules for each operator that our policies use."""

import pytest
from tests.policy_judge import Call, admits, denies, facts_for, may, statements

OBJECT = "arn:aws:s3:::videos/originals/a"


def _policy(effect="Allow", **parts):
    return {"Statement": [{"Effect": effect, "Action": "s3:GetObject", "Resource": "*", **parts}]}


def _when(operator, wanted, facts):
    return may([_policy(Condition={operator: {"k": wanted}})], Call("s3:GetObject", OBJECT, facts))


@pytest.mark.parametrize(
    ("action", "resource", "expected"),
    [
        ("s3:GetObject", "arn:aws:s3:::videos/*", True),
        ("S3:getobject", "arn:aws:s3:::videos/*", True),
        ("s3:Get*", "*", True),
        ("s3:GetObjec?", "arn:aws:s3:::videos/originals/?", True),
        ("s3:GetObject", "arn:aws:s3:::Videos/*", False),
        ("s3:GetObject", "arn:aws:s3:::videos", False),
        ("s3:PutObject", "*", False),
        ("s3:GetObject", "arn:aws:s3:::videos/[o]riginals/a", False),
    ],
)
def test_actions_and_resources_match_by_wildcards(action, resource, expected):
    assert may([_policy(Action=action, Resource=[resource])], Call("s3:GetObject", OBJECT)) is expected


@pytest.mark.parametrize(
    ("operator", "wanted", "value", "expected"),
    [
        ("StringEquals", "a", "a", True),
        ("StringEquals", ["b", "a"], "a", True),
        ("StringEquals", "a", "A", False),
        ("StringEquals", "*", "a", False),
        ("StringEquals", "a", None, False),
        ("StringEqualsIfExists", "a", None, True),
        ("StringEqualsIfExists", "a", "b", False),
        ("StringNotEquals", "a", "b", True),
        ("StringNotEquals", ["a", "b"], "b", False),
        ("StringNotEquals", "a", None, True),
        ("StringLike", "refs/pull/*/merge", "refs/pull/7/merge", True),
        ("StringLike", "refs/pull/*/merge", "refs/heads/main", False),
        ("StringNotLike", "a*", "b", True),
        ("ArnEquals", "arn:aws:iam::aws:policy/*", "arn:aws:iam::aws:policy/Admin", True),
        ("ArnLike", "arn:aws:s3:::*", "arn:aws:s3:::b:c", True),
        ("ArnLike", "arn:aws:*:::b", "arn:aws:s3::1:b", False),
        ("Bool", "false", "false", True),
        ("Bool", "false", "true", False),
        ("Bool", "false", None, False),
        ("Null", "true", None, True),
        ("Null", "true", "a", False),
        ("Null", "false", "a", True),
        ("Null", "false", None, False),
        ("ForAnyValue:StringEquals", "a", ["b", "a"], True),
        ("ForAnyValue:StringEquals", "a", ["b"], False),
        ("ForAnyValue:StringEquals", "a", None, False),
        ("ForAllValues:StringEquals", ["a", "b"], ["b", "a"], True),
        ("ForAllValues:StringEquals", "a", ["b", "a"], False),
        ("ForAllValues:StringEquals", "a", None, True),
        ("ForAllValues:StringNotEquals", "stack", ["a", "stack"], False),
        ("ForAllValues:StringNotEquals", "stack", ["a"], True),
    ],
)
def test_conditions(operator, wanted, value, expected):
    assert _when(operator, wanted, {} if value is None else {"K": value}) is expected


def test_all_conditions_of_a_statement_have_to_hold():
    both = _policy(Condition={"StringEquals": {"a": "1", "b": "2"}, "Bool": {"c": "true"}})
    assert may([both], Call("s3:GetObject", OBJECT, {"a": "1", "b": "2", "c": "true"}))
    for missing in "abc":
        facts = {"a": "1", "b": "2", "c": "true"}
        del facts[missing]
        assert not may([both], Call("s3:GetObject", OBJECT, facts))


def test_a_denial_wins_wherever_it_stands():
    call = Call("s3:GetObject", OBJECT)
    allow, deny = _policy(), _policy("Deny")
    assert may([allow], call)
    assert not may([allow, deny], call)
    assert not may([deny, allow], call)
    assert not may([allow], call, boundary=deny)


def test_a_boundary_grants_nothing_and_takes_what_it_does_not_list():
    call = Call("s3:GetObject", OBJECT)
    assert may([_policy()], call, boundary=_policy())
    assert not may([_policy()], call, boundary=_policy(Action="s3:PutObject"))
    assert not may([], call, boundary=_policy())


def test_everything_but_what_is_named():
    assert not may([{"Statement": {"Effect": "Allow", "NotAction": "s3:*", "Resource": "*"}}], Call("s3:Get", "a"))
    assert may([{"Statement": {"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}}], Call("s3:Get", "a"))
    assert not may([{"Statement": {"Effect": "Allow", "Action": "*", "NotResource": "a"}}], Call("s3:Get", "a"))


def test_a_resources_policy_lets_in_whom_it_names():
    call, queue = Call("s3:GetObject", OBJECT), ("Service", "s3.amazonaws.com")
    assert admits(_policy(Principal={"Service": ["s3.amazonaws.com"]}), queue, call)
    assert not admits(_policy(Principal={"Service": "sns.amazonaws.com"}), queue, call)
    assert admits(_policy(Principal="*"), queue, call)
    assert denies(_policy("Deny", Principal="*"), queue, call)


def test_what_it_does_not_know_is_no_answer():
    with pytest.raises(KeyError, match="DateLessThan"):
        _when("DateLessThan", "2030-01-01", {"k": "2029-01-01"})
    with pytest.raises(NotImplementedError):
        admits(_policy(NotPrincipal={"AWS": "1"}), ("AWS", "2"), Call("s3:GetObject", OBJECT))
    with pytest.raises(ValueError, match="several values"):
        _when("StringEquals", "a", {"k": ["a", "b"]})


def test_facts_are_found_that_meet_a_statements_conditions():
    condition = {"StringLike": {"a": "x*"}, "Null": {"b": "false", "c": "true"}, "ForAnyValue:StringEquals": {"d": "e"}}
    (statement,) = statements(_policy(Condition=condition))
    assert may([_policy(Condition=condition)], Call("s3:GetObject", OBJECT, facts_for(statement)))
