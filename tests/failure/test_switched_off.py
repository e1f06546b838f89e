# SPDX-License-Identifier: MIT
"""A node that a tenant switches off in the middle of a create is switched on again."""
import json

import pytest
from bodies import cluster_body
from cloud import wait_until
from tenant import XML_35

RULES = "/cloudapi/1.0.0/edgeGateways/*/nat/rules"


def machine(box, vapp, prefix):
    return next((vm for vm in json.loads(box.vcd.state())["vms"]
                 if vm["vapp"] == vapp and vm["name"].startswith(prefix)), None)


def switch_off(box, vapp, prefix):
    """No pass runs meanwhile: one would switch it on again before anybody has seen it off."""
    box.broker.hold("cse.operations")
    box.broker.wait(lambda: not box.broker.in_flight("cse.operations"), what="the end of a pass")
    uuid = machine(box, vapp, prefix)["id"]

    def off():
        answer = box.alice.request("POST", f"/api/vApp/vm-{uuid}/power/action/powerOff", accept=XML_35)
        assert answer.status == 202 or b"BUSY_ENTITY" in answer.body, answer
        return answer.status == 202
    wait_until(off, what="the power-off to be taken")
    wait_until(lambda: machine(box, vapp, prefix)["status"] != "POWERED_ON", what="the VM to be off")
    box.vcd.reset_calls()


@pytest.mark.parametrize("prefix", ["mstr-", "node-"], ids=["control_plane", "worker"])
@pytest.mark.parametrize("late", [False, True], ids=["while_it_boots", "when_the_secrets_are_gone"])
def test_a_node_switched_off_in_a_create_comes_back(box, prefix, late):
    before = box.vcd.state()
    name = f"off-{prefix[:4]}-{late}".lower()
    box.vcd.set_option(boot_ms=5 if late else 1000)
    answer = box.alice.request("POST", "/api/cse/3.0/clusters", cluster_body(name))
    assert answer.status == 202, answer
    href = answer.json["entity"]["status"]["task_href"]
    if late:
        # The last look at the rules fails until the node is off: the secrets are removed by then.
        wait_until(lambda: (box.alice.task(href).percent or 0) >= 50, pause_s=0.01, what="power-on")
        box.vcd.fail(method="GET", path=RULES, status=503, times=0)
        wait_until(lambda: (box.alice.task(href).percent or 0) >= 90, what="the end")
        wait_until(lambda: "guestinfo.cse.secret" not in machine(box, name, prefix)["extra_keys"],
                   what="the secret to be gone")
    else:
        wait_until(lambda: machine(box, name, prefix)["status"] == "POWERED_ON", what="power-on")
    switch_off(box, name, prefix)
    box.vcd.heal()
    box.vcd.set_option(boot_ms=5)
    box.broker.release()
    task = box.wait_task(href)
    assert task.status == "success", task
    assert machine(box, name, prefix)["status"] == "POWERED_ON"
    assert any("powerOn" in call["path"] for call in box.vcd.calls())
    answer = box.alice.request("DELETE", f"/api/cse/3.0/cluster/{answer.json['id']}")
    assert box.wait_task(answer.json["entity"]["status"]["task_href"]).status == "success"
    box.check_state(before)
