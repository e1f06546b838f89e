# SPDX-License-Identifier: MIT
"""Passes, claims and the resync. VCD's clock is moved on instead of waiting for claims to grow old."""
import json
import time

import pytest
from bodies import cluster_body
from cloud import wait_until
from disturb import move_clock, release, wait_held
from service import Service
from tenant import FINAL, XML_35

CREATE = "/api/cse/3.0/clusters"
BOX = {"timing": {"resync": 1, "claim_interval": 1}}
REFUSED = {"agent": "cse-worker", "times": 0, "status": 400, "minor": "BAD_REQUEST"}
LOOK_S = 0.02
pytestmark = pytest.mark.usefixtures("as_before")


def send(box, method, path, body=None):
    """An accepted request: the cluster's id, and the href of its task."""
    answer = box.alice.request(method, path, body)
    assert answer.status == 202, answer
    return answer.json["id"], answer.json["entity"]["status"]["task_href"]


def start(box, name, **changes):
    return send(box, "POST", CREATE, cluster_body(name, **changes))


def delete(box, urn):
    _, href = send(box, "DELETE", f"/api/cse/3.0/cluster/{urn}")
    task = box.wait_task(href)
    assert task.status == "success", task


def stop_passes(box):
    """No pass runs, and none begins until released."""
    box.broker.hold("cse.operations")
    wait_until(lambda: not box.broker.in_flight("cse.operations"), pause_s=LOOK_S, what="idle workers")


def lose_from(box, number):
    """Loses every message of that pass and later ones; the list of those lost."""
    lost = []

    def lose(message):
        if message.json.get("pass", 0) < number:
            return [message]
        lost.append(message.json)
        return []
    box.broker.on_publish = lose
    return lost


def test_c01_a_lost_chain_goes_on_behind_its_claim(box):
    """Its next pass is one above the claimed one, or it would be thrown away for ever."""
    lost = lose_from(box, 3)
    urn, href = start(box, "c01")
    box.broker.wait(lambda: lost, what="a message of pass 3")
    box.broker.on_publish = None
    box.wait_quiet()
    assert box.record(href)["claim"]["pass"] == 2
    move_clock(box)
    assert box.wait_task(href).status == "success"
    delete(box, urn)


def test_every_message_lost_at_once(box):
    """Three clusters in the middle of their work, one just accepted: the resync finishes them all."""
    clusters = [start(box, f"lost{i}") for i in range(3)]
    stop_passes(box)
    clusters.append(start(box, "lost3"))
    assert box.broker.lose_all()
    box.broker.release()
    move_clock(box)
    for _, href in clusters:
        assert box.wait_task(href).status == "success"
    for urn, _ in clusters:
        delete(box, urn)


def fail_and_keep_failing(box, name):
    """A create whose nodes cannot be started and whose vApp cannot be deleted yet, its passes stopped
    after the verdict."""
    box.vcd.fail(method="POST", path="*/power/action/powerOn", message="no power", **REFUSED)
    box.vcd.fail(method="DELETE", path="/api/vApp/*", agent="cse-worker", times=0, status=503)
    urn, href = start(box, name, spec__settings__rollback_on_failure=True)
    wait_until(lambda: "verdict" in box.record(href), pause_s=LOOK_S, what="the verdict")
    wait_until(lambda: box.alice.entity(urn)["entity"]["status"]["phase"] == "CREATE:FAILED",
               pause_s=LOOK_S, what="the phase")
    stop_passes(box)
    box.vcd.heal()
    box.vcd.reset_calls()
    return href


def check_undone(box, href):
    """It ends as failed and undone, and nobody tried to go on after the verdict."""
    task = box.wait_task(href)
    assert task.status == "error", task
    done = [call["path"] for call in box.vcd.calls() if call["method"] == "POST"]
    assert not [path for path in done if "powerOn" in path or "compose" in path or "reconfigure" in path], done
    return task


def test_c04_a_rollback_is_remembered_when_its_worker_dies(box):
    """Late success does not revive: the fault is gone, and still it is undone."""
    href = fail_and_keep_failing(box, "c04")
    box.workers.pop().kill()
    box.add_worker()
    box.broker.release()
    assert "no power" in check_undone(box, href).error


