# SPDX-License-Identifier: MIT
"""kill -9 and long pauses while a failed create is undone, at every call of the undo that changes something.
The undo is finished by somebody else: nothing is left, and its task ends once, with the first cause.

By default some points are tried, and the seed is among the figures; CSE_FAILURE_FULL=1 tries all.
"""
import itertools

import pytest
from disturb import (TIMING, Patient, Tally, answer, chosen, hold, holder, release, running, settle, succeed,
                     wait_done, wait_held)
from life import AGENT

BOX = {"workers": 2, "timing": TIMING}
CAUSE = "Not enough memory for that"
DEATHS, RESUMES = ("before", "between", "after"), ("beside", "behind")
LAST = 9  # more such calls than an undo makes
SHARE = {"kill": 8, "pause": 5}


def fail_and_hold(box, life, number, when):
    """A create that cannot be switched on, its undo held at that call. False: there is no such call."""
    ordered = []

    def see(message):
        """At the first message behind the verdict; its sender waits meanwhile."""
        task = box.task(message.json.get("task", ""))
        if not ordered and task and '"verdict"' in task["details"]:
            ordered.append(message)
            hold(box, writes=True, nth=number, hold=when)
        return [message]
    box.vcd.fail(agent=AGENT, method="POST", path="*/powerOn", times=0, status=400, minor="BAD_REQUEST", message=CAUSE)
    box.broker.on_publish = see
    life.start("create")
    calls = wait_held(box, over=lambda: ordered and box.broker.is_quiet() and not running(box))
    box.broker.on_publish = None
    if not calls:
        box.vcd.heal()
    return bool(calls)


def check_undone(box, life):
    """And nobody says that it has ended but once."""
    settle(box)
    assert life.reply().status == 202, life.reply()
    [task] = life.step_tasks()
    assert task["status"] == "error", task
    assert "Step power-on: " in task["error"] and CAUSE in task["error"], task
    assert task["error"].endswith("The cluster was removed; correct the cause and send it again."), task
    ends = [event for event in box.broker.events
            if event.key in ("task.create.error", "task.create.success") and event.json["task"] == task["id"]]
    assert len(ends) <= 1, ends
    life.check_nothing_left()
    assert not box.broker.parked()


def try_kill(box, point, tally):
    number, death = point
    life = Patient(box, f"undo{number}{death}")
    hit = fail_and_hold(box, life, number, "before" if death == "before" else "after")
    if hit:
        victim = holder(box)
        if death == "after":
            answer(box, victim)
        victim.kill()
        release(box, drop=True)
        box.vcd.heal()
        box.add_worker()
    check_undone(box, life)
    tally.add(kills=hit)
    assert number < LAST or not hit, "there are more points than LAST says"


def try_pause(box, point, tally):
    number, resume = point
    life = Patient(box, f"undo{number}{resume}")
    hit = fail_and_hold(box, life, number, "after")
    if hit:
        victim = holder(box)
        with victim.paused(as_if_s=box.timing["takeover"]):
            release(box)
            box.vcd.heal()
            tally.took(succeed(box, victim, message_lost=False), f"{number} {resume}")
            if resume == "behind":
                wait_done(box, victim)
    check_undone(box, life)
    tally.add(pauses=hit)
    assert number < LAST or not hit, "there are more points than LAST says"


@pytest.mark.parametrize("way", SHARE)
def test_an_undo_is_finished_by_somebody_else(sweep, way):
    """Late success does not revive it either: the cause is gone when the successor begins."""
    try_point, modes, count = {"kill": (try_kill, DEATHS, "kills"), "pause": (try_pause, RESUMES, "pauses")}[way]
    tally, title = Tally(), f"{way} in an undo"
    points = list(itertools.product(range(1, LAST + 1), modes))
    tried = sweep.run(title, lambda box, point: try_point(box, point, tally), chosen(points, SHARE[way], title))
    sweep.figures[title] = tally.report(tried, count)
