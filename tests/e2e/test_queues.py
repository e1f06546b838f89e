# SPDX-License-Identifier: MIT
"""The queues of the operations as a worker makes them; what no worker can run leaves them for the parking."""
import json
import uuid

import pika
import pytest

from bodies import cluster_body
from cloud import Worker, wait_until
from requester import envelope

# One operation thread: the one that met the bad message must take the next.
CLOUD = {"options": {"played_guests": 1}, "config": {"threads": {"request": 8, "operation": 1}}}

PREFIX = "shipped"
OPERATIONS, PARKED = f"{PREFIX}.operations", f"{PREFIX}.parked"
FOURTEEN_DAYS_MS = 14 * 24 * 3600 * 1000
CANARY = "canary-7f3b1c-token"


def operation(**changes):
    """A good message; the cloud has no such task."""
    message = {"version": 1, "id": str(uuid.uuid4()), "operation": "create",
               "cluster": f"urn:vcloud:entity:cse:nativeCluster:{uuid.uuid4()}", "task": str(uuid.uuid4()), "pass": 1,
               "attempt": 0, "due": "", "request_id": CANARY, "user": "urn:vcloud:user:u",
               "org": "urn:vcloud:org:o", **changes}
    return {name: value for name, value in message.items() if value is not None}


@pytest.fixture(scope="module")
def shipped(broker, cloud):
    """The broker after a worker with the shipped times was there, under a prefix of its own."""
    names = [PREFIX, OPERATIONS, PARKED, *(f"{OPERATIONS}.delay.{rung}s" for rung in (1, 5, 15, 60))]
    worker = Worker("shipped", cloud.folder, cloud, {}, queues={"prefix": PREFIX, "routing_key": PREFIX})
    wait_until(lambda: broker.consumers(PREFIX) == 8 and broker.consumers(OPERATIONS) == 4, what="the consumers")
    assert worker.stop() == 0
    worker.check_reports()
    yield broker
    connection = broker.connect()
    channel = connection.channel()
    for name in names:
        channel.queue_delete(name)
    channel.exchange_delete(f"{PREFIX}.events")
    connection.close()


def test_the_queues_have_exactly_these_arguments(shipped):
    columns = ("name", "durable", "exclusive", "auto_delete", "arguments")
    listed = json.loads(shipped.ctl("list_queues", "-p", shipped.env["VHOST"], *columns, "--formatter", "json"))
    found = {}
    for queue in listed:
        if queue["name"].startswith(PREFIX):
            assert queue["durable"] and not queue["exclusive"] and not queue["auto_delete"], queue
            # [[name, type, value]], or an object: it depends on the broker's version.
            rows = queue["arguments"]
            found[queue["name"]] = rows if isinstance(rows, dict) else {row[0]: row[-1] for row in rows}
    quorum = {"x-queue-type": "quorum"}
    wanted = {PREFIX: {**quorum, "x-message-ttl": 4000},
              OPERATIONS: {**quorum, "x-delivery-limit": 5, "x-dead-letter-exchange": "",
                           "x-dead-letter-routing-key": PARKED},
              PARKED: {**quorum, "x-max-length": 10000, "x-message-ttl": FOURTEEN_DAYS_MS}}
    for rung in (1, 5, 15, 60):
        wanted[f"{OPERATIONS}.delay.{rung}s"] = {
            **quorum, "x-message-ttl": 1000 * rung, "x-dead-letter-exchange": "",
            "x-dead-letter-routing-key": OPERATIONS, "x-dead-letter-strategy": "at-least-once",
            "x-overflow": "reject-publish"}
    assert found == wanted


def take(channel, queue):
    return wait_until(lambda: got if (got := channel.basic_get(queue))[0] else None, pause_s=0.02,
                      what=f"a message of {queue}")


