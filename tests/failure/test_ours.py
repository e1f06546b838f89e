# SPDX-License-Identifier: MIT
"""Whose task, and whose vApp? What an entity says its owner may have written, and a vApp may be edited by who
owns it: neither may harm another cluster, and neither may make us forget what is ours.
"""
import json
import time

import pytest
from cloud import wait_until
from disturb import TIMING, Patient, hold, release, settle, wait_held
from life import AGENT, Life
from service import Service
from tenant import XML_35

BOX = {"workers": 2, "timing": TIMING, "resync": False}
EDGE = "/cloudapi/1.0.0/edgeGateways/urn:vcloud:gateway:0b000000-0000-4000-8000-000000000001"
RULES = EDGE + "/nat/rules"
pytestmark = pytest.mark.usefixtures("as_before")


def write_entity(box, life, task, vapp=None):
    """The owner's PUT that makes the entity name another task, and another vApp."""
    document = box.alice.entity(life.id)
    document["entity"]["status"]["task_href"] = task
    document["externalId"] = vapp or document["externalId"]
    body = {key: document[key] for key in ("name", "externalId", "entity")}
    answer = box.alice.request("PUT", f"/cloudapi/1.0.0/entities/{life.id}", body)
    assert answer.status == 200, answer


def test_a_delete_never_ends_another_cluster_s_task(box):
    """The owner of one cluster lets its entity name the create of another one, which is in admission and
    whose record names no cluster yet. Its externalId even says that it is that one."""
    forger, victim = Life(box, "forger"), Patient(box, "victim")
    forger.do("create")
    box.vcd.set_option(boot_ms=6000)
    hold(box, method="POST", path="*/composeVApp", hold="before")
    victim.start("create")
    assert wait_held(box)
    [task] = [task for task in victim.step_tasks() if task["status"] == "running"]
    claim = "cse-request:" + box.record(task["id"])["request"]
    write_entity(box, forger, "https://vcd/api/task/" + task["id"], claim)
    # A worker takes one such request at a time, and one of them has the victim's.
    answer = wait_until(lambda: (a := forger.send("delete")).status != 429 and a, what="a free worker")
    href = forger.accepted("delete", answer)
    assert box.record(href)["supersedes"] == task["id"]
    release(box)
    box.vcd.heal()
    assert victim.reply().status == 202
    wait_until(lambda: box.record(task["id"]).get("claim", {}).get("ended"), what="the victim's first pass")
    box.advance(box.timing["delete_wait"])
    wait_until(lambda: box.task(href)["status"] == "success", what="the forger's delete")
    assert box.task(task["id"])["status"] == "running", box.task(task["id"])
    settle(box)
    assert box.task(task["id"])["status"] == "success", box.task(task["id"])
    victim.find()
    victim.check("create")
    victim.do("delete")


def test_what_is_no_id_is_never_asked_for(box):
    """The owner writes a way out of the path where the ids of task and vApp belong."""
    life = Patient(box, "paths")
    hold(box, method="POST", path="*/reconfigureVm", hold="before")
    life.start("create")
    assert wait_held(box)
    life.find()
    write_entity(box, life, "https://vcd/api/task/..", "https://vcd/api/vApp/vapp-..%2F")
    box.vcd.reset_calls()
    release(box)
    box.vcd.heal()
    settle(box)
    assert life.check_result("create")
    write_entity(box, life, "https://vcd/api/task/..", "https://vcd/api/vApp/vapp-..%2F")
    life.do("delete")
    odd = [call["path"] for call in box.vcd.calls(AGENT) if call["path"] == "/api/" or ".." in call["path"]]
    assert not odd, odd


def test_a_task_aborted_beside_its_pass_is_still_waited_for(box):
    """An administrator ends the create whose pass is about to make the rule, and its cluster is deleted."""
    life = Patient(box, "aborted")
    hold(box, method="POST", path="*/nat/rules", hold="before")
    life.start("create")
    assert wait_held(box)
    life.find()
    answer = wait_until(lambda: (a := life.send("delete")).status != 429 and a, what="a free worker")
    [task] = [task for task in life.step_tasks() if '"op":"create"' in task["details"]]
    Service(box.tenant("svc-cse@System")).put(task["id"], "error", task["details"])
    box.vcd.reset_calls()
    time.sleep(1.5)  # the delete's passes come several times in this time
    assert not [call for call in box.vcd.calls(AGENT) if call["method"] == "DELETE"]
    release(box)
    box.vcd.heal()
    wait_until(lambda: life.state()["nat_rules"] != json.loads(life.before)["nat_rules"], what="the late rule")
    box.advance(box.timing["delete_wait"])
    assert box.wait_task(life.accepted("delete", answer)).status == "success"
    life.check_nothing_left()


def test_a_vapp_that_is_recorded_may_be_described_anew(box):
    """Admission recorded its id; the description only helps to find it."""
    life = Patient(box, "described")
    hold(box, method="POST", path="*/nat/rules", hold="before")
    life.start("create")
    assert wait_held(box)
    life.describe_vapp("my cluster")
    release(box)
    box.vcd.heal()
    settle(box)
    assert life.check_result("create")
    life.do("delete")


