# SPDX-License-Identifier: MIT
"""A worker loses its message while it works, or freezes, at any call; somebody else goes on with its work;
and then it goes on itself.

"cut": the operator closes its connections while a call that changes something is under way. The
successor begins while that call still is (before), or was just done (after).
"frozen": the whole process stands still between a call's effect and its answer, so also before the
next call. The broker misses heartbeats and delivers again, or the resync sees an old claim. The
frozen one goes on when the successor has begun, or when it is done.

By default some points are tried, and the seed is among the figures; CSE_FAILURE_FULL=1 tries all.
"""
import itertools
import uuid

import pytest
from cloud import wait_until
from disturb import (ADMISSION, STEPS, TIMING, Patient, Tally, chosen, hold, holder, release, running, settle,
                     stop_at, succeed, wait_done, wait_held)

BOX = {"workers": 2, "timing": TIMING}
CUTS = ("before", "after")
FREEZES = list(itertools.product(("redelivered", "revived"), ("beside", "behind")))
LAST_WRITE = {"create": 30, "unexpose": 10, "delete": 10}  # more than the step has
LAST_CALL = {"create": 75, "unexpose": 32, "delete": 32}  # the number of reads varies
SHARE = {"cut": {"create": 6, "unexpose": 3, "delete": 3}, "frozen": {"create": 8, "unexpose": 4, "delete": 4}}
# After so many of the broker's heartbeats, which are 2 s here, a message is delivered again.
HEARTBEATS_S = 3.9


def cut(box, life, step, number, when, tally):
    """False: there is no such call."""
    if not stop_at(box, life, step, number, when):
        return False
    tally.took(succeed(box, holder(box), True), f"{step} {number} {when}")
    release(box)
    box.vcd.heal()
    return True


def freeze(box, life, step, number, mode, tally):
    """False: there is no such call."""
    successor, resume = mode
    # Only calls for this request: the frozen thread must be the one that works on it.
    request = str(uuid.uuid4())
    hold(box, nth=number, hold="after", request=request)
    life.start(step, request)
    if not wait_held(box, over=lambda: life.replies and box.broker.is_quiet() and not running(box)):
        box.vcd.heal()
        return False
    victim = holder(box)
    redelivered = successor == "redelivered"
    with victim.paused(as_if_s=HEARTBEATS_S if redelivered else box.timing["takeover"]):
        release(box)
        box.vcd.heal()
        tally.took(succeed(box, victim, redelivered), f"{step} {number} {mode}")
        if resume == "behind":
            wait_done(box, victim)
    return True


def send_when_free(life, step):
    """Whoever was frozen may have the request before in hand still: VCD's tenant is told to try again."""
    answers = []

    def taken():
        answers.append(life.send(step))
        return answers[-1].status != 429
    wait_until(taken, 5, 0.1, "the worker to be free")
    return answers[-1]


def live(box, step_hit, way, point, tally):
    number, mode = point
    disturb, last = (cut, LAST_WRITE) if way == "cut" else (freeze, LAST_CALL)
    life = Patient(box, f"{way}{number}-{(CUTS if way == 'cut' else FREEZES).index(mode)}")
    for step in STEPS[:STEPS.index(step_hit)]:
        life.do(step)
    settle(box)
    hit = disturb(box, life, step_hit, number, mode, tally)
    settle(box)
    tally.add(pauses=hit)
    # The points beyond the last call are none; a last point that is one hides those behind it.
    assert number < last[step_hit] or not hit, f"{step_hit} makes more calls than the {last[step_hit]} that are known"
    in_admission = way != "cut" or number <= ADMISSION[step_hit]
    if not life.check_result(step_hit, may_fail=in_admission and life.reply().status != 202):
        tally.add(refused=1)
        life.finish(step_hit, send_when_free(life, step_hit))
    if step_hit != "delete":
        life.finish("delete", send_when_free(life, "delete"))
    settle(box)
    box.check_state(life.before)


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("way", SHARE)
def test_a_successor_doubles_nothing(sweep, way, step):
    tally, title = Tally(), f"{way} in {step}"
    last, modes = (LAST_WRITE, CUTS) if way == "cut" else (LAST_CALL, FREEZES)
    points = list(itertools.product(range(1, last[step] + 1), modes))
    tried = sweep.run(title, lambda box, point: live(box, step, way, point, tally),
                      chosen(points, SHARE[way][step], title))
    sweep.figures[title] = tally.report(tried, "pauses")
