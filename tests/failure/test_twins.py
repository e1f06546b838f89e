# SPDX-License-Identifier: MIT
"""Two that act at once: passes of one cluster, and clusters on one edge. Nothing in VCD tells them to wait
for each other, so every act must be safe when it is done twice.
"""
import json
import time

import pytest
from cloud import wait_until
from disturb import TIMING, Patient, held, hold, holder, move_clock, release, settle, wait_held
from life import AGENT

# Calls are held for seconds here.
BOX = {"workers": 2, "timing": {**TIMING, "vcd_call": 20, "last_mutation": 30, "pass": 40, "delete_wait": 90,
                                "takeover": 120, "claim_interval": 60, "drain": 50}}
RULES = "*/nat/rules"
EDGE_RULES = "/cloudapi/1.0.0/edgeGateways/urn:vcloud:gateway:0b000000-0000-4000-8000-000000000001/nat/rules"
RECONFIGURE = "*/action/reconfigureVm"
EDGE_ADDRESSES = 10
pytestmark = pytest.mark.usefixtures("as_before")


def changes(box):
    """The worker's calls that change something."""
    return [call for call in box.vcd.calls(AGENT) if call["method"] != "GET"]


def only_pass(box):
    """The message of the one pass that is under way."""
    return wait_until(lambda: box.broker.in_flight("cse.operations"), what="a pass")[0]


def redeliver(box, message):
    """Closes the connection of whoever has that message; another one has it at once."""
    box.broker.cut(message.delivered_to[-1], "operation")
    box.broker.wait(lambda: len(message.delivered_to) > 1, what="the redelivery")


def rules(box):
    return json.loads(box.vcd.state())["nat_rules"]


def has_rule(box, life):
    """The cluster's rule stands, and the edge is free again."""
    state = json.loads(box.vcd.state())
    return not state["locks"] and any(r["name"].startswith(life.name + "_") for r in state["nat_rules"])


def test_c03_a_delete_waits_for_the_call_under_way(box):
    """A create's pass has looked and is about to make the rule when the cluster is deleted. The delete must
    not be done before that call, or its rule stays for ever."""
    life = Patient(box, "c03")
    hold(box, method="POST", path=RULES, hold="before")
    life.start("create")
    assert wait_held(box)
    life.find()
    href = life.accepted("delete", life.send("delete"))
    box.vcd.reset_calls()
    time.sleep(1.5)  # its passes come several times in this time
    assert not [call for call in changes(box) if call["method"] == "DELETE"]
    assert box.alice.task(href).status == "running"
    assert life.state()["vapps"], "the vApp was removed beside a pass that works on it"
    release(box)
    settle(box)
    assert box.alice.task(href).status == "success"
    life.check_nothing_left()


def fill_edge(box, free):
    """Leaves `free` addresses: rules of others use the rest."""
    profiles = box.alice.request("GET", "/cloudapi/1.0.0/applicationPortProfiles/?pageSize=64&filter="
                                        "name==cse-kube-api-6443").json["values"]
    for number in range(free, EDGE_ADDRESSES):
        body = {"name": f"filler{number}", "enabled": True, "ruleType": "DNAT",
                "externalAddresses": f"127.60.0.{10 + number}", "internalAddresses": "127.50.0.200",
                "dnatExternalPort": "6443",
                "applicationPortProfile": {key: profiles[0][key] for key in ("name", "id")}}
        wait_until(lambda b=body: box.alice.request("POST", EDGE_RULES, b).status == 202, 10, 0.02, "a rule")
    wait_until(lambda: len(rules(box)) == EDGE_ADDRESSES - free, 10, 0.02, "the rules")


def remove_fillers(box, count):
    for rule in [r for r in rules(box) if r["name"].startswith("filler")][:count]:
        wait_until(lambda r=rule: box.alice.request("DELETE", f"{EDGE_RULES}/{r['id']}").status == 202, 10, 0.02, "a DELETE")
        wait_until(lambda r=rule: r["id"] not in [x["id"] for x in rules(box)], 10, 0.02, "the end of a rule")


def created(life):
    """The create's task, at its end."""
    assert life.reply().status == 202, life.reply()
    return life.box.wait_task(life.reply().json["entity"]["status"]["task_href"])