def test_c04_the_phase_is_a_verdict_too(box):
    """Another pass's stale write of the task wiped the verdict from the record."""
    href = fail_and_keep_failing(box, "c04b")
    marker, deployment, text = box.alice.task(href).details.split(" ", 2)
    kept = json.loads(text)
    del kept["verdict"]
    Service(box.tenant("svc-cse@System")).put(href.rsplit("/", 1)[1], details=f"{marker} {deployment} {json.dumps(kept)}")
    box.broker.release()
    check_undone(box, href)


def next_sign(box, href):
    """Until the operation shows once more that it lives."""
    before = box.record(href)["claim"]["at"]
    wait_until(lambda: box.record(href)["claim"]["at"] != before, pause_s=LOOK_S, what="a sign of life")


def double_the_chain(box, href, passes):
    """Its next message is there twice. On a slow machine one may end at once: then once more."""
    for _ in range(5):
        next_sign(box, href)
        stop_passes(box)
        message = wait_until(lambda: box.broker.waiting("cse.operations"), pause_s=LOOK_S, what="a pass")[0]
        box.broker.put("cse.operations", message.copy())
        passes.clear()
        box.broker.release()
        box.broker.wait(lambda: len(passes) > 3, what="more passes")
        if len(set(passes)) < len(passes):
            return
    assert False, "there never were two chains"


def test_c08_of_two_chains_that_only_wait_one_ends(box):
    """It is the one that did not show its life; the other goes on, and nobody revives it. Messages that are
    on their way count once more, after the first sign."""
    box.vcd.set_option(boot_ms=12000)
    urn, href = start(box, "c08")
    wait_until(lambda: box.alice.task(href).percent >= 50, pause_s=LOOK_S, what="the boot")
    passes, chains = [], []

    def note(one):
        passes.append(one.json["pass"])
        return [one]
    box.broker.on_publish = note
    double_the_chain(box, href, passes)
    while not chains or chains[-1] > 1:
        assert len(chains) < 2, f"{chains} chains after each sign of life"
        next_sign(box, href)
        passes.clear()
        box.broker.wait(lambda: len(passes) > 4, what="more passes")
        chains.append(max(passes.count(number) for number in passes))
    box.vcd.set_option(boot_ms=5)
    assert "revivals" not in box.record(href)
    assert box.wait_task(href).status == "success"
    delete(box, urn)


def test_c06_what_somebody_else_has_just_done_is_no_refusal(box):
    """Although the pass before has failed as well: a look shows that it is done."""
    power_on = {"agent": "cse-worker", "method": "POST", "path": "*/power/action/powerOn"}
    box.vcd.fail(status=503, **power_on)
    box.vcd.fail(nth=2, hold="before", **power_on)
    urn, href = start(box, "c06done", spec__settings__rollback_on_failure=True)
    call, = wait_held(box)
    assert box.alice.request("POST", call["path"], accept=XML_35).status == 202
    wait_until(lambda: all(vm["status"] == "POWERED_ON" for vm in json.loads(box.vcd.state())["vms"]),
               pause_s=LOOK_S, what="the nodes to be on")
    box.vcd.reset_calls()
    assert release(box) == 1
    assert box.wait_task(href).status == "success"
    assert [c["status"] for c in box.vcd.calls() if c["path"] == call["path"]] == [400]
    delete(box, urn)


def test_c13_the_third_revival_in_vain_ends_the_task(box):
    """Every message of it is lost, as if each pass killed its worker. A pass that ended starts the count."""
    lost = lose_from(box, 2)
    urn, href = start(box, "c13")
    box.broker.wait(lambda: len(lost) == 1, what="a lost pass")
    box.wait_quiet()
    for revivals in (1, 2):
        move_clock(box)
        box.broker.wait(lambda: len(lost) == 1 + revivals, what=f"revival {revivals}")
        assert box.record(href)["revivals"] == revivals
    move_clock(box)
    task = box.wait_task(href)
    assert task.status == "error" and "parked" in task.error, task
    assert [one["pass"] for one in lost] == [2, 2, 3], lost
    assert box.alice.entity(urn)["entity"]["status"]["phase"] == "CREATE:FAILED"
    box.broker.on_publish = None
    delete(box, urn)


