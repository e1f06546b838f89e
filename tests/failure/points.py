# SPDX-License-Identifier: MIT
"""Which calls a cluster's life makes, as points where something can be made to fail."""
import collections
import re

from life import AGENT, STEPS, Life

ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
ID_PATTERN = 36 * "?"

# A call of one step: the nth of its kind. The path is a pattern.
Point = collections.namedtuple("Point", "step method path nth")


def trace(box):
    """All points of an undisturbed life, in order."""
    life, points = Life(box, "trace"), []
    for step in STEPS:
        box.vcd.reset_calls()
        life.do(step)
        counts = collections.Counter()
        for call in box.vcd.calls(AGENT):
            kind = call["method"], ID.sub("*", call["path"].partition("?")[0])
            counts[kind] += 1
            points.append(Point(step, *kind, counts[kind]))
    return points


def fault(point, **how):
    """The order that makes this call, and all later ones of its kind, fail. Of its kind only: a star would
    also stand for what lies below the object."""
    return {"agent": AGENT, "method": point.method, "path": point.path.replace("*", ID_PATTERN), "nth": point.nth,
            "times": 0, **how}