@pytest.mark.parametrize("settled", [True, False])
@pytest.mark.parametrize("greater_first", [True, False])
def test_c05_two_clusters_never_keep_one_address(box, greater_first, settled):
    """Both have chosen the only free address and are about to take it. Whoever comes second moves on when
    the first has settled there; else the order of their ids decides."""
    profile = Patient(box, "c05profile")
    profile.do("create")
    profile.do("delete")
    fill_edge(box, 1)
    pair = [Patient(box, "c05a"), Patient(box, "c05b")]
    for life in pair:
        hold(box, method="POST", path=RULES, body=life.name + "_", hold="before")
        life.start("create")
        assert life.reply().status == 202, life.reply()  # two requests at once may be too many
    assert len(wait_held(box, 2)) == 2
    for life in pair:
        life.find()
    first, second = sorted(pair, key=lambda life: life.id, reverse=greater_first)
    remove_fillers(box, 3)
    if not settled:
        hold(box, method="GET", path=RULES, times=0, hold="before")
    release(box, body=first.name + "_")
    wait_until(lambda: has_rule(box, first), 10, 0.01, "the first rule")
    if settled:
        assert created(first).status == "success"
    release(box, body=second.name + "_")
    wait_until(lambda: has_rule(box, second) or settled, 10, 0.01, "the second rule")
    box.vcd.heal()
    shown = []
    for life in pair:
        assert created(life).status == "success"
        mine = [r["externalAddresses"] for r in rules(box) if r["name"].startswith(life.name + "_")]
        assert mine == [life.entity()["entity"]["status"]["nodes"]["control_plane"]["ip"]]
        config = box.alice.request("GET", f"/api/cse/3.0/cluster/{life.id}/config")
        assert f"https://{mine[0]}:6443" in config.json["message"], (mine, config)
        shown += mine
    assert shown[0] != shown[1]
    for life in pair:
        box.wait_task(life.accepted("delete", life.send("delete")))
    remove_fillers(box, EDGE_ADDRESSES)


@pytest.mark.parametrize("taken", [False, True], ids=["free", "taken"])
def test_c05_the_rule_comes_back_to_the_certificate_s_address(box, taken):
    """Of the rules that two passes had made the one stayed that is not in the certificate."""
    life = Patient(box, f"c05moved{taken}".lower())
    box.vcd.set_option(boot_ms=3000)
    life.start("create")
    assert life.reply().status == 202
    href = life.reply().json["entity"]["status"]["task_href"]
    wait_until(lambda: box.alice.task(href).percent >= 50, 20, 0.01, "the boot")
    rule, = (r for r in rules(box) if r["name"].startswith(life.name + "_"))
    document = box.alice.request("GET", f"{EDGE_RULES}/{rule['id']}").json
    used = {r["externalAddresses"] for r in rules(box)}
    other = next(a for a in (f"127.60.0.{10 + n}" for n in range(EDGE_ADDRESSES)) if a not in used)
    bodies = [{**document, "externalAddresses": other}]
    if taken:
        bodies.append({**document, "name": "filler0", "internalAddresses": "127.50.0.200"})
    wait_until(lambda: box.alice.request("DELETE", f"{EDGE_RULES}/{rule['id']}").status == 202, 10, 0.02, "a DELETE")
    for body in bodies:
        del body["id"]
        wait_until(lambda b=body: box.alice.request("POST", EDGE_RULES, b).status == 202, 10, 0.02, "a rule")
    task = created(life)
    if taken:
        assert task.status == "error", task
        assert f"{rule['externalAddresses']}, which is in the cluster's certificate, is used by NAT rule 'filler0'" \
            in task.error, task.error
    else:
        assert task.status == "success", task
        mine = [r["externalAddresses"] for r in rules(box) if r["name"].startswith(life.name + "_")]
        assert mine == [rule["externalAddresses"]]
    life.find()
    if life.id:
        box.wait_task(life.accepted("delete", life.send("delete")))
    remove_fillers(box, EDGE_ADDRESSES)


def test_c05_an_address_that_was_lost_is_not_shared(box):
    """A cluster's rule is removed while it boots, and the next cluster gets the address."""
    profile = Patient(box, "c05profile")
    profile.do("create")
    profile.do("delete")
    fill_edge(box, 1)
    slow, fast, shared = Patient(box, "c05lost"), Patient(box, "c05next"), []
    box.vcd.set_option(boot_ms=6000)
    slow.start("create")
    href = slow.reply().json["entity"]["status"]["task_href"]
    wait_until(lambda: box.alice.task(href).percent >= 50, 20, 0.01, "the boot")
    hold(box, method="GET", path="/api/task/" + href.rsplit("/", 1)[1], times=0, hold="before")
    box.vcd.set_option(boot_ms=5)
    rule, = (r for r in rules(box) if r["name"].startswith(slow.name + "_"))
    wait_until(lambda: box.alice.request("DELETE", f"{EDGE_RULES}/{rule['id']}").status == 202, 10, 0.02, "a DELETE")
    wait_until(lambda: not has_rule(box, slow), 10, 0.02, "the end of the rule")
    fast.start("create")
    assert created(fast).status == "success"
    box.vcd.heal()

    def has_ended():
        users = [r["name"] for r in rules(box) if r["externalAddresses"] == rule["externalAddresses"]]
        if len(users) != 1:
            shared.append(users)
        return box.alice.task(href).status == "error"
    wait_until(has_ended, 60, 0.02, "the end of the create", lambda: box.alice.task(href))
    assert not shared, shared
    assert f"used by NAT rule '{fast.name}_" in box.alice.task(href).error
    fast.find()
    box.wait_task(fast.accepted("delete", fast.send("delete")))
    slow.check_nothing_left()
    remove_fillers(box, EDGE_ADDRESSES)


