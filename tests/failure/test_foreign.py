# SPDX-License-Identifier: MIT
"""What others own. The worker's own session may touch it, so the worker must know whose it is: names,
descriptions, claims and phases may be written by somebody else.
"""
import copy
import json

import pytest
from bodies import cluster_body
from cloud import SEED
from disturb import TIMING, Patient, hold, release, settle, wait_held
from late import ENTITY, GONE_S, LATE_BOX
from life import AGENT, Life
from test_entity_twin import accepted_with_another

BOX = {"workers": 1, "timing": TIMING, "resync": False}
READ_WRITE, READ_ONLY = "urn:vcloud:accessLevel:ReadWrite", "urn:vcloud:accessLevel:ReadOnly"


def of(user, box, name, **changes):
    """Another user's cluster."""
    life = Life(box, name, spec__expose=False, **changes)
    life.alice = user
    assert box.wait_task(life.accepted("create", life.send("create"))).status == "success"
    return life


def share(life, user, level):
    """The owner's grant; the path of the entity."""
    path = f"/cloudapi/1.0.0/entities/{life.id}"
    grant = {"grantType": "MembershipAccessControlGrant", "memberId": user.context_of_message["user"],
             "accessLevelId": level}
    assert life.alice.request("POST", path + "/accessControls", grant).status == 201
    assert user.request("DELETE", path).status == 403
    return path


def write_entity(user, path, external_id, **status):
    document = user.request("GET", path).json
    document["externalId"] = external_id
    document["entity"]["status"].update(status)
    assert user.request("PUT", path, document).status == 200


def test_a_vapp_of_the_name_that_says_it_is_ours_is_not(box):
    """Its owner learns the entity's id from VCD's tasks while the compose is under way. The worker would put a
    cluster's secrets there, and with a rollback remove it."""
    theirs = of(box.tenant("carol@tenant1"), box, "wanted")
    assert theirs.alice.request("DELETE", f"/cloudapi/1.0.0/entities/{theirs.id}").status == 204
    life = Patient(box, "wanted", spec__settings__rollback_on_failure=True)
    hold(box, method="POST", path="*/composeVApp", hold="before")
    life.start("create")
    assert wait_held(box)
    life.find()
    theirs.describe_vapp(life.id)
    before = life.state()["vms"]
    release(box)
    box.vcd.heal()
    assert life.reply().status == 409, life.reply()
    settle(box)
    assert life.state()["vms"] == before
    assert not life.entities()
    assert [v["id"] for v in life.state()["vapps"]] == [theirs.vapp()["id"]]


@pytest.mark.parametrize("how", ["refused", "lost"])
def test_an_entity_that_says_it_is_ours_is_not_taken_back(box, how):
    """Its owner lets the caller write it. The caller's own entity is refused, or has no answer."""
    theirs = of(box.tenant("carol@tenant1"), box, "carols-" + how)
    path = share(theirs, box.alice, READ_WRITE)
    life = Patient(box, "mine-" + how)
    fault = {"status": 403, "message": "no"} if how == "refused" else {}
    box.vcd.fail(agent=AGENT, method="POST", path_prefix=ENTITY, hold="before", **fault)
    life.start("create")
    assert wait_held(box)
    [task] = [task for task in life.step_tasks() if task["status"] == "running"]
    write_entity(box.alice, path, "cse-request:" + box.record(task["id"])["request"],
                 task_href=f"{box.vcd.url}/api/task/{task['id']}")
    assert box.vcd.ask("/faults/release", "POST", {"drop": how == "lost"})["released"] == 1
    if how == "refused":
        box.vcd.heal()
    assert life.reply().status >= 400 or how == "lost", life.reply()
    box.vcd.heal()
    settle(box)
    assert [e["id"] for e in theirs.entities()] == [theirs.id]
    assert theirs.vapp()


def test_a_finished_cluster_that_says_it_is_a_twin_stays(new_box):
    """Of the same owner; somebody who may write it reads the claim in the other one's task."""
    box = new_box(**LATE_BOX)
    carol = box.tenant("carol@tenant1")
    life, create = accepted_with_another(box, "doubtful")
    assert box.vcd.ask("/faults/release", "POST", {"drop": True})["released"] == 1
    box.vcd.set_option(clock_ahead_s=GONE_S)
    assert box.wait_task(create).status == "success"
    other = of(box.alice, box, "finished")
    path = share(other, carol, READ_WRITE)
    write_entity(carol, path, "cse-request:" + box.record(create)["twin"], phase="CREATE:FAILED")
    assert box.wait_task(life.accepted("delete", life.send("delete"))).status == "success"
    assert [e["id"] for e in other.entities()] == [other.id]
    assert other.vapp()


@pytest.mark.parametrize("level", [READ_WRITE, READ_ONLY])
def test_an_administrator_of_another_org_is_none_here(new_box, tmp_path, level):
    """The right to administer clusters reaches as far as the org."""
    seed = json.loads(SEED.read_text())
    role = copy.deepcopy(next(role for role in seed["roles"] if role["org"] == "tenant2"))
    role.update(name="Cluster Administrator", id="0f000000-0000-4000-8000-000000000077")
    role["rights"] += ["cse:nativeCluster: Administrator Full access", "cse:nativeCluster: Administrator View"]
    seed["roles"].append(role)
    seed["users"].append({"name": "erin", "password": "erin-password", "org": "tenant2", "role": role["name"],
                          "id": "0a0a0000-0000-4000-8000-000000000077"})
    (tmp_path / "seed.json").write_text(json.dumps(seed))
    box = new_box(seed=tmp_path / "seed.json")
    erin = box.tenant("erin@tenant2")
    life = of(box.alice, box, "shared")
    share(life, erin, level)
    before = life.state()
    answer = erin.request("DELETE", f"/api/cse/3.0/cluster/{life.id}")
    assert answer.status == 403, answer
    assert life.state() == before


def test_a_rule_is_found_whatever_the_vapp_was_called(box):
    """Its owner gives it a name that looks like a rule's before the rule is made."""
    life = Patient(box, "renamed")
    hold(box, method="PUT", path="/cloudapi/1.0.0/entities/*", hold="before")
    life.start("create")
    assert wait_held(box)
    life.find()
    life.describe_vapp(life.id, name="x_urn:vcloud:entity:y")
    release(box)
    box.vcd.heal()
    settle(box)
    assert box.wait_task(life.reply().json["entity"]["status"]["task_href"]).status == "success"
    assert box.wait_task(life.accepted("delete", life.send("delete"))).status == "success"
    life.check_nothing_left()


def test_a_crowd_of_entities_does_not_fill_the_memory(new_box):
    """Names need not be unique, and an entity may be large."""
    box = new_box()
    crowd = cluster_body("crowd", spec__settings__ssh_key="x" * 100_000)
    carol = box.tenant("carol@tenant1")
    for _ in range(100):
        answer = carol.request(
            "POST", ENTITY + "urn:vcloud:type:cse:nativeCluster:1.0.0", {"name": "crowd", "entity": crowd})
        assert answer.status == 202, answer
    answer = Life(box, "crowd").send("create")
    assert answer.status == 400 and "longer than 8 MiB" in answer.problem, answer
