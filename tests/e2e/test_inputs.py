# SPDX-License-Identifier: MIT
"""Wrong input: refused by its name, soon, and without a trace. And what may be odd but is right."""
import datetime
import json

import pytest
from bodies import cluster_body
from cloud import wait_until
from model import check_error
from seeds import LACKING, user_urn, wide

CLOUD = {"options": {"played_guests": 1}, "simulator": {"seed": wide}}
CREATE = "/api/cse/3.0/clusters"
SOON_MS = 3000


def writes(cloud):
    return [call for call in cloud.vcd.calls()
            if call["method"] != "GET" and "/sessions" not in call["path"]]


def refused(cloud, answer, status, *words):
    assert answer.status == status, answer
    text = check_error(answer)
    for word in words:
        assert word in text, text
    assert not writes(cloud)
    took = cloud.workers[0].events("request.done")[-1]["ms"]
    assert took <= SOON_MS, took


@pytest.fixture(autouse=True)
def untouched(cloud, request):
    """Unless it says otherwise, a test changes nothing in the cloud."""
    if "changes" in request.keywords:
        yield
        return
    before = cloud.vcd.state()
    cloud.vcd.reset_calls()
    yield
    assert cloud.vcd.state() == before


@pytest.fixture(scope="module")
def cluster(cloud, alice):
    answer = alice.request("POST", CREATE, cluster_body("taken"))
    assert answer.status == 202, answer
    assert alice.wait(answer.json["entity"]["status"]["task_href"]).status == "success"
    return answer.json["id"]


# Who may reach alice's cluster by her grace; what they do there needs their own rights as well.
GRANTS = {"bob": "FullControl", "carol": "ReadWrite", **dict.fromkeys(LACKING, "FullControl"), "reader": "ReadOnly"}


@pytest.fixture(scope="module")
def shared(cloud, alice, cluster):
    """The cluster, granted to others."""
    seed = json.loads((cloud.folder / "seed.json").read_text())
    for user, level in GRANTS.items():
        answer = alice.request("POST", f"/cloudapi/1.0.0/entities/{cluster}/accessControls", {
            "grantType": "MembershipAccessControlGrant", "memberId": user_urn(seed, user),
            "accessLevelId": f"urn:vcloud:accessLevel:{level}"})
        assert answer.status == 201, answer
    return cluster


def kubernetes(name, revision=1):
    return {"template_name": name, "template_revision": revision}


NETWORK, WORKERS, MASTER = "spec__settings__network", "spec__workers__", "spec__control_plane__"
SSH = "spec__settings__ssh_key"
NAME = "metadata__cluster_name"
TEMPLATE = "spec__k8_distribution"

