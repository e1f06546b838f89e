# SPDX-License-Identifier: MIT
"""Calls that take effect when the worker has given up waiting for them. The simulator holds them before
their effect; VCD's clock is moved on instead of waiting.
"""
from cloud import wait_until
from life import AGENT

# The worker gives up soon, and looks for lost work often. No machine is so slow that a doubt grows old by
# itself.
LATE_BOX = {"timing": {"vcd_call": 2, "resync": 1, "delete_wait": 50, "takeover": 60}}
RULE = "/cloudapi/1.0.0/edgeGateways/"
VAPP = "/api/vdc/"
ENTITY = "/cloudapi/1.0.0/entityTypes/"
GONE_S = 65  # older than timing.delete_wait and timing.takeover


def hold_post(box, path, times=1):
    """The next POSTs there wait before their effect."""
    box.vcd.fail(agent=AGENT, method="POST", path_prefix=path, hold="before", times=times)


def wait_passes(box, href, count=3):
    """Until so many more passes of that task were sent."""
    def sent():
        return sum(m.json.get("task") == href.rsplit("/", 1)[1] for m in list(box.broker.published))
    wanted = sent() + count
    box.broker.wait(lambda: sent() >= wanted, what="passes that wait")


def appear(box, life, kind):
    """The held call takes effect after all, and leaves one thing more."""
    before = len(life.state()[kind])
    box.vcd.heal()
    wait_until(lambda: len(life.state()[kind]) > before, pause_s=0.02, what=f"late {kind}")
    box.vcd.set_option(clock_ahead_s=GONE_S)