def test_c06_a_redelivery_meets_the_pass_it_passes(box):
    """The operator closes a connection while its pass makes the rule: another worker has the same message
    at once, sees no rule, and makes one. One of the two goes, and only one of them sends the next pass."""
    life, published = Patient(box, "c06"), []
    hold(box, method="POST", path=RULES, hold="before")
    life.start("create")
    assert wait_held(box)
    box.broker.on_publish = lambda message: published.append(message) or [message]
    box.broker.cut(holder(box).pid)
    wait_until(lambda: has_rule(box, life), 20, 0.01, "the second pass's rule")
    release(box)
    box.vcd.heal()
    settle(box)
    passes = [message.json["pass"] for message in published if message.key.startswith("cse.operations")]
    assert passes and len(passes) == len(set(passes)), passes
    assert life.check_result("create")
    move_clock(box)  # the delete waits as long as a call that nobody heard the end of may take effect
    life.do("delete")


def test_c06_a_copy_of_a_claimed_pass_does_nothing(box):
    life = Patient(box, "c06copy")
    hold(box, method="POST", path=RULES, hold="before")
    life.start("create")
    assert wait_held(box)
    box.vcd.reset_calls()
    copy = only_pass(box).copy()
    box.broker.put("cse.operations", copy)
    wait_until(lambda: copy.delivered_to and len(box.broker.in_flight("cse.operations")) == 1, what="the copy's end")
    assert not changes(box), changes(box)
    assert not box.broker.sleeping() and not box.broker.waiting("cse.operations")
    box.vcd.heal()
    settle(box)
    assert life.check_result("create")
    life.do("delete")


def writes(box, path):
    """How often VCD took such a call."""
    return sum(call["path"] == path and call["status"] == 202 for call in box.vcd.calls())


def test_c07_two_passes_never_make_two_authorities(box):
    """One pass is about to write its CA when another makes one of its own: it must not be the first one's
    hash that the workers get, and the second one's key that the control plane has."""
    life = Patient(box, "c07")
    hold(box, method="POST", path=RECONFIGURE, hold="before")
    life.start("create")
    first = wait_held(box)[0]
    box.broker.cut(holder(box).pid)
    hold(box, method="POST", path=RECONFIGURE, nth=2, hold="before")
    wait_until(lambda: len(held(box)) == 2, 20, 0.01, "the second pass at its workers")
    assert release(box, path=first["path"]) == 1
    wait_until(lambda: writes(box, first["path"]) == 2 and not life.state()["locks"], 10, 0.01, "the first pass's CA")
    release(box)
    box.vcd.heal()
    settle(box)
    assert life.check_result("create")
    move_clock(box)
    life.do("delete")


@pytest.mark.parametrize("nth", [1, 2], ids=["control_plane", "worker"])
def test_c07_a_late_write_of_a_node_s_data_is_noticed(box, nth):
    """A pass is cut off as it writes a node's data; its write comes through after its successor's, and
    before what is there is read back."""
    life = Patient(box, f"c07late{nth}")
    hold(box, method="POST", path=RECONFIGURE, nth=nth, hold="before")
    life.start("create")
    assert wait_held(box)
    box.vcd.reset_calls()
    redeliver(box, only_pass(box))
    box.broker.hold("cse.operations")
    box.broker.wait(lambda: not box.broker.in_flight("cse.operations"), what="the successor's end")

    def written():
        return sum("reconfigureVm" in call["path"] for call in changes(box))
    before = written()
    assert before > 0
    box.vcd.heal()
    wait_until(lambda: written() > before, what="the late write")
    box.broker.release("cse.operations")
    settle(box)
    assert life.check_result("create")
    move_clock(box)
    life.do("delete")


def test_c07_nodes_that_run_with_another_authority_are_rebuilt(box):
    """A pass's CA comes through when its successor has given the nodes another one and switched them on."""
    life = Patient(box, "c07on")
    box.vcd.set_option(boot_ms=1500)
    hold(box, method="POST", path=RECONFIGURE, hold="before")
    life.start("create")
    late = wait_held(box)[0]
    redeliver(box, only_pass(box))

    def on():
        states = [vm["status"] for vm in life.state()["vms"] if vm["vapp"] == life.name]
        return states == ["POWERED_ON"] * 2 and not life.state()["locks"]
    wait_until(on, 20, 0.01, "the nodes to be on")
    before = writes(box, late["path"])
    box.vcd.heal()
    wait_until(lambda: writes(box, late["path"]) > before, 10, 0.01, "the late write")
    settle(box)
    box.vcd.set_option(boot_ms=5)
    assert life.check_result("create")
    assert [e for worker in box.workers for e in worker.events("nodes.rebuilt")]
    move_clock(box)
    life.do("delete")