# What is wrong, the status, and what the text must name.
CREATES = [
    # what is not there
    ({WORKERS + "storage_profile": "gold"}, 400, "'gold'"),
    ({MASTER + "storage_profile": "silver"}, 400, "'silver'"),
    ({WORKERS + "sizing_class": "huge"}, 400, "huge"),
    ({MASTER + "sizing_class": "tiny"}, 400, "tiny"),
    ({WORKERS + "sizing_class": "cse----tkgm"}, 400, "cse----tkgm"),
    ({NETWORK: "nowhere"}, 404, "'nowhere'"),
    ({TEMPLATE: kubernetes("none")}, 400, "'none'"),
    ({TEMPLATE + "__template_revision": 7}, 400, "revision 7"),
    ({"metadata__ovdc_name": "other-vdc"}, 404, "'other-vdc'"),
    # what does not fit
    ({NETWORK: "isolated-network"}, 400, "'isolated-network'"),
    ({NETWORK: "dhcp-network"}, 400, "'dhcp-network'"),
    ({NETWORK: "dhcp-network", "spec__expose": False}, 400, "'dhcp-network'"),
    ({NETWORK: "small-network", WORKERS + "count": 2}, 409, "'small-network'", "2 free", "3 needed"),
    ({NETWORK: "old-network"}, 400, "'old-network'", "'old-edge'"),
    ({TEMPLATE: kubernetes("other-kind")}, 400, "'TKGm'", "'other-kind'"),
    ({TEMPLATE: kubernetes("plain"), "kind": "native"}, 400, "'plain'", "cse_prepared"),
    ({"kind": "native"}, 400, "'native'"),
    ({"kind": "TanzuKubernetesCluster"}, 400, "TanzuKubernetesCluster"),
    ({"kind": "k8s"}, 400, "k8s"),
    # what is somebody else's
    ({"metadata__org_name": "tenant2"}, 403, "'tenant2'"),
    ({"metadata__org_name": "System"}, 403, "'System'"),
    ({"metadata__org_name": "no-such-org"}, 403, "'no-such-org'"),
    ({"metadata__ovdc_name": "tenant2-vdc"}, 404, "'tenant2-vdc'"),
    ({NETWORK: "far-network"}, 404, "'far-network'"),
    ({NETWORK: "far-routed"}, 404, "'far-routed'"),
    ({WORKERS + "storage_profile": "far-profile"}, 400, "'far-profile'"),
    # names
    ({NAME: "taken"}, 409, "'taken'"),
    ({NAME: "a" * 26}, 400, "a" * 26),
    ({NAME: "it's"}, 400, "it's"),
    ({NAME: 'a"b'}, 400, 'a"b'),
    ({NAME: "a;name==*"}, 400, "a;name==*"),
    ({NAME: "<b/>"}, 400, "<b/>"),
    ({NAME: "-x"}, 400, "'-x'"),
    ({NAME: "9x"}, 400, "'9x'"),
    ({NAME: "a b"}, 400, "'a b'"),
    ({NAME: "a/../b"}, 400, "a/../b"),
    ({NAME: "täg"}, 400, "täg"),
    ({NAME: "a\n"}, 400, "cluster_name"),
    ({NAME: "a\0b"}, 400, "cluster_name"),
    ({NAME: ""}, 400, "cluster_name"),
    ({NETWORK: "x' or 'a'=='a"}, 404, "x' or 'a'=='a"),
    ({NETWORK: "a),(b;c=*"}, 404, "a),(b;c=*"),
    ({NETWORK: "*"}, 404, "'*'"),
    ({"metadata__ovdc_name": "*"}, 404, "'*'"),
    ({"metadata__ovdc_name": "tenant*"}, 404, "'tenant*'"),
    ({"metadata__ovdc_name": "x" * 129}, 400, "x" * 60),
    # keys
    ({SSH: "ssh-rsa AAA\0BBB"}, 400, "ssh_key", "AAA"),
    ({SSH: "ssh-rsa \x1b[31m"}, 400, "ssh_key"),
    ({SSH: "k" * 16385}, 400, "ssh_key", "kkkk"),
    # counts
    ({WORKERS + "count": -1}, 400, "-1"),
    ({WORKERS + "count": 101}, 400, "101"),
    ({WORKERS + "count": 2 ** 63}, 400, str(2 ** 63)[:4]),
    ({WORKERS + "count": -2 ** 63}, 400, "-9223372036854775808"),
    ({MASTER + "count": 0}, 400, "0"),
    ({MASTER + "count": 3}, 400, "3"),
    ({"spec__nfs__count": 1}, 400, "not supported"),
    ({"spec__nfs__count": -1}, 400, "-1"),
    ({TEMPLATE + "__template_revision": -1}, 400, "-1"),
    # keys nobody knows
    ({"surprise": 1}, 400, "surprise"),
    ({"spec__settings__networks": "x"}, 400, "spec.settings.networks"),
    ({"spec__workers__Count": 1}, 400, "spec.workers.Count"),
    ({"status__virtual_IPs": []}, 400, "status.virtual_IPs"),
    ({"spec__settings": {"network": "x", "ssh.key": 1}}, 400, "spec.settings.ssh.key"),
    # what YAML makes of an unquoted word
    ({NAME: 123}, 400, "123"),
    ({NAME: True}, 400, "true"),
    ({NAME: None}, 400, "cluster_name"),
    ({NAME: datetime.date(2026, 11, 23)}, 400, "2026-11-23"),
    ({NAME: ["a"]}, 400, "cluster_name"),
    ({"metadata__org_name": None}, 400, "org_name"),
    ({"metadata__ovdc_name": 1.5}, 400, "1.5"),
    ({WORKERS + "count": "2"}, 400, '"2"'),
    ({WORKERS + "count": 1.5}, 400, "1.5"),
    ({WORKERS + "count": 1e3}, 400, "1000"),
    ({WORKERS + "count": True}, 400, "true"),
    ({WORKERS + "count": [1]}, 400, "[1]"),
    ({"spec__expose": "yes"}, 400, '"yes"'),
    ({"spec__expose": 1}, 400, "1"),
    ({"spec__settings__rollback_on_failure": "no"}, 400, '"no"'),
    ({TEMPLATE + "__template_revision": "1"}, 400, '"1"'),
    ({TEMPLATE + "__template_revision": 1.0}, 400, "1.0"),
    ({TEMPLATE + "__template_name": 20.04}, 400, "20.04"),
    ({NETWORK: 42}, 400, "42"),
    ({NETWORK: None}, 400, "network"),
    ({SSH: 7}, 400, "7"),
    ({WORKERS + "sizing_class": 4}, 400, "4"),
    ({WORKERS + "storage_profile": {}}, 400, "{"),
    ({"kind": None}, 400, "kind"),
    ({"kind": 1}, 400, "1"),
    ({"spec": []}, 400, "spec"),
    ({"spec__workers": 1}, 400, "1"),
    ({"spec__workers": "1"}, 400, '"1"'),
    ({"metadata": "x"}, 400, '"x"'),
    ({"api_version": 1.2}, 400, "1.2"),
]


