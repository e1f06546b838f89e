# SPDX-License-Identifier: MIT
"""The search for unfinished work: who makes it, when, and how much of it at a time."""
import json
import time
import uuid

import pytest
from bodies import cluster_body
from broker import Message
from cloud import wait_until
from disturb import move_clock
from service import Service

# Followers ask for the lead, and the leader looks for work, far more often than in earnest.
BOX = {"workers": 2, "timing": {"resync": 1}}
ROUND_MAX = 50
pytestmark = pytest.mark.usefixtures("as_before")


def rounds(box):
    """What each round of the resync has said, of all workers."""
    return [event for worker in box.workers for event in worker.events("resync.done")]


def a_delete(number):
    """The record of an accepted delete whose chain was lost; of a cluster that is gone already."""
    record = {"op": "delete", "request": f"r{number}",
              "cluster": f"urn:vcloud:entity:cse:nativeCluster:1.0.0:{uuid.uuid4()}",
              "claim": {"pass": 1, "nonce": "aa", "worker": "w", "at": "2020-11-23T09:00:00.000Z", "ended": True}}
    return f"cse-worker/1 e2e {json.dumps(record)}"


def create(box, name):
    answer = box.alice.request("POST", "/api/cse/3.0/clusters", cluster_body(name))
    assert answer.status == 202, answer
    return answer.json["id"], answer.json["entity"]["status"]["task_href"]


def remove(box, urn):
    answer = box.alice.request("DELETE", f"/api/cse/3.0/cluster/{urn}")
    assert box.wait_task(answer.json["entity"]["status"]["task_href"]).status == "success"


def test_c14_tasks_of_others_are_left_alone(box):
    """CSE's own tasks have this namespace too; another deployment's have our marker as well."""
    service = Service(box.tenant("svc-cse@System"))
    ids = [service.make(details) for details in (
        None, "creating vApp", 'cse-worker/1 other {"op":"create","request":"r"}', "cse-worker/2 anything else")]

    def tasks():
        return [task for task in box.vcd.ask("/tasks") if task["id"] in ids]
    before, published = tasks(), len(box.broker.published)
    assert len(before) == len(ids)
    seen = len(rounds(box))
    move_clock(box)
    wait_until(lambda: len(rounds(box)) >= seen + 2, what="two rounds")
    assert tasks() == before
    assert len(box.broker.published) == published
    for one in ids:
        service.put(one, status="success")


def test_a_round_revives_so_many_and_no_more(box):
    """Sixty chains lost at once come back in two rounds, and each once."""
    service, published = Service(box.tenant("svc-cse@System")), []
    box.broker.hold("cse.operations")
    box.broker.on_publish = lambda message: published.append(message.json["task"]) or [message]
    seen = len(rounds(box))
    ids = [service.make(a_delete(number)) for number in range(ROUND_MAX + 10)]
    wait_until(lambda: set(published) == set(ids), 60, what="all of them")
    revived = [event["revived"] for event in rounds(box)[seen:]]
    assert max(revived) <= ROUND_MAX and len(published) == len(ids), (revived, len(published))
    box.broker.release()
    wait_until(lambda: all(task["status"] == "success" for task in box.vcd.ask("/tasks") if task["id"] in ids),
               60, what="the ends of all")


def test_another_worker_leads_when_the_leader_dies(box):
    """And one at a time: the follower makes no round before."""
    box.broker.wait(box.broker.leader, what="a leader")
    leader = next(w for w in box.workers if w.pid == box.broker.leader())
    follower = next(w for w in box.workers if w is not leader)
    before = len(follower.events("resync.done"))
    lost = []
    box.broker.on_publish = lambda message: lost.append(message) or []
    urn, href = create(box, "leader")
    # Lost with the first message: only a resync can finish it.
    assert lost
    box.broker.on_publish = None
    assert len(follower.events("resync.done")) == before
    leader.kill()
    box.workers.remove(leader)
    move_clock(box)
    assert box.wait_task(href).status == "success"
    assert box.broker.leader() == follower.pid and len(follower.events("resync.done")) > before
    box.add_worker()
    box.wait_ready()
    remove(box, urn)


def test_nothing_is_revived_while_messages_are_late(box):
    """More messages would make them later still. The searching goes on when they are in time again."""
    urn, href = create(box, "lag")
    box.wait_task(href)
    done = next(message for message in box.broker.published if message.json["task"] == href.rsplit("/", 1)[1])
    ancient = json.dumps({**done.json, "due": "2020-11-23T09:00:00.000Z"}).encode()

    def be_late():
        for _ in range(8):  # some for each worker
            box.broker.put("cse.operations", Message("", "cse.operations", ancient, message_id=str(uuid.uuid4())))
        box.wait_quiet()
    be_late()
    seen, end = len(rounds(box)), time.monotonic() + 4
    while time.monotonic() < end:
        be_late()
        time.sleep(0.2)
    assert len(rounds(box)) <= seen + 1  # one may have been under way
    wait_until(lambda: len(rounds(box)) > seen + 1, 60, what="a round after messages are in time again")
    remove(box, urn)


def test_a_message_of_a_newer_program_comes_to_an_end(box):
    """It is kept for a worker that knows it as long as its task may be finished; no longer."""
    service = Service(box.tenant("svc-cse@System"))
    task = service.make("cse-worker/2 anything else")
    body = json.dumps({"version": 2, "task": task, "sort": "of the future"}).encode()

    def put():
        box.broker.put("cse.operations", Message("", "cse.operations", body, message_id=str(uuid.uuid4())))
    put()
    box.broker.wait(lambda: sum(m.body == body for m in box.broker.published) >= 3, what="some rounds")
    assert not box.broker.parked()
    service.put(task, status="success", details="cse-worker/2 anything else")
    box.wait_quiet()
    assert not box.broker.parked()
    task = service.make("cse-worker/2 anything else")
    body = json.dumps({"version": 2, "task": task}).encode()
    box.vcd.set_option(clock_ahead_s=int(box.vcd.ask("/options")["clock_ahead_s"] + 2 * 360 + 1))
    put()
    box.broker.wait(lambda: box.broker.parked(), what="the parked message")
    record = box.broker.parked()[0].json
    assert record["kind"] == "operation" and record["message"]["task"] == task, record
    service.put(task, status="success", details="cse-worker/2 anything else")
    box.broker.queues["cse.parked"].ready.clear()


def test_a_request_that_cannot_be_parked_is_not_lost(box):
    """The parking queue is gone: the next connection makes it again, and the message is still there."""
    with box.broker.lock:
        del box.broker.queues["cse.parked"]
    box.broker.request(b"nonsense", correlation_id="unparked", reply_to=None, reply_exchange=None,
                       message_type="ProcessHttpRequest")
    box.broker.wait(lambda: box.broker.parked(), what="the parked request")
    assert len(box.broker.parked()) == 1
    assert [e for worker in box.workers for e in worker.events("request.not_parked")]