def test_c15_only_a_delete_supersedes_what_runs(box):
    """Busy is who has a running task: the same again is the same, a change waits, a delete wins."""
    stop_passes(box)
    urn, href = start(box, "c15")
    path = f"/api/cse/3.0/cluster/{urn}"
    assert send(box, "PUT", path, cluster_body("c15")) == (urn, href)
    answer = box.alice.request("PUT", path, cluster_body("c15", spec__expose=False))
    assert answer.status == 409 and href.rsplit("/", 1)[1] in answer.problem, answer
    _, ending = send(box, "DELETE", path)
    assert ending != href
    assert box.alice.request("PUT", path, cluster_body("c15")).status == 409
    assert send(box, "DELETE", path)[1] == ending
    box.broker.release()
    assert box.wait_task(ending).status == "success"
    task = box.wait_task(href)
    assert task.status == "error" and ending.rsplit("/", 1)[1] in task.error, task


def test_c15_a_cancelled_create_is_a_failed_one(box):
    stop_passes(box)
    _, href = start(box, "c15b", spec__settings__rollback_on_failure=True)
    box.cancel(href)
    box.broker.release()
    task = box.wait_task(href)
    assert task.status == "error" and "cancel" in task.error, task


def test_c15_the_entity_is_final_before_the_task(box):
    """Whoever waits for the task finds the entity done."""
    box.vcd.reset_calls()
    urn, href = start(box, "c15c")
    assert box.wait_task(href).status == "success"
    writes = [call["path"] for call in box.vcd.calls() if call["method"] == "PUT"]
    assert "/entities/" in writes[-2] and "/api/task/" in writes[-1], writes
    delete(box, urn)


def test_a_chain_that_wakes_sees_the_delete_before_it_acts(box):
    """The delete acts while the create sleeps between two passes: no rule may come after its look."""
    box.vcd.set_option(clone_ms=1500)
    urn, href = start(box, "c03")
    wait_until(lambda: box.record(href).get("claim", {}).get("ended"), pause_s=LOOK_S, what="an ended pass")
    stop_passes(box)
    wait_until(lambda: box.broker.waiting("cse.operations"), pause_s=LOOK_S, what="the next pass")
    [sleeper] = box.broker.lose_all()
    wait_until(lambda: not json.loads(box.vcd.state())["locks"], pause_s=LOOK_S, what="the clone")
    _, ending = send(box, "DELETE", f"/api/cse/3.0/cluster/{urn}")
    box.vcd.fail(agent="cse-worker", method="DELETE", path="/api/vApp/*", hold="before")
    box.vcd.reset_calls()
    box.broker.release()
    wait_held(box)
    box.broker.put("cse.operations", sleeper)
    task = wait_until(lambda: (t := box.alice.task(href)).status in FINAL and t, what="the create's end")
    assert task.status == "error" and ending.rsplit("/", 1)[1] in task.error, task
    made = [call["path"] for call in box.vcd.calls() if call["method"] == "POST"]
    assert not made, made
    release(box)
    assert box.wait_task(ending).status == "success"


def test_a_delete_ends_the_task_of_a_lost_chain(box):
    """Nobody else would: the chain's messages are gone, and so is the cluster."""
    stop_passes(box)
    urn, href = start(box, "gone")
    assert box.broker.lose_all()
    _, ending = send(box, "DELETE", f"/api/cse/3.0/cluster/{urn}")
    box.broker.release()
    box.vcd.set_option(clock_ahead_s=box.vcd.ask("/options")["clock_ahead_s"] + box.timing["delete_wait"] + 1)
    assert box.wait_task(ending).status == "success"
    task = box.alice.task(href)
    assert task.status == "error" and ending.rsplit("/", 1)[1] in task.error, task


