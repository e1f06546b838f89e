# SPDX-License-Identifier: MIT
"""A pass's CA that comes through when the nodes have long become a cluster with another one."""
from cloud import wait_until
from disturb import TIMING, Patient, hold, release, settle, wait_held
from life import AGENT

BOX = {"workers": 2, "timing": TIMING, "resync": False}
RECONFIGURE = "*/action/reconfigureVm"


def test_nodes_that_are_made_are_not_rebuilt(box):
    """They keep the CA they have: the create fails at once, instead of switching them off and waiting for them
    until its deadline."""
    life = Patient(box, "latest")
    box.vcd.set_option(boot_ms=1500)
    hold(box, method="POST", path=RECONFIGURE, hold="before")
    life.start("create")
    late = wait_held(box)[0]
    message = wait_until(lambda: box.broker.in_flight("cse.operations"), what="a pass")[0]
    box.broker.cut(message.delivered_to[-1], "operation")
    box.broker.wait(lambda: len(message.delivered_to) > 1, what="the redelivery")

    def vms(what):
        mine = [vm for vm in life.state()["vms"] if vm["vapp"] == life.name]
        return len(mine) == 2 and all(what(vm) for vm in mine)
    wait_until(lambda: vms(lambda vm: vm["status"] == "POWERED_ON"), 20, 0.01, "the nodes to be on")
    box.broker.hold("cse.operations")
    wait_until(lambda: any("guestinfo.cse.kubeconfig" in vm["extra_keys"] for vm in life.state()["vms"]),
               what="a cluster")

    def written():
        return sum(call["path"] == late["path"] and call["status"] == 202 for call in box.vcd.calls())
    before = written()
    release(box)
    box.vcd.heal()
    wait_until(lambda: written() > before, what="the late write")
    wait_until(lambda: not life.state()["locks"], what="its end")
    box.broker.release()
    box.vcd.reset_calls()
    settle(box)
    [task] = life.step_tasks()
    assert task["status"] == "error" and "runs with another cluster CA" in task["details"], task
    made = [c["path"] for c in box.vcd.calls(AGENT) if "powerOn" in c["path"] or "reconfigure" in c["path"]]
    assert not made, made
    life.check_nothing_left()
