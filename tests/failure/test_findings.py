# SPDX-License-Identifier: MIT
"""Interleavings that must do no harm, each made on purpose: calls are held in VCD while others go on."""
import json

import pytest
from cloud import wait_until
from life import AGENT, Life

BOX = {"workers": 2, "resync": False}
RULES = "/cloudapi/1.0.0/edgeGateways/*/nat/rules"
QUIET_S = 1.0  # what was going to happen has happened


@pytest.fixture(autouse=True)
def calm(box):
    yield
    box.vcd.heal()
    box.broker.on_publish = box.broker.on_deliver = None


def hold(box, when, method, path, **more):
    """The next such call waits before or after its effect."""
    box.vcd.fail(agent=AGENT, method=method, path=path, hold=when, **more)


def held(box):
    return [call for fault in box.vcd.ask("/faults") for call in fault["held"]]


def writes(box):
    return [call for call in box.vcd.calls(AGENT) if call["method"] != "GET"]


def begin(life):
    return life.accepted("create", life.send("create"))


def holder(box):
    """The worker that holds the one operation that is under way."""
    messages = wait_until(lambda: box.broker.in_flight("cse.operations"), what="a pass")
    return messages[0].delivered_to[-1], messages[0]


def end(box, life, task, step="create"):
    assert box.wait_task(task).status == "success"
    box.wait_quiet()
    life.check(step)
    if step == "create":
        life.do("delete")


def test_c03_a_delete_waits_for_the_pass_beside_it(box):
    """The create is about to make its rule; what it makes after the delete looked would stay."""
    life = Life(box, "c03")
    hold(box, "before", "POST", RULES)
    begin(life)
    wait_until(lambda: held(box), what="the rule")
    deleted = life.accepted("delete", life.send("delete"))
    box.vcd.reset_calls()
    with pytest.raises(AssertionError):
        wait_until(lambda: [c for c in writes(box) if c["method"] == "DELETE"], QUIET_S)
    assert life.alice.task(deleted).status == "running"
    box.vcd.heal()
    end(box, life, deleted, "delete")


def test_c06_a_copy_of_a_claimed_pass_does_nothing(box):
    life = Life(box, "c06a")
    hold(box, "before", "POST", RULES)
    task = begin(life)
    wait_until(lambda: held(box), what="the rule")
    _, message = holder(box)
    box.vcd.reset_calls()
    copy = message.copy()
    box.broker.put("cse.operations", copy)
    wait_until(lambda: copy.delivered_to and
               len(box.broker.in_flight("cse.operations")) == 1, what="the copy's end")
    assert not writes(box), writes(box)
    assert not box.broker.sleeping() and not box.broker.waiting("cse.operations")
    box.vcd.heal()
    end(box, life, task)


def test_c06_a_redelivered_pass_goes_on_and_its_twin_is_silent(box):
    """The broker closed a connection in the middle of a pass: both go on, and one rule is left."""
    life = Life(box, "c06b")
    hold(box, "before", "POST", RULES)
    task = begin(life)
    wait_until(lambda: held(box), what="the rule")
    pid, message = holder(box)
    published = []
    box.broker.on_publish = lambda m: published.append(m) or [m]
    box.broker.cut(pid, "operation")
    box.broker.wait(lambda: len(message.delivered_to) > 1, what="the redelivery")
    assert message.deliveries == 1
    # The successor makes its own rule; then the twin's call goes through as well.
    wait_until(lambda: [r for r in life.state()["nat_rules"] if life.id in r["name"]], what="a rule")
    box.vcd.heal()
    end(box, life, task)
    passes = [m.json["pass"] for m in published if m.key.startswith("cse.operations")
              and m.json["operation"] == "create"]
    assert len(passes) == len(set(passes)), passes


@pytest.mark.parametrize("nth", [1, 2], ids=["control_plane", "worker"])
def test_c07_two_passes_make_one_ca(box, nth):
    """A pass is cut off as it writes a node's data; its write comes through after its successor's, and
    before what is there is read back."""
    life = Life(box, "c07")
    hold(box, "before", "POST", "*/action/reconfigureVm", nth=nth)
    task = begin(life)
    wait_until(lambda: held(box), what="the node's data")
    box.vcd.reset_calls()
    pid, message = holder(box)
    box.broker.cut(pid, "operation")
    box.broker.wait(lambda: len(message.delivered_to) > 1, what="the redelivery")
    box.broker.hold("cse.operations")
    box.broker.wait(lambda: not box.broker.in_flight("cse.operations"), what="the successor's end")

    def written():
        return sum("reconfigureVm" in call["path"] for call in writes(box))
    before = written()
    assert before > 0
    box.vcd.heal()
    wait_until(lambda: written() > before, what="the late write")
    box.broker.release("cse.operations")
    end(box, life, task)


def fill_addresses(box, left):
    """Takes external addresses of the edge until only so many are free."""
    life = Life(box, "sample")
    life.do("create")
    gateways = box.alice.request("GET", "/cloudapi/1.0.0/edgeGateways?page=1&pageSize=25").json["values"]
    edge = next(gateway["id"] for gateway in gateways if gateway["name"] == "tenant1-edge")
    path = f"/cloudapi/1.0.0/edgeGateways/{edge}/nat/rules"
    rule = box.alice.request("GET", path + "?pageSize=25").json["values"][0]
    life.do("delete")
    for name in ("id", "version", "systemRule"):
        rule.pop(name, None)
    for host in range(10, 20 - left):
        address = f"127.60.0.{host}"
        body = {**rule, "name": f"other-{host}", "externalAddresses": address,
                "internalAddresses": "127.50.0.2"}
        # The edge is locked for a moment by each change.
        wait_until(lambda: box.alice.request("POST", path, body).status == 202, pause_s=0.01, what=address)
    wait_until(lambda: len(json.loads(box.vcd.state())["nat_rules"]) == 10 - left, what="the rules")


def test_c05_two_clusters_never_share_an_address(new_box):
    """Both have chosen before either has its rule; with two addresses left, each gets one."""
    box = new_box(**BOX)
    fill_addresses(box, 2)
    collided = False
    for attempt in range(12):
        lives = [Life(box, f"c05-{attempt}-{i}") for i in range(2)]
        # Far enough apart that the edge's lock does not send the second one away.
        for nth in (1, 2):
            box.vcd.fail(agent=AGENT, method="POST", path=RULES, nth=nth, delay_ms=700 * nth)
        box.vcd.reset_calls()
        tasks = [begin(life) for life in lives]
        for task in tasks:
            assert box.wait_task(task).status == "success"
        box.vcd.heal()
        # Nobody takes a rule back but who met another one at its address.
        collided = any(c["method"] == "DELETE" and "/nat/rules/" in c["path"] for c in writes(box))
        rules = {r["name"]: r["externalAddresses"] for r in json.loads(box.vcd.state())["nat_rules"]
                 if r["name"].startswith("c05")}
        assert sorted(rules.values()) == ["127.60.0.18", "127.60.0.19"], rules
        for life in lives:
            entity = next(e for e in life.state()["entities"] if e["id"] == life.id)
            shown = entity["entity"]["status"]["nodes"]["control_plane"]["ip"]
            answer = box.alice.request("GET", f"/api/cse/3.0/cluster/{life.id}/config")
            own = next(address for name, address in rules.items() if life.id in name)
            assert shown == own and f"https://{own}:6443" in answer.json["message"], (shown, own)
        for life in lives:
            assert box.wait_task(life.accepted("delete", life.send("delete"))).status == "success"
        if collided:
            break
    assert collided, "they never met"
