# SPDX-License-Identifier: MIT
"""A request whose entity VCD makes twice, and that is delivered more than once, or whose workers die: the
two are never mistaken for each other, and what one delivery was told the others are told.
"""
import json
import uuid

import pytest
from broker import REPLY_EXCHANGE, REQUEST_EXCHANGE, Message
from cloud import wait_until
from disturb import held, release
from late import ENTITY, GONE_S, LATE_BOX, hold_post
from life import AGENT, Life

SLOW = {**LATE_BOX["timing"], "vcd_call": 4}
COMPOSE = "*/composeVApp"
TASK = "/api/task/*"


def wait_held_at(box, part):
    """Until a call to such a path is held."""
    return wait_until(lambda: next((c["path"] for c in held(box) if part in c["path"]), None), pause_s=0.02,
                      what=f"a call of {part}")


def go_on(box, part):
    assert release(box, path=wait_held_at(box, part)) == 1


def replace_worker(box):
    """A new one takes over from the last, which dies."""
    box.add_worker()
    box.wait_ready(box.workers[-1])
    box.workers[-2].kill()


def hang_in_post(new_box, name, timing):
    """A worker that takes several slow requests of one org, and a create that hangs in its entity's POST:
    box, life, the request's id, and what its answer will have."""
    box = new_box(workers=0, timing=timing)
    box.add_worker(threads={"request": 12, "operation": 2})
    box.broker.wait(lambda: sum(c.queue is not None for c in box.broker.connections) >= 14, what="its threads")
    life, request = Life(box, name), str(uuid.uuid4())
    hold_post(box, ENTITY)
    first = life.alice.send(*life.request("create"), request_id=request)
    wait_held_at(box, ENTITY)
    return box, life, request, first


def redeliver(box, life, request_id):
    """A copy whose first worker has died."""
    correlation = str(uuid.uuid4())
    message = Message(REQUEST_EXCHANGE, "cse", life.alice.message(*life.request("create"), request_id=request_id),
                      correlation_id=correlation, reply_to="replies", reply_exchange=REPLY_EXCHANGE,
                      message_type="ProcessHttpRequest")
    message.deliveries = 1
    box.broker.put("cse", message)
    return correlation


def check_created(box, life, answer):
    """What was accepted is there, once, when what may still come has come."""
    box.vcd.heal()
    box.vcd.set_option(clock_ahead_s=GONE_S)
    assert box.wait_task(life.accepted("create", answer)).status == "success"
    life.check("create")


def test_the_resync_takes_the_one_that_has_a_vapp(new_box):
    """The worker dies behind the vApp of the second entity, and nobody gets its request again."""
    box = new_box(timing=SLOW)
    life = Life(box, "twin-adopted")
    hold_post(box, ENTITY)
    box.vcd.fail(agent=AGENT, method="POST", path=COMPOSE, hold="after")
    life.alice.send(*life.request("create"))
    wait_until(lambda: any(v["name"] == life.name for v in life.state()["vapps"]), what="the vApp")
    box.broker.hold("cse")
    box.workers[-1].kill()
    box.broker.lose_all()
    box.vcd.heal()
    wait_until(lambda: len(life.entities()) == 2, what="the late entity")
    task, = (t["id"] for t in box.vcd.ask("/tasks") if t["external"])
    box.vcd.set_option(clock_ahead_s=GONE_S)
    box.add_worker()
    assert box.wait_task("/api/task/" + task).status == "success"
    life.id, = (e["id"] for e in life.entities())
    life.check("create")


def test_a_copy_that_loses_leaves_the_other_s_task_alone(new_box):
    """One delivery waits for its entity; another, whose first worker died, makes one for the same task."""
    box, life, request, first = hang_in_post(new_box, "twin-loses", SLOW)
    box.vcd.fail(agent=AGENT, method="POST", path=COMPOSE, hold="before", times=1)
    second = redeliver(box, life, request)
    wait_held_at(box, "compose")
    go_on(box, ENTITY)
    answer, = life.alice.answers(first)
    assert answer.status == 202, answer
    box.vcd.heal()
    other, = life.alice.answers(second)
    assert (other.status, other.json["id"]) == (202, answer.json["id"])
    check_created(box, life, answer)


