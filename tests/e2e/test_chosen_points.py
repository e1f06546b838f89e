# SPDX-License-Identifier: MIT
"""Five failing calls on the real broker, each in the middle of another operation of a cluster. The
guests are played: what fails is VCD.
"""
import json

import pytest
from bodies import cluster_body
from cloud import wait_until

AGENT = "cse-worker"
CLOUD = {"options": {"played_guests": 1}}
CAUSE = "Not enough memory for that"


@pytest.fixture(autouse=True)
def left_as_found(cloud):
    before = cloud.vcd.state()
    yield
    cloud.vcd.heal()
    assert cloud.vcd.state() == before


def send(alice, method, path, body=None):
    answer = alice.request(method, path, body)
    assert answer.status == 202, answer
    return answer.json["id"], answer.json["entity"]["status"]["task_href"]


def create(alice, name):
    return send(alice, "POST", "/api/cse/3.0/clusters", cluster_body(name))


def succeed(alice, task):
    task = alice.wait(task)
    assert task.status == "success", task


def delete(alice, cluster):
    succeed(alice, send(alice, "DELETE", f"/api/cse/3.0/cluster/{cluster}")[1])


def hits(cloud):
    return sum(fault["hits"] for fault in cloud.vcd.ask("/faults"))


def check_one(cloud, cluster):
    """Nothing of the cluster exists twice."""
    state = json.loads(cloud.vcd.state())
    vms = [vm["name"] for vm in state["vms"]]
    assert len(state["vapps"]) == 1 and len(vms) == len(set(vms)) == 2, state
    assert [r["name"].count(cluster) for r in state["nat_rules"]] == [1], state["nat_rules"]
    assert [e["id"] for e in state["entities"]] == [cluster]


@pytest.mark.parametrize("path", ["*/action/composeVApp", "*/nat/rules"], ids=["admission", "pass"])
def test_an_answer_lost_after_the_effect(cloud, alice, path):
    cloud.vcd.fail(agent=AGENT, method="POST", path=path, reset=True, after_effect=True)
    cluster, task = create(alice, "lost")
    succeed(alice, task)
    assert hits(cloud) == 1
    check_one(cloud, cluster)
    delete(alice, cluster)


def test_a_refusal_that_stays_is_rolled_back(cloud, alice):
    cloud.vcd.fail(agent=AGENT, method="POST", path="*/power/action/powerOn", times=0,
                   status=400, minor="BAD_REQUEST", message=CAUSE)
    _, task = create(alice, "refused")
    task = alice.wait(task)
    assert task.status == "error" and "power-on" in task.error and CAUSE in task.error, task


@pytest.mark.long
def test_a_task_that_cannot_be_written_is_ended_later(cloud, alice):
    cluster, task = create(alice, "unwritten")
    succeed(alice, task)
    cloud.vcd.fail(agent=AGENT, method="PUT", path="/api/task/*", times=0, status=503)
    _, task = send(alice, "DELETE", f"/api/cse/3.0/cluster/{cluster}")
    wait_until(lambda: hits(cloud) > 1, what="two tries")
    assert alice.task(task).status == "running"
    cloud.vcd.heal()
    succeed(alice, task)


@pytest.mark.long
def test_an_undo_that_fails_is_finished_later(cloud, alice):
    cloud.vcd.fail(agent=AGENT, method="POST", path="*/power/action/powerOn", times=0,
                   status=400, minor="BAD_REQUEST", message=CAUSE)
    cloud.vcd.fail(agent=AGENT, method="DELETE", path="/api/vApp/*", times=0, status=503)
    _, task = create(alice, "undone")
    wait_until(lambda: any(f["hits"] for f in cloud.vcd.ask("/faults") if f["method"] == "DELETE"),
               what="the undo")
    cloud.vcd.heal()
    task = alice.wait(task)
    assert task.status == "error" and CAUSE in task.error, task
