# SPDX-License-Identifier: MIT
"""kill -9 before, after, and between call and answer, at every call that changes something.

By default some points are tried, and the seed is among the figures; CSE_FAILURE_FULL=1 tries all.
"""
import itertools
import time

from disturb import ADMISSION, STEPS, TIMING, Patient, Tally, answer, chosen, holder, release, settle, stop_at

BOX = {"workers": 2, "timing": TIMING}
# When the call is held, and whether the worker dies before it has its answer.
DEATHS = {"before": ("before", True), "between": ("after", True), "after": ("after", False)}
LAST = 30  # more than any step has
SHARE = 12


def die(box, life, step, point, death, tally):
    """Kills the worker at that call, and lets the others finish. False: there is no such call."""
    when, unanswered = DEATHS[death]
    if not stop_at(box, life, step, point, when):
        return False
    victim = holder(box)
    if not unanswered:
        answer(box, victim)
    victim.kill()
    release(box, drop=True)
    killed = time.monotonic()
    box.vcd.heal()
    box.add_worker()
    moves = settle(box)
    tally.add(kills=1, finished_by_the_resync=moves > 0)
    tally.took(time.monotonic() - killed, f"{step} {point} {death}")
    return True


def live(box, point, tally):
    """A whole life with a death at that point of each step."""
    number, death = point
    life = Patient(box, f"death{number}{death}")
    hit = False
    for step in STEPS:
        was_hit = die(box, life, step, number, death, tally)
        settle(box)
        hit = hit or was_hit
        if life.check_result(step, may_fail=was_hit and number <= ADMISSION[step]):
            continue
        tally.add(refused=1)
        life.do(step)
        settle(box)
    box.check_state(life.before)
    assert number < LAST or not hit, "there are more points than LAST says"


def test_a_death_at_any_call_loses_and_doubles_nothing(sweep):
    tally = Tally()
    points = list(itertools.product(range(1, LAST + 1), DEATHS))
    tried = sweep.run("death", lambda box, point: live(box, point, tally), chosen(points, SHARE, "death"))
    sweep.figures["death"] = tally.report(tried, "kills")
