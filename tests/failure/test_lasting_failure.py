# SPDX-License-Identifier: MIT
"""A call that fails from some moment on, at every call of a cluster's life. While it fails, or once it
works again, each operation ends, and its task and the cloud tell the same story.

By default some points are tried, each with one kind of failure, and the seed is among the figures;
CSE_FAILURE_FULL=1 tries all points, CSE_MATRIX=full with each kind.
"""
import fnmatch
import json
import os
import time

import pytest
from disturb import FULL, SEED, chosen
from life import STEPS, Life, is_there
from points import fault, trace

# The search for unfinished work waits until a test lets it.
BOX = {"timing": {"cache": 0, "resync": 1}, "resync": False}
TEXT = "Thou shalt not pass"
KINDS = {
    "denied": {"status": 403, "minor": "ACCESS_TO_RESOURCE_IS_FORBIDDEN", "message": TEXT},
    "refused": {"status": 400, "minor": "BAD_REQUEST", "message": TEXT},
    "failed task": {"task_error": TEXT},
    "unavailable": {"status": 503},
}
# Calls that VCD answers with a task.
ASYNCHRONOUS = ("/action/", "/metadata", "/nat/rules", "PortProfiles", "entityTypes", "/api/vApp/")
PATIENCE_S = 1.5
HASTY_MAX = 15  # so many passes may follow without a pause in that time, or on the shortest rung
ORPHAN_S = 70  # as old as this, what no operation owns is cleared away
# What an undo needs as well, or what the ending itself needs: it can only wait.
NEEDED = (("GET", "/api/task/*"), ("PUT", "/api/task/*"), ("GET", "/api/vApp/vapp-*"),
          ("GET", "/cloudapi/1.0.0/entities/*"), ("PUT", "/cloudapi/1.0.0/entities/*"),
          ("POST", "/cloudapi/1.0.0/entities/*/resolve"),
          ("GET", "/cloudapi/1.0.0/edgeGateways/*/nat/rules"))
# Which step of the plan a failed task must name, by step, call and, in a tuple, by the call's number. What every
# act needs may fail in any; a later look may fail at an earlier step than the first.
ANY = None
NAMES = {
    "create": [
        ("POST", "*/composeVApp", "vapp"), ("GET", "/api/vApp/vapp-*", "vapp"),
        ("GET", "/api/query", "marks"), ("GET", "/api/catalog*", "marks"), ("POST", "*/metadata", "marks"),
        ("GET", "*/nat/rules", {"address", "rule"}), ("*", "*/applicationPortProfiles", "address"),
        ("*", "/cloudapi/1.0.0/edgeGateways/*", "address"),
        ("POST", "*/reconfigureVm", ("control-plane-data", "workers-data", "secrets", "secrets")),
        ("POST", "*/powerOn", "power-on"), ("POST", "*/resolve", {"entity", "final"}),
        ("PUT", "/cloudapi/1.0.0/entities/*", "final"), ("GET", "/cloudapi/1.0.0/entities/*", ANY),
        ("*", "/api/task/*", ANY)],
    "unexpose": [
        ("GET", "/api/vApp/vapp-*", "owned"), ("*", "/cloudapi/1.0.0/edgeGateways/*", "rule"),
        ("POST", "*/metadata", "address"), ("PUT", "/cloudapi/1.0.0/entities/*", "final"),
        ("GET", "/cloudapi/1.0.0/entities/*", {"rule", "address", "final"}),
        ("*", "/api/task/*", {"rule", "address", "final"})],
    "delete": [
        ("GET", "/api/vApp/vapp-*", {"rules", "power-off", "vapp"}), ("*", "/cloudapi/1.0.0/edgeGateways/*", "rules"),
        ("POST", "*/undeploy", "power-off"), ("DELETE", "/api/vApp/vapp-*", "vapp"),
        ("GET", "/cloudapi/1.0.0/entities/*", {"named", "entity"}), ("*", "/cloudapi/1.0.0/entities/*", "entity"),
        ("*", "/api/task/*", ANY)],
}
# Always tried, with each kind of refusal; and so many of the others.
ALWAYS = (("unexpose", "DELETE", "*/nat/rules/*"), ("delete", "DELETE", "/api/vApp/vapp-*"))
SHARE = 18


@pytest.fixture(scope="module")
def points(sweep):
    found = []
    sweep.run("undisturbed lives", lambda box, _: found.extend(trace(box)), [0])
    assert len(found) > 60
    return found


