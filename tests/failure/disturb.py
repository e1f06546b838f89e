# SPDX-License-Identifier: MIT
"""Stopping a worker at a chosen call, and what must be true of the cluster afterwards.

A point is a call that changes something in VCD, counted from the request on. The call is held by the
simulator, so the test has all the time it needs to kill or freeze whoever made it.
"""
import datetime
import json
import os
import random
import threading
import time

from cloud import wait_until
from life import AGENT, Life
from model import check_entity, no_nulls
from tenant import FINAL

STEPS = ("create", "unexpose", "delete")
# Calls that the request itself makes; the rest belongs to passes.
ADMISSION = {"create": 4, "unexpose": 2, "delete": 2}
# The resync looks often; VCD's clock is moved on where it waits for a claim to grow old.
TIMING = {"resync": 1}
STILL_S = 0.3
HELD_S = 40
REST_S = 60
# Which of many points are tried. CSE_FAILURE_FULL=1 tries them all; CSE_FAILURE_SEED repeats a choice.
FULL = bool(os.environ.get("CSE_FAILURE_FULL"))
SEED = int(os.environ.get("CSE_FAILURE_SEED") or random.SystemRandom().randrange(10 ** 6))


class Patient(Life):
    """A cluster whose steps are started in the background."""

    def __init__(self, box, name, **changes):
        super().__init__(box, name, **changes)
        self.tasks_before, self.replies, self.thread = set(), [], None

    def start(self, step, request_id=None):
        self.tasks_before = {task["id"] for task in self.box.vcd.ask("/tasks")}
        self.replies = []
        self.thread = threading.Thread(target=lambda: self.replies.append(self.send(step, request_id)))
        self.thread.start()

    def reply(self):
        """The answer to the last request; status 504: there was none."""
        self.thread.join(30)
        return self.replies[0]

    def step_tasks(self):
        """The worker's tasks since the step was started."""
        return [task for task in self.box.vcd.ask("/tasks")
                if task["external"] and task["id"] not in self.tasks_before]

    def entity(self):
        """The cluster's entity as VCD has it now, None when there is none."""
        return next(iter(self.entities()), None)

    def find(self):
        entity = self.entity()
        self.id = entity["id"] if entity else None

    def check_result(self, step, may_fail=False, entity_is_ours=True):
        """What the step's tasks and its reply say is true of the cloud. Returns whether it was done.
        Whose it may be to fail must leave the cluster as it was."""
        tasks = self.step_tasks()
        good = [task for task in tasks if task["status"] == "success"]
        assert all(task["status"] in FINAL for task in tasks), tasks
        # A request that died between its task and the cluster's entity leaves a task that nobody was told
        # of; when another task of that very request did what it wants, its success is true as well.
        assert len(good) <= 1 or step == "delete" and may_fail and len(good) == 2, tasks
        if self.reply().status == 202:
            href = self.reply().json["entity"]["status"]["task_href"]
            assert href.rsplit("/", 1)[1] in {task["id"] for task in tasks}, (self.reply(), tasks)
        self.find()
        if not good:
            assert may_fail, (step, self.reply(), tasks)
            if step == "create":
                self.check_nothing_left()
            return False
        if entity_is_ours:
            self.check(step)
        if step != "delete":
            self.check_nodes(good[0], entity_is_ours)
        return True

    def check_nodes(self, task, entity_is_ours):
        """Every VM has a name of its own, runs, and is the one that the entity names."""
        vms = [vm for vm in self.state()["vms"] if vm["vapp"] == self.name]
        names = {vm["name"] for vm in vms}
        assert len(names) == len(vms) == 1 + self.body["spec"]["workers"]["count"], vms
        assert all(vm["status"] == "POWERED_ON" for vm in vms), vms
        assert not any("guestinfo.cse.secret" in vm["extra_keys"] for vm in vms), vms
        if not entity_is_ours:
            return
        content = self.entity()["entity"]
        check_entity(content)
        no_nulls(content)
        status = content["status"]
        assert status["task_href"].endswith(task["id"]), (status, task)
        assert {n["name"] for n in [status["nodes"]["control_plane"], *status["nodes"]["workers"]]} == names, status


