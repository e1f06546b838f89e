# SPDX-License-Identifier: MIT
"""A tenant who comes in between: deletes the cluster in the middle of its create, or writes its entity, at
every call that changes something. The tasks stay truthful and end, and the cloud is what they say.

By default some points are tried, and the seed is among the figures; CSE_FAILURE_FULL=1 tries all.
"""
import copy
import itertools
import time

from disturb import STEPS, TIMING, Patient, Tally, chosen, held, hold, release, settle, stop_at, wait_held

BOX = {"workers": 2, "timing": TIMING}
LAST = {"create": 30, "unexpose": 12, "delete": 12}  # more than the step has
SHARE = {"delete": 8, "write": 8, "own": 6}
# How long the delete works beside the create's pass, whose call is held.
BESIDE_S = 0.4
NOBODY = "https://vcd.example.com/api/task/00000000-0000-4000-8000-00000000dead"


# ---- deleted in the middle ----

def delete_in_the_middle(box, point, tally):
    number, when = point
    life = Patient(box, f"mid{number}{when}")
    hit = stop_at(box, life, "create", number, when)
    assert number < LAST["create"] or not hit, "there are more points than LAST says"
    life.find()
    if not hit or life.id is None:  # it is all done, or there is nothing yet
        release(box)
        settle(box)
        life.check_result("create")
        life.do("delete")
        return
    answer = life.send("delete")
    time.sleep(BESIDE_S)
    release(box)
    box.vcd.heal()
    settle(box)
    if answer.status == 202:
        tally.add(accepted=1, superseded=any(task["status"] == "error" for task in life.step_tasks()))
        href = answer.json["entity"]["status"]["task_href"]
        assert box.alice.task(href).status == "success", life.step_tasks()
    else:
        # Too early, VCD is busy with the very object, or no request thread is free: the create goes on.
        tally.add(refused=1)
        assert answer.status in (409, 429, 503), answer
        life.find()
        if life.id:
            life.do("delete")
    settle(box)
    life.check_nothing_left()


def test_a_delete_in_the_middle_of_a_create(sweep):
    tally, title = Tally(), "delete in the middle of a create"
    points = list(itertools.product(range(2, LAST["create"] + 1), ("before", "after")))
    tried = sweep.run(title, lambda box, point: delete_in_the_middle(box, point, tally),
                      chosen(points, SHARE["delete"], title))
    sweep.figures[title] = tally.report(tried, "accepted", "superseded")


# ---- written by its owner ----

def forge_status(content):
    content.setdefault("status", {}).update(phase="DELETE:FAILED", task_href=NOBODY, exposed=False)


def drop_status(content):
    content.pop("status", None)


def empty_nodes(content):
    content.setdefault("status", {})["nodes"] = {"workers": [], "nfs": []}


def forge_nodes(content):
    node = {"name": "node-fake", "ip": "127.0.0.1"}
    content.setdefault("status", {})["nodes"] = {"control_plane": dict(node), "workers": [node, dict(node)],
                                                 "nfs": []}


def change_spec(content):
    content["spec"]["workers"]["count"] = 7
    content["spec"]["expose"] = not content["spec"]["expose"]


def point_elsewhere(content):
    content["status"] = {**content.get("status", {}), "task_href": NOBODY}
    content["metadata"]["ovdc_name"] = "another-vdc"


DAMAGES = {"status": forge_status, "no status": drop_status, "no nodes": empty_nodes, "nodes": forge_nodes,
           "spec": change_spec, "places": point_elsewhere}


def write_entity(box, life, damage):
    """The owner's PUT; the status of its answer."""
    document = copy.deepcopy(life.entity())
    DAMAGES[damage](document["entity"])
    body = {key: document[key] for key in ("name", "externalId", "entity")}
    return box.alice.request("PUT", f"/cloudapi/1.0.0/entities/{document['id']}", body)


def damaged_at(box, life, step, number, damage, tally):
    """Writes the entity while that call waits. True when the worker wrote it later, so that it is right."""
    if not stop_at(box, life, step, number, "before"):
        return True
    document, written = life.entity(), False
    if document:
        answer = write_entity(box, life, damage)
        # VCD itself keeps what its schema forbids out of a resolved entity.
        assert answer.status == 200 or document["state"] == "RESOLVED" and answer.status == 400, answer
        written = answer.status == 200
        tally.add(writes=written, refused_by_vcd=not written)
        box.vcd.reset_calls()
    release(box)
    box.vcd.heal()
    settle(box)
    return not written or any(call["method"] == "PUT" and "/entities/" in call["path"] and call["status"] == 200
                              for call in box.vcd.calls())


