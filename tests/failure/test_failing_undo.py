# SPDX-License-Identifier: MIT
"""VCD fails while an operation is being undone, at every call of the undo, until it is healed. Then
the undo is finished, its task tells the first cause, and nothing of the cluster is left.
"""
import json
import time

import pytest
from life import AGENT, Life

BOX = {"timing": {"cache": 0}, "resync": False}
CAUSE = "Not enough memory for that"
KINDS = {
    "unavailable": {"status": 503},
    "denied": {"status": 403, "minor": "ACCESS_TO_RESOURCE_IS_FORBIDDEN", "message": "Not now"},
}
OUTAGE_S = 0.5
PASSES_MAX = 12


class Undo:
    """A create that cannot switch its vApp on; what is ordered at its verdict hits its undo."""

    def __init__(self, box, name, order):
        self.box, self.order, self.began = box, order, False
        self.life = Life(box, name)
        box.vcd.fail(agent=AGENT, method="POST", path="*/power/action/powerOn", times=0,
                     status=400, minor="BAD_REQUEST", message=CAUSE)
        box.broker.on_publish = self.see
        self.task = self.life.accepted("create", self.life.send("create"))

    def see(self, message):
        """At the first message after the verdict; its sender waits meanwhile."""
        if not self.began:
            task = self.box.task(message.json["task"])
            self.began = task is not None and '"verdict"' in task["details"]
            if self.began:
                self.box.vcd.fail(agent=AGENT, times=0, **self.order)
        return [message]

    def second_fault(self):
        faults = [f for f in self.box.vcd.ask("/faults") if "powerOn" not in f.get("path", "")]
        return faults[0] if faults else {"hits": 0}

    def finish(self):
        self.box.vcd.heal()
        task = self.box.wait_task(self.task)
        self.box.broker.on_publish = None
        self.box.wait_quiet()
        assert task.status == "error" and CAUSE in task.error and "power-on" in task.error, task
        self.life.check_nothing_left()
        assert not self.box.broker.parked()


@pytest.mark.parametrize("kind", KINDS)
def test_an_undo_outlasts_a_failure(sweep, kind):
    def point(box, nth):
        undo = Undo(box, f"undo{nth}", {"nth": nth, **KINDS[kind]})
        box.wait_for(lambda: undo.second_fault()["hits"] or
                     undo.life.alice.task(undo.task).status == "error", what="the undo")
        hit = undo.second_fault()["hits"] > 0
        passes = len(box.broker.published)
        time.sleep(OUTAGE_S if hit else 0)
        assert len(box.broker.published) - passes <= PASSES_MAX, "passes without pause"
        undo.finish()
        return hit
    tried = sweep.run(f"failure from a call of the undo on, {kind}", point)
    assert len(tried) > 10


def test_what_refuses_an_undo_is_waited_for(sweep):
    """One kind of call alone is refused, for each kind that an undo makes."""
    kinds = [("GET", "/api/task/*"), ("PUT", "/api/task/*"), ("GET", "/api/vApp/vapp-*"),
             ("GET", "*/nat/rules"), ("DELETE", "*/nat/rules/*"), ("DELETE", "/api/vApp/vapp-*"),
             ("GET", "/cloudapi/1.0.0/entities/*"), ("PUT", "/cloudapi/1.0.0/entities/*"),
             ("DELETE", "/cloudapi/1.0.0/entities/*")]
    orders = [{"method": method, "path": path, **order} for method, path in kinds
              for order in (KINDS["denied"], {"status": 400, "message": "Not now"})]

    def point(box, order):
        undo = Undo(box, f"only{len(box.broker.replies)}", order)
        box.wait_for(lambda: undo.second_fault()["hits"], what=json.dumps(order))
        time.sleep(OUTAGE_S)
        undo.finish()
    sweep.run("one kind of call refused during the undo", point, orders)
