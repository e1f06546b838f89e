# SPDX-License-Identifier: MIT
"""Passes, claims and the resync. VCD's clock is moved on instead of waiting for claims to grow old."""
import json

import pytest
from bodies import cluster_body
from cloud import wait_until

CREATE = "/api/cse/3.0/clusters"
TIMING = {"resync": 1}
OLD_S = 60  # older than timing.takeover, younger than any deadline
BOX = {"timing": TIMING}


@pytest.fixture(autouse=True)
def calm(box):
    yield
    box.broker.on_publish = box.broker.on_deliver = None
    box.broker.release()
    box.vcd.heal()
    box.vcd.set_option(clock_ahead_s=0)


def start(box, name):
    answer = box.alice.request("POST", CREATE, cluster_body(name))
    assert answer.status == 202, answer
    return answer.json["id"], answer.json["entity"]["status"]["task_href"]


def delete(box, urn):
    answer = box.alice.request("DELETE", f"/api/cse/3.0/cluster/{urn}")
    assert answer.status == 202, answer
    task = box.wait_task(answer.json["entity"]["status"]["task_href"])
    assert task.status == "success", task


def record(task):
    """Our record in the task's Details."""
    return json.loads(task.details.split(" ", 2)[2])


def grow_old(box, seconds=OLD_S):
    """As if everybody had slept that long."""
    box.vcd.set_option(clock_ahead_s=seconds)


def test_c01_a_lost_chain_goes_on_behind_its_claim(box):
    """Its next pass is one above the claimed one, or it would be thrown away for ever."""
    before = box.vcd.state()
    lost = []

    def lose(message):
        if message.json["pass"] >= 3:
            lost.append(message)
            return []
        return [message]
    box.broker.on_publish = lose
    urn, href = start(box, "c01")
    box.broker.wait(lambda: lost, what="a message of pass 3")
    box.broker.on_publish = None
    box.wait_quiet()
    assert record(box.alice.task(href))["claim"]["pass"] >= 1
    grow_old(box)
    assert box.wait_task(href).status == "success"
    delete(box, urn)
    assert box.vcd.state() == before


def test_every_message_lost_at_once(box):
    """Three clusters in the middle of their work, one just accepted: the resync finishes them all."""
    before = box.vcd.state()
    clusters = [start(box, f"lost{i}") for i in range(3)]
    box.broker.hold("cse.operations")
    clusters.append(start(box, "lost3"))
    wait_until(lambda: not box.broker.in_flight("cse.operations"), what="idle workers")
    assert box.broker.lose_all()
    box.broker.release()
    grow_old(box)
    for urn, href in clusters:
        assert box.wait_task(href).status == "success"
    for urn, _ in clusters:
        delete(box, urn)
    assert box.vcd.state() == before
