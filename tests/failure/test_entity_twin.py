# SPDX-License-Identifier: MIT
"""The entity's POST has no answer, and the create makes another one: VCD does not keep their names apart.
Should VCD make the first one after all, then whoever ends the operation waits for it and removes it.
"""
import pytest
from cloud import wait_until
from disturb import wait_held
from late import ENTITY, GONE_S, LATE_BOX, VAPP, appear, hold_post, wait_passes
from life import AGENT, Life

BOX = LATE_BOX
pytestmark = pytest.mark.usefixtures("in_time_again")


def check_expected(box, href):
    record = box.record(href)
    assert record["twin"] == record["request"] and record["doubt"], record


def accepted_with_another(box, name, **changes):
    """A create whose first entity VCD has not made when it makes another one, and its task."""
    life = Life(box, name, **changes)
    hold_post(box, ENTITY)
    href = life.accepted("create", life.send("create"))
    check_expected(box, href)
    assert len(life.entities()) == 1
    return life, href


def wait_at_its_end(box, life, href):
    """The create has done all but wait."""
    wait_until(lambda: box.alice.task(href).percent >= 95, what="the create to stand at its end")
    wait_passes(box, href)
    assert box.alice.task(href).status == "running"
    assert len(life.entities()) == 1


def test_it_comes_while_the_create_waits(box):
    life, create = accepted_with_another(box, "twin-comes")
    wait_at_its_end(box, life, create)
    appear(box, life, "entities")
    assert box.wait_task(create).status == "success"
    assert box.workers[0].events("entity.twin_removed")
    life.check("create")
    life.do("delete")


def test_it_never_comes(box):
    life, create = accepted_with_another(box, "twin-lost")
    wait_at_its_end(box, life, create)
    assert box.vcd.ask("/faults/release", "POST", {"drop": True})["released"] == 1
    box.vcd.set_option(clock_ahead_s=GONE_S)
    assert box.wait_task(create).status == "success"
    life.check("create")
    life.do("delete")


def test_a_delete_beside_it_removes_both(box):
    life, create = accepted_with_another(box, "twin-deleted")
    delete = life.accepted("delete", life.send("delete"))
    wait_until(lambda: box.alice.task(create).status == "error", what="the create's end")
    wait_passes(box, delete)
    assert box.alice.task(delete).status == "running"
    appear(box, life, "entities")
    assert box.wait_task(delete).status == "success"
    life.check("delete")


@pytest.mark.parametrize("rollback", [True, False], ids=["rolled_back", "kept"])
def test_a_create_that_fails_removes_it(box, rollback):
    life, create = accepted_with_another(box, f"twin-cancelled-{rollback}".lower(),
                                         spec__settings__rollback_on_failure=rollback)
    box.cancel(create)
    wait_until(lambda: box.record(create).get("verdict"), what="the verdict")
    wait_passes(box, create)
    assert box.alice.task(create).status == "running"
    appear(box, life, "entities")
    task = box.wait_task(create)
    assert task.status == "error" and "cancelled" in task.error, task
    if rollback:
        life.check("delete")
    else:
        assert [e["id"] for e in life.entities()] == [life.id]
        life.do("delete")


def test_a_refused_request_removes_both(box):
    """Its task goes on until the first entity cannot come any more."""
    life = Life(box, "twin-refused")
    hold_post(box, ENTITY)
    box.vcd.fail(agent=AGENT, method="POST", path_prefix=VAPP, status=403, times=2)
    answer = life.send("create")
    assert answer.status == 403 and "is being removed" in answer.problem, answer
    task, = (t["id"] for t in box.vcd.ask("/tasks") if t["external"] and t["id"] in life.state()["running_tasks"])
    appear(box, life, "entities")
    assert box.wait_task("/api/task/" + task).status == "error"
    life.check("delete")


def test_an_exposed_cluster_s_delete_knows_of_it(box):
    """Whatever the cluster's last operation was."""
    life, create = accepted_with_another(box, "twin-later")
    box.vcd.set_option(clock_ahead_s=GONE_S)
    assert box.wait_task(create).status == "success"
    unexpose = life.accepted("unexpose", life.send("unexpose"))
    assert box.wait_task(unexpose).status == "success"
    box.vcd.heal()
    wait_until(lambda: len(life.entities()) == 2, what="the late entity")
    life.do("delete")


@pytest.mark.parametrize("refusal", [{"status": 400, "minor": "BAD_REQUEST"}, {"status": 503}], ids=["no", "not_now"])
def test_one_that_stays_costs_no_cluster(box, refusal):
    life, create = accepted_with_another(box, f"twin-stays-{refusal['status']}", spec__settings__rollback_on_failure=True)
    wait_at_its_end(box, life, create)
    box.vcd.heal()
    wait_until(lambda: len(life.entities()) == 2, what="the late entity")
    twin, = (e["id"] for e in life.entities() if e["id"] != life.id)
    box.vcd.fail(agent=AGENT, method="DELETE", path=f"/cloudapi/1.0.0/entities/{twin}", times=0, **refusal)
    box.vcd.set_option(clock_ahead_s=GONE_S)
    assert box.wait_task(create, 60).status == "success"
    assert box.workers[0].events("entity.twin_left")
    box.vcd.heal()
    life.do("delete")


