# SPDX-License-Identifier: MIT
"""VCD makes something that the worker has given up waiting for. Whoever removes the cluster waits as long
as it may still appear, so that nothing is left of it.
"""
import pytest
from broker import Dropped, Refused
from cloud import wait_until
from disturb import wait_held
from late import ENTITY, GONE_S, LATE_BOX, RULE, VAPP, appear, hold_post, wait_passes
from life import Life

BOX = LATE_BOX
pytestmark = pytest.mark.usefixtures("in_time_again")


def wait_doubt(box, href):
    wait_until(lambda: box.record(href).get("doubt"), pause_s=0.05, what="the worker to give up")


def start_and_give_up(box, name, **changes):
    """A create whose rule VCD has not made when the worker gives up; its next pass does not run yet."""
    life = Life(box, name, **changes)
    hold_post(box, RULE)
    href = life.accepted("create", life.send("create"))
    wait_held(box)
    return life, href


def check_waits(box, life, href):
    """Its passes come and go, and remove nothing for good."""
    wait_passes(box, href)
    assert box.alice.task(href).status == "running"
    assert life.entities()


def test_c03_a_delete_waits_for_a_call_that_may_still_take_effect(box):
    life, create = start_and_give_up(box, "late1")
    box.broker.hold("cse.operations")
    wait_doubt(box, create)
    delete = life.accepted("delete", life.send("delete"))
    box.broker.release()
    wait_until(lambda: box.alice.task(create).status == "error", what="the create's end")
    check_waits(box, life, delete)
    appear(box, life, "nat_rules")
    assert box.wait_task(delete).status == "success"
    life.check("delete")


def test_c03_a_rollback_waits_for_a_call_that_may_still_take_effect(box):
    life, create = start_and_give_up(box, "late2", spec__settings__rollback_on_failure=True)
    box.cancel(create)
    wait_doubt(box, create)
    check_waits(box, life, create)
    assert box.record(create)["verdict"]["v"] == "rollback"
    appear(box, life, "nat_rules")
    task = box.wait_task(create)
    assert task.status == "error" and "cancelled" in task.error, task
    life.check("delete")


def test_c03_a_created_cluster_remembers_it_for_its_delete(box):
    """The create makes another rule and succeeds; the first one is there after all when it is deleted."""
    life, create = start_and_give_up(box, "late3")
    assert box.wait_task(create).status == "success"
    assert box.record(create)["doubt"]
    delete = life.accepted("delete", life.send("delete"))
    check_waits(box, life, delete)
    appear(box, life, "nat_rules")
    assert box.wait_task(delete).status == "success"
    life.check("delete")


def test_c06_a_call_of_the_dead_is_waited_for(box):
    """The worker dies in the call; its successor makes the rule again."""
    life, create = start_and_give_up(box, "late4")
    box.workers[0].kill()
    box.add_worker()
    assert box.wait_task(create).status == "success"
    delete = life.accepted("delete", life.send("delete"))
    check_waits(box, life, delete)
    appear(box, life, "nat_rules")
    assert box.wait_task(delete).status == "success"
    life.check("delete")


@pytest.mark.parametrize("path, kind", [(VAPP, "vapps"), (ENTITY, "entities")])
def test_a_refused_create_waits_for_what_may_still_appear(box, path, kind):
    life = Life(box, f"late-{kind}")
    hold_post(box, path, times=2)  # each is tried once more
    answer = life.send("create")
    assert answer.status == 503 and "is being removed" in answer.problem, answer
    task, = (t["id"] for t in box.vcd.ask("/tasks") if t["external"] and t["id"] in life.state()["running_tasks"])
    href = "/api/task/" + task
    if kind == "vapps":
        check_waits(box, life, href)
    else:
        # Old enough for the resync to ask for its entity, which is not there.
        box.vcd.set_option(clock_ahead_s=8)
        rounds = len(box.workers[-1].events("resync.done"))
        wait_until(lambda: len(box.workers[-1].events("resync.done")) > rounds + 1, what="the resync")
        assert task in life.state()["running_tasks"]
    appear(box, life, kind)
    assert box.wait_task(href).status == "error"
    box.check_state(life.before)


@pytest.mark.parametrize("failure", [Refused("gone", "no room"), Dropped()], ids=["refused", "dropped"])
def test_c13_a_pass_that_was_never_sent_counts_for_nothing(box, failure):
    """While the broker takes no messages the resync cannot send any: no operation is given up for that."""
    life = Life(box, f"unsent-{type(failure).__name__.lower()}")
    box.broker.on_publish = lambda message: [] if message.json["pass"] >= 3 else [message]
    create = life.accepted("create", life.send("create"))
    box.broker.wait(lambda: any(m.json["pass"] >= 3 for m in box.broker.published if life.id == m.json.get("cluster")), what="pass 3")
    box.wait_quiet()
    refused = []

    def refuse(message):
        refused.append(message)
        raise failure
    box.broker.on_publish = refuse
    for tries in range(1, 5):
        box.vcd.set_option(clock_ahead_s=GONE_S * tries)
        box.broker.wait(lambda tries=tries: len(refused) >= tries, what="the resync")
    wait_until(lambda: not box.record(create).get("revivals"), what="the count to be taken back")
    box.broker.on_publish = None
    box.vcd.set_option(clock_ahead_s=GONE_S * 5)
    assert box.wait_task(create).status == "success"
    life.do("delete")