def plain(value):
    """Dates as a YAML reader hands them on."""
    return json.loads(json.dumps(value, default=str))


@pytest.mark.parametrize("changes, status, words", [(row[0], row[1], row[2:]) for row in CREATES],
                         ids=[str(index) for index in range(len(CREATES))])
def test_a_wrong_create(cloud, alice, cluster, changes, status, words):  # pylint: disable=unused-argument
    cloud.vcd.reset_calls()
    answer = alice.request("POST", CREATE, plain(cluster_body("fresh", **changes)))
    refused(cloud, answer, status, *words)


@pytest.mark.parametrize("changes, status, words", [
    ({WORKERS + "count": 3}, 400, ("3", "not supported")),
    ({WORKERS + "count": -3}, 400, ("-3",)),
    ({NETWORK: "small-network"}, 400, ("settings.network",)),
    ({TEMPLATE: kubernetes("other-kind")}, 400, ("template_name",)),
    ({SSH: "ssh-rsa other"}, 400, ("ssh_key",)),
    ({MASTER + "sizing_class": "large"}, 400, ("control_plane.sizing_class",)),
    ({"spec__surprise": 1, "spec__expose": False}, 400, ("spec.surprise",)),
    ({"spec__expose": "no"}, 400, ('"no"',)),
    ({}, 400, ("'taken'",)),
])
def test_a_wrong_update(cloud, alice, cluster, changes, status, words):
    cloud.vcd.reset_calls()
    answer = alice.request("PUT", f"/api/cse/3.0/cluster/{cluster}", cluster_body("taken", **changes))
    refused(cloud, answer, status, *words)


UNEXPOSE = {"spec__expose": False}


def ask_as(cloud, user, method, cluster, changes):
    tenant = cloud.tenant(user + ("@tenant2" if user == "dave" else "@tenant1"))
    cloud.vcd.reset_calls()
    path = CREATE if method == "POST" else f"/api/cse/3.0/cluster/{cluster}"
    body = None if changes is None else cluster_body("fresh" if method == "POST" else "taken", **changes)
    return tenant.request(method, path, body)


@pytest.mark.parametrize("method, changes", [("PUT", UNEXPOSE), ("DELETE", None)])
def test_whoever_does_not_see_the_cluster_is_told_nothing(cloud, cluster, method, changes):
    refused(cloud, ask_as(cloud, "dave", method, cluster, changes), 404, cluster)


FULL, COMPOSE, DELETE, GATEWAY, NAT_VIEW, NAT = LACKING.values()