class Tally:
    """What was tried and found, for people to read."""

    def __init__(self):
        self.lock, self.counts, self.slowest = threading.Lock(), {}, (0.0, None)

    def add(self, **counts):
        with self.lock:
            for name, number in counts.items():
                self.counts[name] = self.counts.get(name, 0) + int(number)

    def took(self, seconds, point):
        with self.lock:
            self.slowest = max(self.slowest, (seconds, point))

    def report(self, tried, *wanted):
        """The figures, once it is sure that something was tried: of each wanted count there must be at
        least one for three points, since a disturbance that hits nothing proves nothing."""
        least = max(1, len(tried) // 3)
        for name in wanted:
            assert self.counts.get(name, 0) >= least, f"{name} less than {least}: {self} (seed {SEED})"
        seed = "all" if FULL else f"CSE_FAILURE_SEED={SEED}"
        return f"{len(tried)} points ({seed}), {self}, all checked"

    def __str__(self):
        counts = ", ".join(f"{name.replace('_', ' ')} {number}" for name, number in self.counts.items())
        seconds, point = self.slowest
        return counts + (f", slowest take-over {seconds:.1f} s at {point}" if point else "")


def chosen(points, share, title):
    """All points when CSE_FAILURE_FULL is set; else `share` of them, spread over all: one by chance out
    of each of so many stretches, so that the points beyond the last call cannot be most of them."""
    if FULL or share >= len(points):
        return points
    print(f"{title}: {share} of {len(points)} points, CSE_FAILURE_SEED={SEED}")
    dice = random.Random(f"{SEED} {title}")
    ends = [len(points) * i // share for i in range(share + 1)]
    return [points[dice.randrange(*stretch)] for stretch in zip(ends, ends[1:])]


def running(box):
    return json.loads(box.vcd.state())["running_tasks"]


def settle(box, limit_s=REST_S):
    """Waits until no task runs and no message is anywhere. When tasks run but no message is anywhere, only
    the resync can go on: VCD's clock is moved past the take-over age. Returns how often."""
    moves, before, since = 0, None, time.monotonic()
    end = since + limit_s
    while True:
        state, quiet = box.vcd.state(), box.broker.is_quiet()
        if quiet and not json.loads(state)["running_tasks"]:
            return moves
        if (state, quiet) != before:
            before, since = (state, quiet), time.monotonic()
        elif quiet and time.monotonic() - since > STILL_S:
            move_clock(box)
            moves, since = moves + 1, time.monotonic()
        assert time.monotonic() < end, f"no rest: {unfinished(box)}"
        time.sleep(0.02)


def unfinished(box):
    tasks = [task for task in box.vcd.ask("/tasks") if task["status"] not in FINAL]
    return tasks, box.broker.sleeping(), box.broker.parked()


def move_clock(box):
    """VCD's clock jumps past the take-over age."""
    ahead = box.vcd.ask("/options")["clock_ahead_s"]
    box.vcd.set_option(clock_ahead_s=int(ahead + box.timing["takeover"] + 1))


def hold(box, **fault):
    """Orders that a call of the worker waits."""
    box.vcd.fail(agent=AGENT, **fault)


def held(box):
    return [call for fault in box.vcd.ask("/faults") for call in fault["held"]]


def wait_held(box, count=1, limit_s=HELD_S, over=lambda: False):
    """The held calls, once there are so many; none when over() comes first."""
    end = time.monotonic() + limit_s
    while True:
        calls = held(box)
        if len(calls) >= count:
            return calls
        if over():
            return held(box)
        assert time.monotonic() < end, f"no call is held: {unfinished(box)}"
        time.sleep(0.01)


def stop_at(box, life, step, point, when):
    """Starts a step and waits until its worker waits at that point. False: there is no such point."""
    hold(box, writes=True, nth=point, hold=when)
    life.start(step)
    if wait_held(box, over=lambda: life.replies and box.broker.is_quiet() and not running(box)):
        return True
    box.vcd.heal()
    return False


def answer(box, worker):
    """Lets the one held call go on, and returns when its worker has read the answer. The worker waits at its
    next call, if it makes one."""
    [call] = held(box)
    size = worker.log.stat().st_size
    box.vcd.fail(agent=AGENT, hold="before")
    assert release(box, path=call["path"]) == 1

    def read():
        with open(worker.log, encoding="utf-8", errors="replace") as log:
            log.seek(size)
            return any('"event":"vcd.call"' in line and f'"method":"{call["method"]}"' in line and
                       f'"path":"{call["path"].partition("?")[0]}"' in line for line in log)
    wait_until(read, 10, 0.002, f"the answer to {call}")


def release(box, **which):
    """Lets held calls go on, or closes their connections (drop=True)."""
    return box.vcd.ask("/faults/release", "POST", which)["released"]


def claim_age(box, task):
    """How old VCD's clock makes the last sign of life of a running task of ours; its start, without any."""
    record = json.loads(task["details"].split(" ", 2)[2])
    at = datetime.datetime.fromisoformat(record.get("claim", {}).get("at") or task["started"])
    now = time.time() + box.vcd.ask("/options")["clock_ahead_s"]
    return now - at.timestamp()


def succeed(box, victim, message_lost):
    """Waits until another worker has a frozen one's work; how long that took. Either the broker delivers the
    message again, or the resync finds the claim too old."""
    delivered, start = [], time.monotonic()
    box.broker.on_deliver = lambda message, connection: delivered.append(connection.pid)
    if message_lost:
        box.broker.cut(victim.pid)
    else:
        # Its other threads are as frozen: none may get the message, none may lead the resync.
        for name in idle_connections(box, victim):
            box.broker.cut(victim.pid, name)
        running_tasks = [task for task in box.vcd.ask("/tasks") if task["external"] and task["status"] not in FINAL]
        assert not delivered, "somebody has gone on before the claim was old"
        move_clock(box)
        ages = [claim_age(box, task) for task in running_tasks]
        assert not ages or min(ages) > box.timing["takeover"], ages
    request = bool(box.broker.in_flight("cse"))

    def succeeded():
        if any(pid != victim.pid for pid in delivered) or message_lost:
            return bool(delivered)
        # Nothing is left to be done; or it is a request, of which the resync undoes what there is.
        return not running(box) or request and time.monotonic() - start > 2 * TIMING["resync"]
    wait_until(succeeded, 10, 0.01, "a successor")
    box.broker.on_deliver = None
    return time.monotonic() - start


def idle_connections(box, worker):
    with box.broker.lock:
        return [c.name for c in box.broker.connections if c.pid == worker.pid and not c.held]


def wait_done(box, victim, limit_s=20):
    """Until nobody but the frozen one has anything to do."""
    def idle():
        busy = [c for c in box.broker.connections if c.held and c.pid != victim.pid]
        return not busy and not box.broker.delayed and not any(q.ready for q in box.broker.queues.values())
    box.broker.wait(idle, limit_s, "the successor to be done")


def holder(box):
    """The worker that has a message in hand."""
    def pids():
        return {c.pid for c in box.broker.connections if c.held}
    # One that has just published the next pass may not have acknowledged its own yet.
    box.broker.wait(lambda: len(pids()) == 1, 5, "one worker with a message")
    return next(w for w in box.workers if w.pid in pids())
