# SPDX-License-Identifier: MIT
"""A pause with the durations that are shipped: only the clocks of VCD and of the workers are moved on. The
other tests run with a tenth of them, which could hide that two of them do not fit together."""
import json
import re
import time

import pytest
from cloud import ROOT, wait_until
from disturb import Patient, claim_age, hold, holder, idle_connections, move_clock, release, settle, wait_held

DEFAULTS = dict(re.findall(r'^PARAM\(\w+, "([\w.]+)", \w+, "([^"]*)"',
                           (ROOT / "config" / "params.def").read_text(), re.MULTILINE))
TIMING = {name.partition(".")[2]: [float(part) for part in text.split()] if " " in text else float(text)
          for name, text in DEFAULTS.items() if name.startswith("timing.")}
BOX = {"workers": 0, "timing": TIMING, "scale": 0.02}
# Calls at which one is frozen: the call of the frozen one takes effect behind the successor's.
CALLS = {"rule": ("POST", "*/nat/rules"), "metadata": ("POST", "*/metadata"), "data": ("POST", "*/reconfigureVm"),
         "power_on": ("POST", "*/powerOn")}
SKIPS = 12


@pytest.fixture(name="pair", scope="module")
def pair_fixture(box):
    """Two workers; also the heartbeat is as shipped."""
    broker = {"hosts": [box.broker.address], "user": box.broker.env["USER"], "vhost": box.broker.env["VHOST"],
              "password_file": box.broker.env["PASSWORD_FILE"], "tls": {"enabled": False},
              "heartbeat_s": int(DEFAULTS["broker.heartbeat_s"])}
    for _ in range(2):
        box.add_worker(broker=broker)
    box.wait_ready()
    return box.workers


def take_over(box, victim, successor):
    """The claim grows older than the take-over age, and the successor's next searches find it."""
    for name in idle_connections(box, victim):
        box.broker.cut(victim.pid, name)
    delivered = []
    box.broker.on_deliver = lambda message, connection: delivered.append(message)
    assert claim_age(box, only_task(box)) < box.timing["takeover"]
    move_clock(box)
    for _ in range(SKIPS):
        successor.skip(box.timing["resync"] / 2)
        end = time.monotonic() + 1
        while time.monotonic() < end and not delivered:
            time.sleep(0.01)
        if delivered:
            box.broker.on_deliver = None
            return
    raise AssertionError("nobody has taken the frozen one's work over")


def only_task(box):
    [task] = [task for task in box.vcd.ask("/tasks") if task["external"] and task["status"] == "running"]
    return task


# Each takes a quarter of a minute, since a worker's own pauses are as shipped too.
@pytest.mark.parametrize("call", [call if call == "rule" else pytest.param(call, marks=pytest.mark.long)
                                  for call in CALLS])
def test_a_worker_wakes_beside_its_successor(box, pair, call):
    life = Patient(box, "shipped" + call.replace("_", ""))
    method, path = CALLS[call]
    box.vcd.set_option(boot_ms=1500)
    hold(box, method=method, path=path, hold="before")
    life.start("create")
    assert wait_held(box)
    victim = holder(box)
    successor = next(worker for worker in pair if worker is not victim)
    with victim.paused(as_if_s=box.timing["takeover"] + 1):
        take_over(box, victim, successor)

        def acted():
            return any(c["path"].endswith(path[1:]) and c["status"] == 202 for c in box.vcd.calls())
        wait_until(acted, 20, 0.01, "the same call of the successor")
        release(box)
    box.vcd.heal()
    settle(box)
    box.vcd.set_option(boot_ms=5)
    assert life.check_result("create")
    passes = [m.json["pass"] for m in box.broker.published if m.json["cluster"] == life.id]
    # The frozen one has no time left to look whether it was succeeded: it may send a pass, which is seen as a copy.
    assert len(passes) <= len(set(passes)) + 1, f"both go on: {passes}"
    ends = [event for event in box.broker.events if event.key == "task.create.success"
            and json.loads(event.body)["cluster"] == life.id]
    assert len(ends) == 1, ends
    box.advance(box.timing["delete_wait"] + 1)
    life.do("delete")