class Lasting:
    """One point: the step with the failure, and what came of it."""

    def __init__(self, life, point, kind):
        self.life, self.box, self.point, self.kind = life, life.box, point, kind
        self.waited = self.settled = False
        self.box.vcd.fail(**fault(point, **KINDS[kind]))
        self.answer = life.send(point.step)
        self.task = self.watch(life.accepted(point.step, self.answer)) \
            if self.answer.status == 202 else None
        self.hit = self.is_hit()

    def is_hit(self):
        return self.box.vcd.ask("/faults")[0]["hits"] > 0

    def may_wait(self):
        return self.kind == "unavailable" or any(
            self.point.method == method and fnmatch.fnmatch(self.point.path, path)
            for method, path in NEEDED)

    def watch(self, href):
        """The task when it ended, or a while after the failure; nobody may be busy with it then."""
        self.box.wait_for(lambda: self.is_hit() or self.life.alice.task(href).status != "running",
                          what="the failure")
        if not self.may_wait():
            return self.box.wait_task(href)
        before, end = len(self.box.broker.published), time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            task = self.life.alice.task(href)
            if task.status != "running":
                return task
            time.sleep(0.05)
        delays = [message.delay_ms for message in self.box.broker.published[before:]]
        hasty = sum(delay <= 1000 * self.box.timing["rungs"][0] for delay in delays)
        # Who waits for another operation comes often, but on a longer rung.
        assert hasty <= max(HASTY_MAX, len(delays) // 2), f"{PATIENCE_S} s: passes after {delays} ms"
        return task

    def check_refused(self):
        wanted = range(500, 504) if self.kind == "unavailable" else range(400, 500)
        assert self.hit and self.answer.status in wanted, self.answer
        assert self.kind == "unavailable" or TEXT in (self.answer.problem or ""), self.answer
        if self.point.step == "create" and not self.is_as_before():
            self.settle()

    def is_as_before(self):
        return self.life.state() == json.loads(self.life.before)

    def settle(self):
        """What is left is found by the search for unfinished work, once it has become old."""
        self.box.broker.allow_leader(True)
        self.box.advance(ORPHAN_S)
        self.box.wait_for(self.is_as_before, what="the rest to be removed")
        self.box.broker.allow_leader(False)
        self.settled = True

    def check_task(self):
        step, life = self.point.step, self.life
        if self.task.status == "running":
            self.waited = True
            self.task = self.box.wait_task(self.task.href)
        self.box.wait_quiet()
        if self.task.status == "success":
            life.check(step)
            return
        assert self.hit and TEXT in self.task.error, self.task
        assert self.names_step(), (self.point, self.task)
        if step == "create":
            life.check_nothing_left()
        elif is_there(life):
            self.check_entity()

    def names_step(self):
        """The task's error begins with the name of the step that failed."""
        point = self.point
        wanted = next(names for method, path, names in NAMES[point.step]
                      if fnmatch.fnmatch(point.method, method) and fnmatch.fnmatch(point.path, path))
        if isinstance(wanted, tuple):
            wanted = wanted[point.nth - 1]
        named = self.task.error.removeprefix("Step ").partition(": ")[0]
        assert self.task.error.startswith("Step "), self.task
        return wanted is ANY or named == wanted or not isinstance(wanted, str) and named in wanted

    def failed(self):
        return self.task is None or self.task.status == "error"

    def check_entity(self):
        """After a failed change: the entity says so, and says what is."""
        state = self.life.state()
        entity = next(e for e in state["entities"] if e["id"] == self.life.id)
        rules = [r for r in state["nat_rules"] if self.life.id in r["name"]]
        status = entity["entity"]["status"]
        assert status["phase"].endswith(":FAILED"), status
        blind = self.point.method == "GET" and "/nat/rules" in self.point.path
        if self.point.step == "unexpose" and not blind:
            assert status["exposed"] is bool(rules) is entity["entity"]["spec"]["expose"], entity


def pairs(points, full):
    """Points with the kinds of failure to be tried there."""
    for index, point in enumerate(points):
        refusals = ["denied", "refused"] if full else [("denied", "refused")[index % 2]]
        for kind in refusals:
            yield point, kind
        if full or (point.method != "GET" and any(word in point.path for word in ASYNCHRONOUS)):
            yield point, "failed task"
        if full or (point.method == "PUT" and "/api/task/" in point.path):
            yield point, "unavailable"


def share(points):
    """All pairs, or some of them with those that are always tried."""
    everything = list(pairs(points, os.environ.get("CSE_MATRIX") == "full"))
    if FULL:
        return everything
    always = [(point, kind) for point in points for kind in ("denied", "refused", "failed task")
              if any((point.step, point.method) == (step, method) and fnmatch.fnmatch(point.path, path)
                     for step, method, path in ALWAYS)]
    assert len(always) == 3 * len(ALWAYS), always
    return always + chosen([pair for pair in everything if pair not in always], SHARE, "lasting failures")


def test_a_lasting_failure(sweep, points):
    found = []

    def try_point(box, pair):
        point, kind = pair
        life = Life(box, f"lasting{len(box.broker.replies)}")
        for step in STEPS[:STEPS.index(point.step)]:
            life.do(step)
        lasting = Lasting(life, point, kind)
        box.vcd.heal()
        if lasting.task:
            lasting.check_task()
        else:
            lasting.check_refused()
        if life.id and is_there(life):
            if point.step == "unexpose" and lasting.failed():
                life.do("unexpose")
            life.do("delete")
        assert not box.broker.parked()
        found.append(lasting)
    tried = share(points)
    sweep.run("lasting failures", try_point, tried)
    figures = sweep.figures
    figures["lasting failures"] = f"{len(tried)} points ({'all' if FULL else f'CSE_FAILURE_SEED={SEED}'})"
    figures["lasting failures, request refused"] = sum(l.task is None for l in found)
    figures["lasting failures, task failed"] = sum(bool(l.task) and l.failed() for l in found)
    figures["lasting failures, ended after they were lifted"] = sum(l.waited for l in found)
    figures["lasting failures, the rest cleared by the resync"] = sum(l.settled for l in found)
