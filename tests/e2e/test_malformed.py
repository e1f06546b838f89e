# SPDX-License-Identifier: MIT
"""Messages that are no requests: answered 4xx, else parked without what they carry; never harmful."""
import json

import pytest

from requester import Requester, envelope

CANARY = "canary-5f0c9d-token"
PARKED = "cse.parked"
GOOD = envelope(token=CANARY)
RAW = json.dumps(GOOD).encode()


def without(name):
    message = envelope(token=CANARY)
    del message[0][name]
    return message


def with_member(name, value):
    message = envelope(token=CANARY)
    message[0][name] = value
    return message


@pytest.fixture(scope="module")
def bus(broker, cloud):
    with Requester(broker) as requester:
        yield requester


@pytest.fixture(scope="module")
def good(cloud):
    return lambda: envelope(token=cloud.alice.token)


@pytest.fixture(autouse=True)
def goes_on(bus, cloud, good):
    """After every message the next good request is answered, and nothing was done at VCD."""
    state = cloud.vcd.state()
    cloud.vcd.reset_calls()
    yield
    reply = bus.ask(good())
    assert reply and reply.status == 200, reply
    assert cloud.vcd.state() == state
    written = [call for call in cloud.vcd.calls() if call["method"] != "GET"]
    assert all("/session" in call["path"] for call in written), written


def parked(bus, limit_s=8):
    """The next parked record, which tells of the message and repeats nothing of it."""
    got = bus.take(PARKED, limit_s)
    if got is None:
        return None
    properties, body = got
    assert CANARY not in body.decode() + repr(properties)
    record = json.loads(body)
    assert set(record) <= {"version", "kind", "time", "id", "correlation_id", "body_bytes", "too_large",
                           "has_reply_to", "reason"}, record
    assert record["kind"] == "request" and record["reason"]
    return record


def nest(depth):
    return b"[" * depth + b"]" * depth


NO_REQUESTS = {
    "nothing": b"",
    "not JSON": b"{nonsense " + CANARY.encode(),
    "two values": RAW + RAW,
    "not an array": json.dumps(GOOD[0]).encode(),
    "an empty array": b"[]",
    "an array of numbers": b"[1, 2]",
    "null": b"null",
    "invalid UTF-8": RAW.replace(b"/api/cse", b"/api/\xff\xfe"),
    "a NUL byte": RAW.replace(b"/api/cse", b"/api/\0"),
    "an escaped NUL": RAW.replace(b"/api/cse", b"/api/\\u0000"),
    "depth 1000": nest(1000),
    "depth 1000 in a header": RAW.replace(b'"headers": {', b'"headers": {"x": ' + nest(1000) + b", "),
    "no id": without("id"),
    "no method": without("method"),
    "no requestUri": without("requestUri"),
    "no headers": without("headers"),
    "id a number": with_member("id", 7),
    "id a list": with_member("id", []),
    "an endless id": with_member("id", "i" * 5000),
    "method an object": with_member("method", {}),
    "requestUri null": with_member("requestUri", None),
    "requestUri true": with_member("requestUri", True),
    "headers a text": with_member("headers", CANARY),
    "headers a list": with_member("headers", [CANARY]),
    "body an object": with_member("body", {"token": CANARY}),
    "queryString a number": with_member("queryString", 5),
    "2 MiB": envelope(token=CANARY, body=b"x" * (2 * 1024 * 1024)),
    "2 MiB of nothing": b" " * (2 * 1024 * 1024),
}


@pytest.mark.parametrize("name", NO_REQUESTS)
def test_what_is_no_request_is_answered_and_parked(bus, name):
    reply = bus.ask(NO_REQUESTS[name])
    assert reply and reply.status == 400, reply
    assert CANARY not in reply.text
    record = parked(bus)
    assert record and record["has_reply_to"] is True
    assert record["too_large"] is name.startswith("2 MiB")


def test_every_beginning_of_a_message_is_answered(bus):
    for length in range(0, len(RAW) - 1, 7):
        reply = bus.ask(RAW[:length])
        assert reply and reply.status == 400, (length, reply)
        assert parked(bus)


