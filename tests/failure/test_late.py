# SPDX-License-Identifier: MIT
"""Messages that come late: whoever has nothing to do but wait comes less often, so that there are fewer."""
import datetime
import json
import time
import uuid

import pytest
from broker import Message
from cloud import wait_until
from disturb import Patient, running
from life import AGENT

# Both kinds of pause are shorter than the longest rung as long as messages are in time.
RUNGS = [0.02, 0.3, 1.5, 6]
BOX = {"timing": {"rungs": RUNGS, "delete_wait": 5}, "resync": False}
LATE_S, EARLY_S, COPIES = 30, 5, 60
DELAYS_MS = {"boot": 300, "retry": 1500, "late": 6000}


@pytest.fixture(name="done", scope="module")
def done_fixture(box):
    """A message of a task that has ended: it costs a worker one look."""
    life = Patient(box, "done")
    life.do("create")
    life.do("delete")
    return box.broker.published[-1]


@pytest.fixture(autouse=True)
def cancelled(box, as_before):  # pylint: disable=unused-argument  (what it does comes after this)
    """Nobody waits for what the creates would have become."""
    yield
    box.vcd.heal()
    for task in running(box):
        box.cancel(task)


def deliver(box, message, late):
    """Many messages that ought to have come long before, or that come early."""
    due = time.time() + (-LATE_S if late else EARLY_S)
    text = datetime.datetime.fromtimestamp(due, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    body = json.dumps({**message.json, "due": text}).encode()
    copies = [Message("", "cse.operations", body, message_id=str(uuid.uuid4())) for _ in range(COPIES)]
    for copy in copies:
        box.broker.put("cse.operations", copy)
    box.broker.wait(lambda: all(copy.delivered_to for copy in copies), what="their delivery")


def wait_delayed(box, since, attempt, delay_ms):
    """Until a pass with so many failures behind it was sent with that pause, since so many messages. One
    that began before the last copies were done has another."""
    wait_until(lambda: any(m.json["attempt"] == attempt and m.delay_ms == delay_ms
                           for m in box.broker.published[since:]), pause_s=0.01, what=f"a pass after {delay_ms} ms")


@pytest.mark.parametrize("late", [False, True], ids=["in_time", "late"])
def test_who_waits_waits_longer_when_messages_are_late(box, done, late):
    box.vcd.set_option(boot_ms=600_000)
    life = Patient(box, f"wait{late}".lower())
    href = life.accepted("create", life.send("create"))
    wait_until(lambda: box.alice.task(href).percent >= 50, pause_s=0.02, what="the boot")
    deliver(box, done, late)
    wait_delayed(box, len(box.broker.published), 0, DELAYS_MS["late" if late else "boot"])


@pytest.mark.parametrize("late", [False, True], ids=["in_time", "late"])
def test_who_failed_tries_later_when_messages_are_late(box, done, late):
    life = Patient(box, f"retry{late}".lower())
    box.broker.hold("cse.operations")
    life.accepted("create", life.send("create"))
    box.vcd.fail(agent=AGENT, method="POST", path="*/metadata", status=503, times=0)
    [message] = wait_until(lambda: box.broker.waiting("cse.operations"), pause_s=0.01, what="the first pass")
    box.broker.lose_all()
    box.broker.release()
    deliver(box, done, late)
    since = len(box.broker.published)
    box.broker.put("cse.operations", message)
    wait_delayed(box, since, 1, DELAYS_MS["late" if late else "retry"])
