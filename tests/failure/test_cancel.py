# SPDX-License-Identifier: MIT
"""An operator cancels a task in VCD: it ends as a failure that says so, the entity says what is, and the
cluster can be deleted."""
import pytest
from cloud import wait_until
from disturb import Patient, hold, release, wait_held
from life import is_there

BOX = {"timing": {"delete_wait": 5}, "resync": False}
pytestmark = pytest.mark.usefixtures("as_before")
CORRECT, KEPT = "Correct the cause and send the request again.", "Delete the cluster before you send it again."
# The call at which the operation stands when it is cancelled; None: it has not begun.
POINTS = {
    "unexpose": {"not begun": None, "before the rule": ("DELETE", "*/nat/rules/*"),
                 "behind it": ("POST", "*/metadata")},
    "delete": {"not begun": None, "before the rule": ("DELETE", "*/nat/rules/*"),
               "before the vApp": ("DELETE", "/api/vApp/vapp-*")},
    "create": {"not begun": None, "before the rule": ("POST", "*/nat/rules"), "at the boot": ("POST", "*/powerOn")},
}


def cancelled_at(box, life, step, call):
    """The task, cancelled while that call waits, at its end. What VCD does then is done."""
    box.broker.hold("cse.operations")
    href = life.accepted(step, life.send(step))
    if call:
        hold(box, method=call[0], path=call[1], hold="before")
        box.broker.release()
        assert wait_held(box)
        # Nothing more of this pass: the next one sees it.
        box.vcd.fail(agent="cse-worker", writes=True, nth=1, status=503)
    box.cancel(href)
    release(box)
    box.broker.release()
    task = box.wait_task(href)
    box.vcd.heal()
    box.wait_quiet()
    return task


def rules(life):
    return [rule for rule in life.state()["nat_rules"] if life.id in rule["name"]]


@pytest.mark.parametrize("step, point", [(step, point) for step, points in POINTS.items() for point in points],
                         ids=lambda word: word.replace(" ", "_"))
def test_a_cancelled_operation_is_a_failed_one(box, step, point):
    changes = {"spec__settings__rollback_on_failure": False} if step == "create" else {}
    life = Patient(box, f"cancel{step}{list(POINTS[step]).index(point)}", **changes)
    if step != "create":
        life.do("create")
    task = cancelled_at(box, life, step, POINTS[step][point])
    assert task.status == "error" and "Step cancel: the task was cancelled." in task.error, task
    assert task.error.endswith(KEPT if step == "create" else CORRECT), task
    assert is_there(life)
    content = life.entity()["entity"]
    word = {"unexpose": "UPDATE"}.get(step, step.upper())
    assert content["status"]["phase"] == word + ":FAILED", content
    assert content["status"]["task_href"] == task.href, content
    kept = any(vapp["name"] == life.name for vapp in life.state()["vapps"])
    assert kept or point == "before the vApp", "what was to be kept is gone"
    if step != "create":
        assert content["status"]["exposed"] is content["spec"]["expose"] is bool(rules(life)), content
    if step == "unexpose":
        life.do("unexpose")
    assert box.wait_task(life.accepted("delete", life.send("delete"))).status == "success"


def test_a_create_that_nobody_could_delete_is_undone(box):
    """Its owner removes the entity while the nodes boot, and no pass asks for it before the end."""
    life = Patient(box, "cancelgone", spec__settings__rollback_on_failure=False)
    box.vcd.set_option(boot_ms=60_000)
    life.start("create")
    href = life.reply().json["entity"]["status"]["task_href"]
    wait_until(lambda: box.alice.task(href).percent >= 50, 20, 0.02, "the boot")
    life.find()
    assert box.alice.request("DELETE", f"/cloudapi/1.0.0/entities/{life.id}").status == 204
    box.cancel(href)
    task = box.wait_task(href)
    assert task.status == "error" and "the task was cancelled" in task.error, task
    life.check_nothing_left()
