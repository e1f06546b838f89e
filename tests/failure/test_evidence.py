# SPDX-License-Identifier: MIT
"""What is said when an operation fails: to the tenant in the task, to operators in the log and in events."""
import json

import pytest
from bodies import cluster_body
from cloud import wait_until

CREATE = "/api/cse/3.0/clusters"
NO_HOST = "There is no host that can run VM small-7; password=hunter2 was refused."
KEPT = "Delete the cluster before you send it again."
REMOVED = "The cluster was removed; correct the cause and send it again."


@pytest.fixture(autouse=True)
def calm(box):
    box.broker.events.clear()
    yield
    box.broker.exchanges["cse.events"] = "topic"
    box.vcd.heal()
    box.vcd.set_option(clock_ahead_s=0, played_fail=0)


def create(box, name, rollback=True):
    answer = box.alice.request(
        "POST", CREATE, cluster_body(name, spec__settings__rollback_on_failure=rollback))
    assert answer.status == 202, answer
    return answer.json["id"], answer.json["entity"]["status"]["task_href"]


def ended(box, href):
    task = box.wait_task(href)
    assert task.status == "error", task
    assert len(task.error.encode()) <= 1024
    assert "hunter2" not in f"{task.error} {task.text} {task.details}"
    return task.error


def events(box, what):
    return [event.json for event in box.broker.events if event.key == f"task.create.{what}"]


def verdict(box):
    """The one event of the verdict; its evidence is in the log as well."""
    (event,) = events(box, "verdict")
    assert len(json.dumps(event)) <= 64 * 1024 + 2048
    assert "hunter2" not in json.dumps(event)
    lines = [json.loads(line) for line in box.workers[0].log.read_text().split("\n")[:-1]
             if f'"task":"{event["task"]}"' in line and '"event":"operation.evidence"' in line]
    evidence = event["evidence"]
    assert len(lines) == len(evidence.get("nodes", [])) + len(evidence.get("tasks", []))
    assert "hunter2" not in box.workers[0].log.read_text()
    return event


def delete(box, urn):
    answer = box.alice.request("DELETE", f"/api/cse/3.0/cluster/{urn}")
    assert answer.status == 202, answer
    task = box.wait_task(answer.json["entity"]["status"]["task_href"])
    assert task.status == "success", task


@pytest.mark.parametrize("rollback", [True, False], ids=["rolled_back", "kept"])
def test_a_node_that_gives_up_is_named_with_its_words(box, rollback):
    before = box.vcd.state()
    box.vcd.set_option(played_fail=1)
    urn, href = create(box, f"node-{rollback}".lower(), rollback)
    error = ended(box, href)
    assert error.startswith("Step init: node mstr-") and "failed in phase init: " in error
    assert "as the test ordered" in error
    assert error.endswith(REMOVED if rollback else KEPT)
    event = verdict(box)
    assert event["verdict"]["v"] == ("rollback" if rollback else "fail")
    nodes = event["evidence"]["nodes"]
    assert nodes[0]["role"] == "control-plane" and nodes[0]["phase"] == "init"
    assert nodes[0]["status"] == "failed" and "as the test ordered" in nodes[0]["text"]
    assert {node["role"] for node in nodes} == {"control-plane", "worker"}
    # The evidence was told before anything was undone.
    assert event["evidence"]["vapp"] == f"node-{rollback}".lower()
    if not rollback:
        assert box.alice.entity(urn)["entity"]["status"]["phase"] == "CREATE:FAILED"
        assert any(vapp["name"] == "node-false" for vapp in json.loads(box.vcd.state())["vapps"])
        delete(box, urn)
    box.check_state(before)


@pytest.mark.parametrize("rollback", [True, False], ids=["rolled_back", "kept"])
def test_a_failed_compose_is_told_in_vcd_s_words(box, rollback):
    """VCD says it nowhere but in its task: the vApp has just status -1."""
    before = box.vcd.state()
    box.vcd.fail(method="POST", path_prefix="/api/vdc/", nth=1, task_error=NO_HOST)
    urn, href = create(box, f"compose-{rollback}".lower(), rollback)
    error = ended(box, href)
    assert "There is no host that can run VM small-7" in error
    assert error.endswith(REMOVED if rollback else KEPT)
    (task,) = verdict(box)["evidence"]["tasks"]
    assert "There is no host" in task["error"] and "Composing Virtual Application" in task["operation"]
    if not rollback:
        assert box.alice.entity(urn)["entity"]["status"]["phase"] == "CREATE:FAILED"
        delete(box, urn)
    box.check_state(before)


def test_nodes_that_cannot_be_powered_on_are_given_up(box):
    before = box.vcd.state()
    box.vcd.fail(method="POST", path="/api/vApp/*/power/action/powerOn", times=0,
                 task_error=NO_HOST)
    _, href = create(box, "power")
    error = ended(box, href)
    assert error.startswith("Step power-on: Switching the cluster's vApp on: VCD's task failed: There is no host")
    assert verdict(box)["evidence"]["tasks"]
    box.check_state(before)


def test_a_lock_is_no_reason_to_give_up_powering_on(box):
    box.vcd.fail(method="POST", path="/api/vApp/*/power/action/powerOn", nth=1,
                 task_error="The entity vapp is busy completing an operation VAPP_DEPLOY.")
    urn, href = create(box, "lock")
    assert box.wait_task(href).status == "success"
    delete(box, urn)


def test_a_deadline_names_who_was_waited_for(box):
    box.vcd.set_option(boot_ms=3_000_000)
    try:
        _, href = create(box, "late")
        wait_until(lambda: (box.alice.task(href).percent or 0) >= 50, what="power-on")
        box.vcd.set_option(clock_ahead_s=400)
        error = ended(box, href)
    finally:
        box.vcd.set_option(boot_ms=5)
    assert error.startswith("Step deadline: not finished after 6 minutes")
    assert "waiting for mstr-" in error and ": silent" in error
    assert {node["phase"] for node in verdict(box)["evidence"]["nodes"]} == {""}


def test_without_the_exchange_everything_goes_on(box):
    box.broker.exchanges.pop("cse.events")
    urn, href = create(box, "deaf")
    box.broker.exchanges.pop("cse.events", None)
    assert box.wait_task(href).status == "success"
    delete(box, urn)
    assert '"event":"event.lost"' in box.workers[0].log.read_text()


def test_every_change_of_a_task_is_an_event(box):
    """As many as the worker wrote tasks: whoever writes one tells it."""
    box.vcd.reset_calls()
    urn, href = create(box, "told")
    assert box.wait_task(href).status == "success"
    delete(box, urn)
    writes = [call for call in box.vcd.calls() if call["method"] in ("POST", "PUT") and
              call["path"].startswith(("/api/tasksList/", "/api/task/"))]
    assert len(writes) == len(box.broker.events) >= 10
    keys = [event.key for event in box.broker.events]
    assert keys[0] == "task.create.running" and keys.count("task.create.success") == 1
    assert keys[-1] == "task.delete.success"
    uuid = href.rsplit("/", 1)[1]
    percents = [event.json["percent"] for event in box.broker.events
                if event.json["task"] == uuid and "percent" in event.json]
    assert percents == sorted(percents) and percents[-1] == 100
    assert all(event.json["event"] == event.key and event.json["cluster"] == urn
               for event in box.broker.events[1:])