def forge(box, life, href, **changes):
    """Another entity of the org, as its owner may write it."""
    other = Life(box, life.name + "-other")
    assert box.wait_task(other.accepted("create", other.send("create"))).status == "success"
    document = box.alice.request("GET", f"/cloudapi/1.0.0/entities/{other.id}").json
    document["externalId"] = "cse-request:" + box.record(href)["twin"]
    for path, value in changes.items():
        document["entity"]["status"][path] = value
    assert box.alice.request("PUT", f"/cloudapi/1.0.0/entities/{other.id}", document).status == 200
    return other


def test_a_cluster_that_claims_to_be_it_stays(box):
    """A cluster whose create has ended is none, whatever its owner writes into its externalId."""
    life, create = accepted_with_another(box, "twin-forged")
    other = forge(box, life, create, phase="UPDATE:SUCCEEDED")
    assert box.vcd.ask("/faults/release", "POST", {"drop": True})["released"] == 1
    box.vcd.set_option(clock_ahead_s=GONE_S)
    assert box.wait_task(create).status == "success"
    assert any(e["id"] == other.id for e in other.state()["entities"])
    for one in (life, other):
        assert box.wait_task(one.accepted("delete", one.send("delete"))).status == "success"
    box.check_state(life.before)


def test_two_that_stay_cost_no_cluster(box):
    """Its owner has copied the late one."""
    life, create = accepted_with_another(box, "twins-stay", spec__settings__rollback_on_failure=True)
    wait_at_its_end(box, life, create)
    box.vcd.heal()
    wait_until(lambda: len(life.entities()) == 2, what="the late entity")
    twin, = (e for e in life.entities() if e["id"] != life.id)
    copy = {key: twin[key] for key in ("name", "externalId", "entity")}
    assert box.alice.request("POST", ENTITY + "urn:vcloud:type:cse:nativeCluster:1.0.0", copy).status == 202
    wait_until(lambda: len(life.entities()) == 3, what="the copy")
    twins = [e["id"] for e in life.entities() if e["id"] != life.id]
    for one in twins:
        box.vcd.fail(agent=AGENT, method="DELETE", path=f"/cloudapi/1.0.0/entities/{one}", times=0,
                     status=400, minor="BAD_REQUEST")
    box.vcd.set_option(clock_ahead_s=GONE_S)
    assert box.wait_task(create).status == "success"
    left = [e["twin"] for e in box.workers[0].events("entity.twin_left") if e["cluster"] == life.id]
    assert sorted(left) == sorted(twins)
    box.vcd.heal()
    life.do("delete")


def test_an_entity_of_another_owner_stays(box):
    """Who may write another user's entity may put the claim and the phase of a twin there."""
    carol = box.tenant("carol@tenant1")
    theirs = Life(box, "twin-carol", spec__expose=False)
    theirs.alice = carol
    assert box.wait_task(theirs.accepted("create", theirs.send("create"))).status == "success"
    share = {"grantType": "MembershipAccessControlGrant", "memberId": box.alice.context_of_message["user"],
             "accessLevelId": "urn:vcloud:accessLevel:ReadWrite"}
    path = f"/cloudapi/1.0.0/entities/{theirs.id}"
    assert carol.request("POST", path + "/accessControls", share).status == 201
    assert box.alice.request("DELETE", path).status == 403
    life, create = accepted_with_another(box, "twin-mine")
    assert box.vcd.ask("/faults/release", "POST", {"drop": True})["released"] == 1
    box.vcd.set_option(clock_ahead_s=GONE_S)
    assert box.wait_task(create).status == "success"
    document = box.alice.request("GET", path).json
    document["externalId"] = "cse-request:" + box.record(create)["twin"]
    document["entity"]["status"]["phase"] = "CREATE:FAILED"
    assert box.alice.request("PUT", path, document).status == 200
    vapp, = (v["id"] for v in life.state()["vapps"] if v["name"] == theirs.name)
    carol.switch_off(vapp)
    assert box.wait_task(life.accepted("delete", life.send("delete"))).status == "success"
    assert [e["id"] for e in theirs.entities()] == [theirs.id]
    assert [v["name"] for v in life.state()["vapps"]] == [theirs.name]
    theirs.do("delete")


def test_a_redelivered_request_expects_it(box):
    """The worker dies in the POST: whoever gets the request next finds nothing, and makes another one."""
    life = Life(box, "twin-redelivered")
    hold_post(box, ENTITY)
    correlation = life.alice.send(*life.request("create"))
    wait_held(box)
    box.add_worker()
    box.wait_ready(box.workers[-1])
    box.workers[-2].kill()
    answer, = life.alice.answers(correlation)
    create = life.accepted("create", answer)
    check_expected(box, create)
    wait_at_its_end(box, life, create)
    appear(box, life, "entities")
    assert box.wait_task(create).status == "success"
    life.check("create")
    life.do("delete")
