# SPDX-License-Identifier: MIT
"""Requests whose caller may have given up: not run, not kept, and no token of theirs goes anywhere."""
import json
import time

import pytest

from bodies import cluster_body
from cloud import wait_until
from proxy import Proxy
from requester import Requester, envelope

CANARY = "canary-71ce04-token"
MISSING = "/api/cse/3.0/cluster/urn:vcloud:entity:cse:nativeCluster:1.0.0:00000000-0000-4000-8000-00000000dead"
OLD = 20  # more than the worker has threads


@pytest.fixture
def bus(broker, cloud):
    with Requester(broker) as requester:
        yield requester


def written(cloud):
    return [call for call in cloud.vcd.calls() if call["method"] != "GET" and "/session" not in call["path"]]


def start_worker(cloud, **changes):
    worker = cloud.add_worker(**changes)
    wait_until(lambda: worker.events("broker.connected"), what="a consumer")
    return worker


def rows(broker, *arguments):
    return [line.split("\t") for line in broker.ctl(*arguments).splitlines()]


def test_c11_c12_the_request_queue(broker, cloud):
    arguments = {row[0]: row[1].replace(" ", "") for row in rows(broker, "list_queues", "name", "arguments")}
    assert '"x-message-ttl",4000' in arguments["cse"]
    assert "x-dead-letter" not in arguments["cse"]
    prefetch = {(row[0], row[1]) for row in rows(broker, "list_consumers", "queue_name", "prefetch_count")}
    assert ("cse", "1") in prefetch and ("cse.operations", "1") in prefetch
    assert all(count == "1" for name, count in prefetch if name.startswith("cse")), prefetch


def test_c11_nothing_is_written_late(cloud, bus):
    """The checks of a create take longer than the first write may wait."""
    cloud.vcd.fail(method="GET", path_prefix="/api/query", nth=1, delay_ms=3300)
    cloud.vcd.reset_calls()
    try:
        message = envelope("/api/cse/3.0/clusters", "POST", cloud.alice.token,
                           json.dumps(cluster_body("late")).encode())
        reply = bus.ask(message)
    finally:
        cloud.vcd.heal()
    assert reply.status == 503 and "send" in reply.text, reply
    assert written(cloud) == []


def test_c11_c12_what_expired_is_neither_run_nor_kept(broker, cloud, bus):
    assert cloud.workers[0].stop() == 0
    cloud.vcd.reset_calls()
    bus.send(envelope(MISSING, "DELETE", cloud.alice.token))
    bus.send(envelope(token=CANARY))
    time.sleep(4.5)
    assert broker.length("cse") == 0
    start_worker(cloud)
    assert bus.reply(0.5) is None
    assert broker.length("cse.parked") == 0
    assert cloud.vcd.calls() == [] or written(cloud) == []


@pytest.fixture
def foreign_queue(broker, cloud):
    """A queue as the Python server leaves it: classic, without a limit of age."""
    for worker in cloud.workers:
        worker.stop()
    connection = broker.connect()
    channel = connection.channel()
    channel.queue_delete("cse")
    channel.queue_declare("cse", durable=True)
    channel.queue_bind("cse", "cse-ext", "cse")
    yield channel
    for worker in cloud.workers:
        worker.stop()
    channel.queue_delete("cse")
    connection.close()
    start_worker(cloud)


def test_c11_a_backlog_is_answered_and_not_run(broker, cloud, bus, foreign_queue):
    token = cloud.alice.token
    cloud.vcd.reset_calls()
    old = [bus.send(envelope(MISSING, "DELETE", token)) for _ in range(OLD)]
    read = bus.send(envelope(token=token))
    worker = start_worker(cloud, queues={"declare": "passive"})
    replies = {reply.correlation_id: reply for reply in (bus.reply() for _ in range(OLD + 1)) if reply}
    assert set(replies) == {*old, read}
    assert replies[read].status == 200  # reading harms nobody
    for name in old:
        assert replies[name].status == 503 and "too late" in replies[name].text, replies[name]
    assert len(worker.events("request.too_old")) == OLD
    assert worker.events("queue.differs")  # and it is said what the queue lacks
    assert written(cloud) == []
    time.sleep(2)  # each thread has seen the queue empty, and nothing on its way: what comes now is new
    for _ in range(OLD):
        reply = bus.ask(envelope(MISSING, "DELETE", token))
        assert reply.status in (403, 404), reply


def test_c11_a_backlog_after_all_connections_were_lost(broker, cloud, bus, foreign_queue):
    proxy, token = Proxy(broker.address), cloud.alice.token
    settings = {"hosts": [proxy.address], "heartbeat_s": 2, "user": broker.env["USER"],
                "vhost": broker.env["VHOST"], "password_file": broker.env["PASSWORD_FILE"],
                "tls": {"enabled": False}}
    worker = start_worker(cloud, queues={"declare": "passive"}, broker=settings)
    time.sleep(0.6)
    reply = bus.ask(envelope(MISSING, "DELETE", token))
    assert reply.status in (403, 404), reply
    proxy.refuse()
    wait_until(lambda: broker.consumers("cse") == 0, what="the loss")
    for _ in range(OLD):
        bus.send(envelope(MISSING, "DELETE", token))
    proxy.heal()
    replies = [bus.reply(20) for _ in range(OLD)]
    assert [reply and reply.status for reply in replies] == [503] * OLD
    assert len(worker.events("request.too_old")) == OLD
    assert worker.stop() == 0
    proxy.close()
