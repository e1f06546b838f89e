# SPDX-License-Identifier: MIT
"""Orders that must hold: which of two running tasks a cluster belongs to, and in which order an end is written."""
import concurrent.futures
import itertools
import json
import uuid

import pytest
from broker import Message
from disturb import Patient
from life import AGENT
from service import Service

BOX = {"timing": {"delete_wait": 5}, "resync": False}
TRIES = 100
REFUSAL = {"agent": AGENT, "times": 0, "status": 400, "minor": "BAD_REQUEST", "message": "Not today"}
pytestmark = pytest.mark.usefixtures("as_before")


# ---- two running tasks of one cluster ----

def pair_by_start(_, service, task, record):
    """The weaker and the stronger: the accepted task, and one that began later."""
    return task, service.make(record)


def pair_by_id(box, service, task, record):
    """Two that began in the same millisecond, which takes some tries; the accepted one is over."""
    service.put(task, status="success", details=record)
    for _ in range(TRIES):
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            made = sorted(pool.map(lambda _: service.make(record), range(4)))
        began = {one["id"]: one["started"] for one in box.vcd.ask("/tasks") if one["id"] in made}
        pairs = [pair for pair in itertools.combinations(made, 2) if began[pair[0]] == began[pair[1]]]
        for one in set(made) - set(pairs[0] if pairs else ()):
            service.put(one, status="success", details=record)
        if pairs:
            return pairs[0]
    raise AssertionError(f"no two of {4 * TRIES} tasks began in the same millisecond")


def rivals(box, life, choose):
    """Two running un-exposes of the cluster, and what a message for them looks like."""
    box.broker.hold("cse.operations")
    task = life.accepted("unexpose", life.send("unexpose")).rsplit("/", 1)[1]
    [message] = box.broker.lose_all()
    box.broker.release()
    # The second one is of another request, as somebody else would have sent it.
    marker, deployment, text = box.task(task)["details"].split(" ", 2)
    record = {**json.loads(text), "request": str(uuid.uuid4())}
    return *choose(box, Service(box.tenant("svc-cse@System")), task, f"{marker} {deployment} {json.dumps(record)}"), message


def entity_task(life):
    return life.entity()["entity"]["status"]["task_href"].rsplit("/", 1)[1]


def name_task(box, life, uuid_):
    """The cluster's owner makes its entity name that task."""
    document = life.entity()
    document["entity"]["status"]["task_href"] = f"{box.vcd.url}/api/task/{uuid_}"
    body = {key: document[key] for key in ("name", "externalId", "entity")}
    answer = box.alice.request("PUT", f"/cloudapi/1.0.0/entities/{document['id']}", body)
    assert answer.status == 200, answer
    assert entity_task(life) == uuid_


def run(box, message, uuid_):
    """Passes for that task until it has ended."""
    body = json.dumps({**message.json, "task": uuid_, "id": str(uuid.uuid4())}).encode()
    box.broker.put("cse.operations", Message("", "cse.operations", body, message_id=str(uuid.uuid4())))
    return box.wait_task("/api/task/" + uuid_)


@pytest.fixture(params=[pair_by_start, pair_by_id], ids=["by_start", "by_id"])
def rivalry(request, box):
    life = Patient(box, "rival")
    life.do("create")
    yield life, *rivals(box, life, request.param)
    life.do("delete")


def test_the_weaker_of_two_changes_gives_up(box, rivalry):
    """The entity names the stronger one, which is not at work yet."""
    life, weaker, stronger, message = rivalry
    name_task(box, life, stronger)
    task = run(box, message, weaker)
    assert task.status == "error" and f"Superseded by task {stronger}" in task.error, task
    assert entity_task(life) == stronger
    assert any(life.id in rule["name"] for rule in life.state()["nat_rules"]), "it acted all the same"
    assert run(box, message, stronger).status == "success"
    life.check("unexpose")


def test_the_stronger_of_two_changes_takes_the_entity_back(box, rivalry):
    """The entity names the weaker one, which still runs."""
    life, weaker, stronger, message = rivalry
    name_task(box, life, weaker)
    assert run(box, message, stronger).status == "success"
    assert entity_task(life) == stronger
    assert box.task(weaker)["status"] == "running"
    assert run(box, message, weaker).status == "success"  # what it wants is true, and nobody else is at work
    life.check("unexpose")


# ---- the end: the entity first, the task last ----

def last_writes(box):
    """The last two calls that changed the cluster's entity or its task."""
    writes = [call for call in box.vcd.calls(AGENT) if call["method"] in ("PUT", "DELETE") and call["status"] < 300]
    kinds = [(call["method"], "task" if "/api/task/" in call["path"] else "entity")
             for call in writes if "/api/task/" in call["path"] or "/entities/" in call["path"]]
    return kinds[-2:]


def sent(box, life, step, refused=None):
    """The step's task at its end; `refused`: the call that VCD does not take."""
    if refused:
        box.vcd.fail(**REFUSAL, **refused)
    box.vcd.reset_calls()
    task = box.wait_task(life.accepted(step, life.send(step)))
    box.vcd.heal()
    box.wait_quiet()
    assert task.status == ("error" if refused else "success"), task
    return task


POWER_ON = {"method": "POST", "path": "*/power/action/powerOn"}
# What is refused, and which write of the entity must be the one before the task's last.
ENDS = {
    "unexpose": ("unexpose", None, "PUT"),
    "delete": ("delete", None, "DELETE"),
    "failed unexpose": ("unexpose", {"method": "DELETE", "path": "*/nat/rules/*"}, "PUT"),
    "failed delete": ("delete", {"method": "DELETE", "path": "/api/vApp/vapp-*"}, "PUT"),
}


@pytest.mark.parametrize("end", ENDS, ids=[end.replace(" ", "_") for end in ENDS])
def test_a_change_ends_in_the_entity_first(box, end):
    step, refused, method = ENDS[end]
    life = Patient(box, "end" + str(list(ENDS).index(end)))
    life.do("create")
    sent(box, life, step, refused)
    assert last_writes(box) == [(method, "entity"), ("PUT", "task")]
    if refused:
        phase = {"unexpose": "UPDATE:FAILED", "delete": "DELETE:FAILED"}[step]
        assert life.entity()["entity"]["status"]["phase"] == phase
    if life.entity():
        life.do("delete")


@pytest.mark.parametrize("rollback", [True, False], ids=["rolled_back", "kept"])
def test_a_failed_create_ends_in_the_entity_first(box, rollback):
    life = Patient(box, f"end{rollback}".lower(), spec__settings__rollback_on_failure=rollback)
    sent(box, life, "create", POWER_ON)
    assert last_writes(box) == [("DELETE" if rollback else "PUT", "entity"), ("PUT", "task")]
    if rollback:
        assert life.entity() is None
        return
    assert life.entity()["entity"]["status"]["phase"] == "CREATE:FAILED"
    life.do("delete")