@pytest.mark.parametrize("body64", ["!!!!", "YQ", "YQ=a", "Y\nQ==", "YQ==YQ=="])
def test_bad_base64_is_400_with_its_id(bus, body64):
    message = with_member("body", body64)
    message[0].update(method="POST", requestUri="/api/cse/3.0/clusters")
    reply = bus.ask(message)
    assert reply and reply.status == 400 and reply.id == message[0]["id"], reply
    assert parked(bus, 0.1) is None


@pytest.mark.parametrize("body", [b"{", b"\xff", b"[1]\0", nest(1000), b"{}{}", b"x" * 600_000])
def test_a_bad_body_is_400_with_its_id(bus, body):
    message = envelope("/api/cse/3.0/clusters", "POST", CANARY, body=body)
    reply = bus.ask(message)
    assert reply and reply.status == 400 and reply.id == message[0]["id"], reply
    assert parked(bus, 0.1) is None


@pytest.mark.parametrize("query", ["a=%", "a=%zz", "a=%00", "a=%ff", "x=" + "y" * 9000])
def test_a_bad_query_is_400(bus, query):
    message = envelope("/api/cse/3.0/clusters", "GET", CANARY, queryString=query)
    reply = bus.ask(message)
    assert reply and reply.status == 400 and reply.id == message[0]["id"], reply


@pytest.mark.parametrize("reply_to", [None, "", "\0queue"])
def test_c12_what_nobody_waits_for_is_parked_and_not_run(bus, cloud, reply_to):
    bus.send(envelope("/api/cse/3.0/clusters", "POST", cloud.alice.token, body=b"{}"), reply_to=reply_to)
    record = parked(bus)
    assert record and record["has_reply_to"] is (reply_to is not None)
    assert cloud.alice.token not in json.dumps(record)
    assert bus.reply(0.1) is None
    assert cloud.vcd.calls() == []


def test_without_a_reply_exchange_the_default_one_is_used(bus, good):
    reply = bus.ask(good(), exchange=None)
    assert reply and reply.status == 200, reply


@pytest.mark.parametrize("exchange", ["no-such-exchange", "x" * 255, "x" * 300, "no\0such", "\xff\xfe"])
def test_a_reply_exchange_that_does_not_exist(bus, cloud, good, exchange):
    lost = len(cloud.workers[0].events("broker.lost"))
    for _ in range(12):  # more than there are threads: none of them is lost by it
        bus.send(good(), exchange=exchange)
    replies = [bus.ask(good()) for _ in range(12)]
    assert all(reply and reply.status == 200 for reply in replies)
    assert len(cloud.workers[0].events("broker.lost")) == lost


def test_a_reply_key_nobody_listens_to(bus, good):
    bus.send(good(), reply_to="nobody")
    assert bus.ask(good()).status == 200


def test_copies_of_replies_are_dropped(bus, good):
    for body in (good(), b"{nonsense"):
        bus.send(body, headers={"messageType": "ProcessHttpResponse"})
    assert bus.reply(0.3) is None
    assert parked(bus, 0.1) is None


def deep_table(depth):
    table = {}
    for _ in range(depth):
        table = {"deeper": table}
    return table


# What the library cannot read would kill the connection, come again and kill the next one's.
@pytest.mark.parametrize("headers", [
    {"replyToExchange": 7},
    {"replyToExchange": {"a": "b"}},
    {"messageType": [1, 2]},
    {"deep": deep_table(50)},
    {"deep": deep_table(150)},
    {"long": "x" * 60_000},
])
def test_odd_properties_do_no_harm(bus, good, headers):
    bus.send(good(), exchange=None, headers=headers)
    reply = bus.reply()
    assert reply and reply.status == 200, reply


def test_log_lines_stay_readable(cloud):
    for line in cloud.workers[0].log.read_bytes().splitlines():
        json.loads(line)


def test_no_secret_is_in_the_log(cloud):
    text = cloud.workers[0].log.read_text()
    assert CANARY not in text
    assert cloud.alice.token not in text