def test_a_failed_create_removes_a_vapp_described_anew(box):
    life = Patient(box, "undescribed")
    hold(box, method="POST", path="*/nat/rules", hold="before")
    life.start("create")
    assert wait_held(box)
    life.describe_vapp("my cluster")
    box.vcd.fail(agent=AGENT, method="POST", path="*/metadata", times=0, status=400, minor="BAD_REQUEST",
                 message="no marks")
    release(box)
    settle(box)
    [task] = life.step_tasks()
    assert task["status"] == "error", task
    life.check_nothing_left()


def test_a_vapp_without_marks_is_seen_to_its_end(box):
    """A create failed before it marked its vApp, and its task is unknown to the delete: the owner made the entity
    name another one. VCD's removal of the vApp takes its time, and fails at first."""
    life = Patient(box, "unmarked")
    life.body["spec"].update(expose=False)
    life.body["spec"]["settings"]["rollback_on_failure"] = False
    box.vcd.fail(agent=AGENT, method="POST", path="*/metadata", times=0, status=400, minor="BAD_REQUEST",
                 message="no marks")
    life.start("create")
    settle(box)
    box.vcd.heal()
    life.find()
    write_entity(box, life, "https://vcd/api/task/00000000-0000-4000-8000-00000000dead")
    box.vcd.fail(agent=AGENT, method="DELETE", path="/api/vApp/*", task_error="not now")
    task = box.wait_task(life.accepted("delete", life.send("delete")))
    assert task.status == "success", task
    life.check_nothing_left()


def test_a_rule_that_cannot_be_found_is_told_of(box):
    """Somebody removed the vApp of an exposed cluster, and its tasks are unknown: nothing tells the edge."""
    life = Patient(box, "lostedge")
    life.do("create")
    [vapp] = [vapp for vapp in life.state()["vapps"] if vapp["name"] == life.name]
    box.alice.switch_off(vapp["id"])
    wait_until(lambda: not life.state()["locks"], what="VCD")
    assert box.alice.request("DELETE", f"/api/vApp/vapp-{vapp['id']}", accept=XML_35).status == 202
    wait_until(lambda: not life.state()["locks"], what="VCD")
    write_entity(box, life, "https://vcd/api/task/00000000-0000-4000-8000-00000000dead")
    task = box.wait_task(life.accepted("delete", life.send("delete")))
    assert task.status == "success" and "look for a NAT rule" in task.text and life.id in task.text, task
    [rule] = [r for r in box.alice.request("GET", RULES).json["values"] if life.id in r["name"]]
    assert box.alice.request("DELETE", f"{RULES}/{rule['id']}").status == 202
    wait_until(lambda: life.state()["nat_rules"] == json.loads(life.before)["nat_rules"], what="the rule's end")
    life.check_nothing_left()


def lose_edge(box):
    """VCD says so of an edge gateway that does not exist any more."""
    box.vcd.fail(agent=AGENT, path_prefix=EDGE, times=0, status=403, minor="ACCESS_TO_RESOURCE_IS_FORBIDDEN",
                 message="No access to entity urn:vcloud:gateway:0b000000-0000-4000-8000-000000000001")


def test_a_cluster_is_deleted_when_its_edge_is_gone(box):
    """The gateway's rules went with it."""
    life = Life(box, "goneedge")
    life.do("create")
    life.do("unexpose")
    lose_edge(box)
    life.do("delete")


def test_a_rule_listing_alone_does_not_say_that_the_edge_is_gone(box):
    life = Life(box, "oddedge")
    life.do("create")
    box.vcd.fail(agent=AGENT, path=RULES, times=4, status=404)
    life.do("delete")


def test_a_create_says_that_its_edge_is_gone(box):
    life = Patient(box, "lateedge")
    box.broker.hold("cse.operations")
    life.start("create")
    href = life.reply().json["entity"]["status"]["task_href"]
    lose_edge(box)
    box.broker.release()
    task = box.wait_task(href)
    assert task.status == "error" and "Step address: " in task.error and "edge gateway" in task.error, task
    life.check_nothing_left()


def test_a_kubeconfig_names_an_address_that_leads_there(box):
    """Its owner switches the rule off: then the internal address is as good as any."""
    life = Life(box, "switchedrule")
    life.do("create")

    def server():
        message = box.alice.request("GET", f"/api/cse/3.0/cluster/{life.id}/config").json["message"]
        return next(line.split("//")[1] for line in message.splitlines() if "server: " in line)
    [rule] = [r for r in box.alice.request("GET", RULES).json["values"] if life.id in r["name"]]
    assert server() == f"{rule['externalAddresses']}:6443"
    answer = box.alice.request("PUT", f"{RULES}/{rule['id']}", {**rule, "enabled": False})
    assert answer.status == 202, answer
    wait_until(lambda: not life.state()["locks"], what="the end of the change")
    assert server() == f"{rule['internalAddresses']}:6443"
    life.do("delete")