# ---- what is nobody's but the owner's ----

# Members that no operation may change.
OWN = {("spec", "settings", "ssh_key"): "ssh-ed25519 AAAA{} owner", ("spec", "workers", "sizing_class"): "class-{}",
       ("metadata", "ovdc_name"): "vdc-{}", ("api_version",): "v{}"}
# What VCD answered so short a time ago is not read again before it is written; VCD 10.2 has no ETag.
FRESH_S = 0.15


def member(content, path):
    for key in path:
        content = content.get(key, {})
    return content


def change_own(box, life, number):
    """The owner changes these members; what they are now."""
    document, own = life.entity(), {path: text.format(number) for path, text in OWN.items()}
    for path, text in own.items():
        member(document["entity"], path[:-1])[path[-1]] = text
    body = {key: document[key] for key in ("name", "externalId", "entity")}
    answer = box.alice.request("PUT", f"/cloudapi/1.0.0/entities/{document['id']}", body)
    assert answer.status == 200, answer
    return own


def own_changes_survive(box, point, tally):
    """False: there is no such call in any step."""
    life, hits = Patient(box, f"own{point}"), 0
    for step in ("create", "unexpose"):
        own = {}
        if stop_at(box, life, step, point, "before"):
            hits += 1
            # Between a read and the write that waits nothing can be merged.
            if life.entity() and not ("/entities/" in held(box)[0]["path"] and held(box)[0]["method"] == "PUT"):
                own = change_own(box, life, point)
                time.sleep(FRESH_S)
            release(box)
            box.vcd.heal()
        settle(box)
        life.check_result(step)
        content = life.entity()["entity"]
        assert {path: member(content, path) for path in own} == own, (step, content)
        for path in own:  # the next request is of the cluster as it is
            member(life.body, path[:-1])[path[-1]] = own[path]
        tally.add(changes=bool(own))
    life.do("delete")
    assert point < LAST["create"] or not hits, "there are more points than LAST says"


def test_what_an_owner_changes_at_any_call_stays(sweep):
    """The worker changes only what its operation is about, in what it has read just before."""
    tally, title = Tally(), "an owner's own change"
    tried = sweep.run(title, lambda box, point: own_changes_survive(box, point, tally),
                      chosen(range(1, LAST["create"] + 1), SHARE["own"], title))
    sweep.figures[title] = tally.report(tried, "changes")


def test_what_an_owner_changes_between_look_and_write_stays(box):
    """The un-expose has read the entity when its owner changes it, and writes it next."""
    life = Patient(box, "ownlate")
    life.do("create")
    hold(box, method="POST", path="*/metadata", hold="before")
    life.start("unexpose")
    assert wait_held(box)
    assert any(call["method"] == "GET" and "/entities/" in call["path"] for call in box.vcd.calls()[-8:])
    own = change_own(box, life, 0)
    time.sleep(FRESH_S)
    release(box)
    settle(box)
    assert life.check_result("unexpose")
    assert {path: member(life.entity()["entity"], path) for path in own} == own
    life.do("delete")


# ---- written at any call, to the end ----

def live(box, point, tally):
    number, damage = point
    life = Patient(box, f"put{number}-{list(DAMAGES).index(damage)}")
    for step in STEPS:
        ours = damaged_at(box, life, step, number, damage, tally)
        settle(box)
        # What VCD cannot resolve ends the create, truthfully.
        may_fail = number == 1 or step == "create" and damage == "no nodes"
        done = life.check_result(step, entity_is_ours=ours, may_fail=may_fail)
        tally.add(failed=not done)
        if step == "create" and not done:
            return
        if not ours and step != "delete":
            break
    if life.entity():
        life.find()
        life.do("delete")  # from every state
    settle(box)
    life.check_nothing_left()


def test_a_tenants_write_at_any_call(sweep):
    tally, title = Tally(), "a tenant's write of the entity"
    points = list(itertools.product(range(1, LAST["create"] + 1), DAMAGES))
    tried = sweep.run(title, lambda box, point: live(box, point, tally), chosen(points, SHARE["write"], title))
    sweep.figures[title] = tally.report(tried, "writes")