@pytest.mark.parametrize("lost", ["rejected", "dropped"])
def test_what_is_delivered_in_vain_too_often_is_parked(shipped, lost):
    """Given back, or never answered by a program that died of it."""
    body = json.dumps(operation()).encode()
    connection = shipped.connect()
    channel = connection.channel()
    channel.confirm_delivery()
    channel.basic_publish("", OPERATIONS, body, pika.BasicProperties(delivery_mode=2), mandatory=True)
    for _ in range(6):
        assert shipped.length(PARKED) == 0
        frame, _, _ = take(channel, OPERATIONS)
        if lost == "rejected":
            channel.basic_reject(frame.delivery_tag, requeue=True)
            continue
        connection.close()
        connection = shipped.connect()
        channel = connection.channel()
    frame, properties, parked = take(channel, PARKED)
    channel.basic_ack(frame.delivery_tag)
    assert parked == body and properties.headers["x-first-death-reason"] == "delivery_limit"
    assert properties.headers["x-first-death-queue"] == OPERATIONS
    assert shipped.length(OPERATIONS) == 0
    connection.close()


RAW = json.dumps(operation()).encode()
UNREADABLE = {
    "nothing": b"",
    "not JSON": b"{nonsense " + CANARY.encode(),
    "two values": RAW + RAW,
    "an array": b"[" + RAW + b"]",
    "a request": json.dumps(envelope(token=CANARY)).encode(),
    "null": b"null",
    "invalid UTF-8": RAW.replace(b"urn:vcloud:org", b"urn:\xff\xfe"),
    "a NUL byte": RAW.replace(b"urn:vcloud:org", b"urn:\0"),
    "an escaped NUL": RAW.replace(b"urn:vcloud:org", b"urn:\\u0000"),
    "deep": b"[" * 1000 + b"]" * 1000,
    "too large": json.dumps(operation(user=CANARY * 100_000)).encode(),
    "no version": operation(version=None),
    "version a text": operation(version="1"),
    "a negative version": operation(version=-1),
    "an unknown operation": operation(operation="explode"),
    "operation a number": operation(operation=1),
    "pass a text": operation(**{"pass": "1"}),
    "pass 0": operation(**{"pass": 0}),
    "pass beyond all": operation(**{"pass": 2 ** 63 - 1}),
    "pass missing": operation(**{"pass": None}),
    "a negative attempt": operation(attempt=-1),
    "attempt a fraction": operation(attempt=0.5),
    "id a list": operation(id=[CANARY]),
    "cluster an object": operation(cluster={"token": CANARY}),
    "task missing": operation(task=None),
    "user true": operation(user=True),
}


@pytest.fixture(scope="module")
def channel(cloud):
    connection = cloud.broker.connect()
    yield connection.channel()
    connection.close()


@pytest.mark.parametrize("name", UNREADABLE)
def test_an_unreadable_operation_is_parked_scrubbed_and_the_next_is_run(cloud, channel, name):
    bad, good = UNREADABLE[name], operation()
    bad = bad if isinstance(bad, bytes) else json.dumps(bad).encode()
    cloud.vcd.reset_calls()
    channel.basic_publish("", "cse.operations", bad)
    channel.basic_publish("", "cse.operations", json.dumps(good).encode())
    frame, properties, body = take(channel, "cse.parked")
    channel.basic_ack(frame.delivery_tag)
    assert CANARY not in body.decode() + repr(properties)
    record = json.loads(body)
    assert set(record) == {"version", "kind", "time", "reason", "body_bytes", "too_large"}, record
    assert record["kind"] == "operation" and record["reason"] and record["body_bytes"] == (
        0 if record["too_large"] else len(bad)), record
    assert record["too_large"] is (name == "too large")
    worker = cloud.workers[0]
    wait_until(lambda: good["task"] in [line["task"] for line in worker.events("pass.no_task")], pause_s=0.02,
               what="the next operation")
    assert worker.events("operation.unreadable") and CANARY not in "".join(
        line["reason"] for line in worker.events("operation.unreadable"))
    assert all(good["task"] in call["path"] for call in cloud.vcd.calls() if "/session" not in call["path"])
    wait_until(lambda: channel.queue_declare("cse.operations", passive=True).method.message_count == 0)


def test_a_cluster_is_made_after_all_of_them(cloud, alice):
    answer = alice.request("POST", "/api/cse/3.0/clusters", cluster_body("after"))
    assert answer.status == 202, answer
    assert alice.wait(answer.json["entity"]["status"]["task_href"]).status == "success"
    assert cloud.broker.length("cse.parked") == 0