@pytest.mark.parametrize("where", ["compose", "link"])
def test_of_two_the_request_goes_on_with_the_one_that_has_a_vapp(new_box, where):
    """Two workers die, the first in the entity's POST, the second behind the vApp of another one."""
    box = new_box(timing=SLOW)
    life = Life(box, "twin-resumed")
    hold_post(box, ENTITY)
    correlation = life.alice.send(*life.request("create"))
    wait_held_at(box, ENTITY)
    box.vcd.fail(agent=AGENT, method="PUT", path=TASK, hold="before", times=1)
    replace_worker(box)
    wait_held_at(box, "/api/task/")
    go_on(box, ENTITY)
    wait_until(lambda: life.entities(), pause_s=0.02, what="the first entity")
    if where == "compose":
        box.vcd.fail(agent=AGENT, method="POST", path=COMPOSE, hold="after", times=1)
    else:
        box.vcd.fail(agent=AGENT, method="PUT", path="/cloudapi/1.0.0/entities/*", hold="before", times=1)
    go_on(box, "/api/task/")
    wait_until(lambda: held(box), pause_s=0.02, what=where)
    replace_worker(box)
    answer, = life.alice.answers(correlation)
    check_created(box, life, answer)


def test_a_slow_delivery_leaves_the_record_of_the_faster_one(new_box):
    """One delivery hangs in the entity's POST while another makes everything, and an operation begins."""
    box, life, request, first = hang_in_post(new_box, "twin-slow", LATE_BOX["timing"])
    box.vcd.set_option(boot_ms=6000)
    second = redeliver(box, life, request)
    answer, = life.alice.answers(second)
    href = life.accepted("create", answer)
    other, = life.alice.answers(first)
    assert (other.status, other.json["id"]) == (202, life.id), other
    record = box.record(href)
    assert record["cluster"] == life.id and record["claim"]["pass"] > 0, json.dumps(record)
    box.vcd.set_option(boot_ms=5)
    check_created(box, life, answer)


def test_a_vapp_that_vcd_did_not_show_is_ours(new_box):
    """compose took effect without an answer, and VCD refuses to be asked for it; the next one meets its name."""
    box = new_box(timing=SLOW, resync=False)
    life = Life(box, "twin-none")
    box.vcd.fail(agent=AGENT, method="POST", path=COMPOSE, hold="after", times=1)
    correlation = life.alice.send(*life.request("create"))
    wait_held_at(box, "compose")
    box.vcd.fail(agent=AGENT, method="GET", path="/api/query", status=429, times=2)
    assert release(box, drop=True) == 1
    answer, = life.alice.answers(correlation)
    assert sum(fault["hits"] for fault in box.vcd.ask("/faults")) == 3, box.vcd.ask("/faults")
    check_created(box, life, answer)


def test_who_is_overtaken_in_the_entity_s_post_leaves_the_task(new_box):
    """Its POST has no answer, and a copy has gone on with its task meanwhile but is not done."""
    box, life, request, first = hang_in_post(new_box, "twin-behind", LATE_BOX["timing"])
    box.vcd.fail(agent=AGENT, method="POST", path=COMPOSE, hold="before", times=1)
    second = redeliver(box, life, request)
    wait_held_at(box, "compose")
    other, = life.alice.answers(first)
    assert other.status == 503 and "is being created all the same" in other.problem, other
    answer, = life.alice.answers(second)
    check_created(box, life, answer)


def test_a_record_that_was_overwritten_learns_of_it_again(new_box):
    """The first delivery, slow, writes its record over that of a copy, which dies without a word."""
    box, life, request, first = hang_in_post(new_box, "twin-wiped", SLOW)
    box.vcd.fail(agent=AGENT, method="POST", path=COMPOSE, hold="before", times=1)
    redeliver(box, life, request)
    wait_held_at(box, "compose")
    box.broker.hold("cse", "cse.operations")
    go_on(box, ENTITY)
    answer, = life.alice.answers(first)
    href = life.accepted("create", answer)
    box.workers[-1].kill()
    box.broker.lose_all()
    assert box.record(href)["twin"] == request
    box.add_worker()
    box.broker.release()
    check_created(box, life, answer)