def test_a_deadline_fails_a_create_and_ends_an_undo(box):
    """No task runs for ever, and none claims to be undone when it is not."""
    box.vcd.set_option(boot_ms=600000)
    box.vcd.fail(method="DELETE", path="/api/vApp/*", agent="cse-worker", times=0, status=503)
    urn, href = start(box, "late", spec__settings__rollback_on_failure=True)
    wait_until(lambda: box.alice.task(href).percent >= 50, pause_s=LOOK_S, what="the boot")
    now = box.vcd.ask("/options")["clock_ahead_s"]
    box.vcd.set_option(clock_ahead_s=now + box.timing["deadline_create"])
    wait_until(lambda: "verdict" in box.record(href), pause_s=LOOK_S, what="the verdict")
    assert box.record(href)["verdict"]["step"] == "deadline"
    box.vcd.set_option(clock_ahead_s=now + 2 * box.timing["deadline_create"])
    task = box.wait_task(href)
    assert task.status == "error" and "Not everything could be undone" in task.error, task
    assert box.alice.entity(urn)["entity"]["status"]["phase"] == "CREATE:FAILED"
    box.vcd.heal()
    delete(box, urn)


@pytest.mark.parametrize("operation, call", [
    ("update", {"method": "DELETE", "path": "*/nat/rules/*"}), ("delete", {"method": "DELETE", "path": "/api/vApp/*"})])
def test_a_deadline_fails_a_change(box, operation, call):
    """It says where it stood; what is left is as it says, and the same change sent again is done."""
    urn, href = start(box, f"late-{operation}")
    assert box.wait_task(href).status == "success"
    change = {"update": ("PUT", cluster_body(f"late-{operation}", spec__expose=False)),
              "delete": ("DELETE", None)}[operation]
    path = f"/api/cse/3.0/cluster/{urn}"
    box.vcd.fail(agent="cse-worker", times=0, status=503, **call)
    _, href = send(box, change[0], path, change[1])
    wait_until(lambda: box.vcd.ask("/faults")[0]["hits"], pause_s=LOOK_S, what="the failing call")
    assert box.alice.task(href).status == "running"
    box.advance(box.timing[f"deadline_{operation}"])
    task = box.wait_task(href)
    assert task.status == "error" and "Step deadline: not finished after" in task.error, task
    status = box.alice.entity(urn)["entity"]["status"]
    assert status["phase"] == f"{operation.upper()}:FAILED", status
    box.vcd.heal()
    if operation == "update":
        assert status["exposed"] is True, status
        assert box.wait_task(send(box, change[0], path, change[1])[1]).status == "success"
    delete(box, urn)


def die_at(box, call, method, path, body=None):
    """The only worker dies before this call of a request has an effect, and so late that the request is not
    delivered again. The task it had made."""
    before = {task["id"] for task in box.vcd.ask("/tasks")}
    box.vcd.fail(agent="cse-worker", hold="before", **call)
    box.alice.send(method, path, body)
    wait_held(box)
    box.workers.pop().kill()
    release(box, drop=True)
    box.vcd.heal()
    time.sleep(4.1)  # timing.request_ttl
    box.add_worker()
    [task] = [t for t in box.vcd.ask("/tasks") if t["external"] and t["id"] not in before]
    move_clock(box)
    return box.wait_task("/api/task/" + task["id"])


@pytest.mark.parametrize("call, cause", [
    ({"method": "POST", "path": "/cloudapi/1.0.0/entityTypes/*"}, "before anything was made"),
    ({"method": "POST", "path": "*/composeVApp"}, "before its vApp was made")])
def test_a_create_that_was_never_accepted_is_taken_back(box, call, cause):
    task = die_at(box, call, "POST", CREATE, cluster_body("orphan"))
    assert task.status == "error" and cause in task.error and "send it again" in task.error.lower(), task


def test_a_delete_that_was_never_accepted_does_nothing(box):
    urn, href = start(box, "kept")
    assert box.wait_task(href).status == "success"
    kept = box.vcd.state()
    task = die_at(box, {"method": "PUT", "path": "/cloudapi/1.0.0/entities/*"}, "DELETE",
                  f"/api/cse/3.0/cluster/{urn}")
    assert task.status == "error" and "nothing was changed" in task.error, task
    box.check_state(kept)
    delete(box, urn)