@pytest.mark.parametrize("user, method, changes, words", [
    ("bob", "POST", {}, (FULL,)),
    ("carol", "POST", {}, ("expose", GATEWAY)),
    ("no-full", "POST", {}, (FULL,)),
    ("no-compose", "POST", {"spec__expose": False}, (COMPOSE,)),
    ("no-gateway", "POST", {}, ("expose", GATEWAY)),
    ("no-nat-view", "POST", {}, ("expose", NAT_VIEW)),
    ("no-nat", "POST", {}, ("expose", NAT)),
    ("bob", "PUT", UNEXPOSE, (NAT,)),
    ("carol", "PUT", UNEXPOSE, (GATEWAY,)),
    ("no-gateway", "PUT", UNEXPOSE, (GATEWAY,)),
    ("no-nat-view", "PUT", UNEXPOSE, (NAT_VIEW,)),
    ("no-nat", "PUT", UNEXPOSE, (NAT,)),
    ("bob", "DELETE", None, (DELETE,)),
    ("no-delete", "DELETE", None, (DELETE,)),
    ("no-full", "DELETE", None, ("full control", "'taken'")),
    ("carol", "DELETE", None, ("full control", "'taken'")),
    ("reader", "DELETE", None, ("full control", "'taken'")),
    ("reader", "PUT", UNEXPOSE, ("may not change", "'taken'")),
])
def test_a_caller_without_the_right(cloud, shared, user, method, changes, words):
    """They see the cluster, so that nothing but the right is in the way."""
    words = tuple(f"['{word}']" if word in LACKING.values() else word for word in words)
    refused(cloud, ask_as(cloud, user, method, shared, changes), 403, f"'{user}'", *words)


def test_dave_is_of_another_org(cloud, cluster):
    refused(cloud, ask_as(cloud, "dave", "POST", cluster, {}), 403, "'tenant1'")


def delete(alice, answer):
    reply = alice.request("DELETE", f"/api/cse/3.0/cluster/{answer.json['id']}")
    assert reply.status == 202, reply
    assert alice.wait(reply.json["entity"]["status"]["task_href"]).status == "success"


def test_a_key_of_many_lines_arrives_as_it_is(cloud, alice):
    key = 'ssh-rsa AAAA "it\'s $(id) `id`" \\ % ä\nssh-ed25519 BBBB\ttwo\r\n\n'
    answer = alice.request("POST", CREATE, cluster_body("key", **{SSH: key, "spec__expose": False}))
    assert answer.status == 202, answer
    assert alice.wait(answer.json["entity"]["status"]["task_href"]).status == "success"
    assert alice.entity(answer.json["id"])["entity"]["spec"]["settings"]["ssh_key"] == key
    delete(alice, answer)


def take_address(alice, edge_name, address):
    """A NAT rule of the tenant's own; its path."""
    gateways = alice.request("GET", "/cloudapi/1.0.0/edgeGateways?page=1&pageSize=25").json["values"]
    edge = next(gateway["id"] for gateway in gateways if gateway["name"] == edge_name)
    path = f"/cloudapi/1.0.0/edgeGateways/{edge}/nat/rules"
    name = "own-" + address
    answer = alice.request("POST", path, {
        "name": name, "enabled": True, "ruleType": "DNAT", "type": "DNAT",
        "externalAddresses": address, "internalAddresses": "127.50.6.200", "dnatExternalPort": "22"})
    assert answer.status in (200, 202), answer

    def find():
        rules = alice.request("GET", path + "?pageSize=25").json["values"]
        return next((rule["id"] for rule in rules if rule["name"] == name), None)
    return f"{path}/{wait_until(find, what='the rule')}"


def release_address(alice, path):
    assert alice.request("DELETE", path).status in (200, 202, 204)
    wait_until(lambda: path.rsplit("/", 1)[1] not in
               str(alice.request("GET", path.rsplit("/", 1)[0] + "?pageSize=25").json["values"]))


def test_the_last_free_address_is_taken_after_admission(cloud, alice):
    """Admission saw it free. The task says what was missing, and the cluster is rolled back."""
    first = take_address(alice, "tight-edge", "127.60.6.10")
    before = cloud.vcd.state()
    cloud.vcd.set_option(clone_ms=2000)
    try:
        answer = alice.request("POST", CREATE, cluster_body("late", **{NETWORK: "tight-network"}))
        assert answer.status == 202, answer
        last = take_address(alice, "tight-edge", "127.60.6.11")
    finally:
        cloud.vcd.set_option(clone_ms=500)
    task = alice.wait(answer.json["entity"]["status"]["task_href"])
    assert task.status == "error" and "'late'" in task.text, task
    assert "No free external address" in task.error and "tight-edge" in task.error, task
    release_address(alice, last)
    assert cloud.vcd.state() == before
    # And now admission itself says it.
    last = take_address(alice, "tight-edge", "127.60.6.11")
    cloud.vcd.reset_calls()
    refused(cloud, alice.request("POST", CREATE, cluster_body("late", **{NETWORK: "tight-network"})),
            409, "'tight-edge'", "no free external address")
    release_address(alice, last)
    release_address(alice, first)