def two_of_which_the_first_came_further(box, life, recorded):
    """Three workers die: in the first POST, in the second, and behind the vApp or the record of the first
    entity, which had come meanwhile. Then the second one comes. The request, and the first one's id."""
    request = str(uuid.uuid4())
    hold_post(box, ENTITY)
    correlation = life.alice.send(*life.request("create"), request_id=request)
    wait_held_at(box, ENTITY)
    hold_post(box, ENTITY)
    replace_worker(box)
    wait_until(lambda: len(held(box)) == 2, pause_s=0.02, what="the second POST")
    if recorded:
        box.vcd.fail(agent=AGENT, method="PUT", path="/cloudapi/1.0.0/entities/*", hold="before", times=1)
    else:
        box.vcd.fail(agent=AGENT, method="POST", path=COMPOSE, hold="after", times=1)
    assert release(box, body=f'"cse-request:{request}"') == 1
    wait_until(lambda: life.entities(), pause_s=0.02, what="the first entity")
    first, = (e["id"] for e in life.entities())
    replace_worker(box)
    wait_until(lambda: len(held(box)) == 2, pause_s=0.02, what="the third worker")
    box.workers[-1].kill()
    assert release(box, body=":again") == 1
    wait_until(lambda: len(life.entities()) == 2, pause_s=0.02, what="the second entity")
    return correlation, first


@pytest.mark.parametrize("recorded", [False, True], ids=["vapp", "record"])
def test_the_first_one_goes_on_when_it_has_come_further(new_box, recorded):
    box = new_box(timing=SLOW)
    life = Life(box, "twin-first")
    correlation, first = two_of_which_the_first_came_further(box, life, recorded)
    box.add_worker()
    answer, = life.alice.answers(correlation)
    check_created(box, life, answer)
    assert life.id == first


def test_of_two_none_is_chosen_when_vcd_cannot_be_asked(new_box):
    """Which of them is recorded cannot be read. The resync goes on with that one, whatever was answered."""
    box = new_box(timing=SLOW, resync=False)
    life = Life(box, "twin-unread")
    correlation, first = two_of_which_the_first_came_further(box, life, recorded=True)
    box.vcd.fail(agent=AGENT, method="GET", path=TASK, status=503, times=2)
    box.add_worker()
    answer, = life.alice.answers(correlation)
    assert answer.status == 503 and "created" not in answer.problem, answer
    task, = (t["id"] for t in box.vcd.ask("/tasks") if t["external"])
    box.vcd.heal()
    box.broker.allow_leader(True)
    box.vcd.set_option(clock_ahead_s=GONE_S)
    assert box.wait_task("/api/task/" + task).status == "success"
    life.id = first
    life.check("create")


def test_another_user_s_entity_is_not_taken_for_the_request_s(new_box):
    """The worker dies before the vApp, and somebody of the org copies its entity."""
    box = new_box(timing=SLOW)
    life, carol = Life(box, "twin-copied"), box.tenant("carol@tenant1")
    box.vcd.fail(agent=AGENT, method="POST", path=COMPOSE, hold="before")
    life.alice.send(*life.request("create"))
    wait_held_at(box, "compose")
    made, = life.entities()
    copy = {"name": made["name"], "externalId": made["externalId"] + ":again", "entity": made["entity"]}
    assert carol.request("POST", ENTITY + "urn:vcloud:type:cse:nativeCluster:1.0.0", copy).status == 202
    wait_until(lambda: len(life.entities()) == 2, what="the copy")
    box.broker.hold("cse")
    box.workers[-1].kill()
    box.broker.lose_all()
    assert release(box, drop=True) == 1
    task, = (t["id"] for t in box.vcd.ask("/tasks") if t["external"])
    box.vcd.set_option(clock_ahead_s=GONE_S)
    box.add_worker()
    assert box.wait_task("/api/task/" + task).status == "error"
    left, = life.entities()
    assert left["id"] != made["id"]


@pytest.mark.parametrize("refusals", [0, 8])
def test_a_twin_is_removed_with_its_vapp(new_box, refusals):
    """The last delivery takes the second one, and can do no more with it. VCD may be busy for long."""
    box = new_box(timing=SLOW)
    life = Life(box, "twin-vapp")
    correlation, _ = two_of_which_the_first_came_further(box, life, recorded=False)
    box.vcd.fail(agent=AGENT, method="POST", path=COMPOSE, status=503, times=2)
    box.add_worker()
    answer, = life.alice.answers(correlation)
    assert answer.status == 503 and "is being removed" in answer.problem, answer
    box.vcd.heal()
    if refusals:
        box.vcd.fail(agent=AGENT, method="DELETE", path="/api/vApp/*", status=503, times=refusals)
    box.vcd.set_option(clock_ahead_s=GONE_S)
    wait_until(lambda: not life.state()["running_tasks"], what="the end of its task")
    life.check("delete")
