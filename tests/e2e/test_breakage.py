# SPDX-License-Identifier: MIT
"""`kubectl get nodes` through the external address is a real check: each part that is broken breaks it.

What happens inside a node is broken on its disk, by a kubeadm that first changes the file it was
given. Where the node goes on trying, the part is mended at the end: then the same check must hold.
"""
import json
import os
import re
import subprocess
import time

import pytest
import yaml
from bodies import cluster_body
from cloud import Cloud, wait_until

CONTROL_PLANE, WORKER = "mstr-", "node-"
TOKEN = r's/([tT]oken: ").*"/\1abcdef.0123456789abcdef"/'
HASH = r's/sha256:[0-9a-f]{8}/sha256:00000000/'
SAN = r'/- "127\.60\./d'

SABOTAGE = """#!/bin/bash
{first}
for argument in "$@"; do
	[ ! -f "$argument" ] || sed -i -E '{change}' "$argument"
done
exec /sim/kubeadm.py "$@"
"""


def is_ready(node):
    return any(c["type"] == "Ready" and c["status"] == "True" for c in node["status"]["conditions"])


def ready_nodes(cloud, kubeconfig):
    """Names of the Ready nodes, or None when kubectl fails; and what it said."""
    done = cloud.kubectl(kubeconfig, "get", "nodes", "-o", "json", limit_s=5)
    if done.returncode != 0:
        return None, done.stderr
    nodes = json.loads(done.stdout)["items"]
    return [node["metadata"]["name"] for node in nodes if is_ready(node)], done.stderr


class Guest:
    """A node's disk, as the simulator keeps it."""

    def __init__(self, cloud, prefix):
        self.cloud, self.prefix = cloud, prefix
        self.disk = wait_until(self.find, pause_s=0.02, what=f"a customized {prefix}")

    def find(self):
        for disk in (self.cloud.folder / "vcd" / "guests").glob("*/disk"):
            name = disk / "etc" / "hostname"
            if name.exists() and name.read_text().startswith(self.prefix) and \
                    (disk / "local" / "bin" / "kubeadm").is_symlink():
                return disk
        return None

    def replace_kubeadm(self, text=None):
        path = self.disk / "local" / "bin" / "kubeadm"
        fresh = path.with_name("kubeadm.new")
        if text:
            fresh.write_text(text)
            fresh.chmod(0o755)
        else:
            fresh.symlink_to("/sim/kubeadm.py")
        os.replace(fresh, path)

    def kubeconfig(self, address):
        """The node's own admin.conf, led through the external address."""
        path = self.disk / "etc" / "kubernetes" / "admin.conf"
        text = wait_until(lambda: path.exists() and path.read_text(), what="admin.conf")
        return re.sub(r"https://[0-9.]+:6443", f"https://{address}:6443", text)


@pytest.fixture
def fresh_cloud(request, broker, logs):
    """A cloud for one test: what it breaks stays broken."""
    folder = logs / re.sub(r"\W+", "_", request.node.name)
    # Time enough between a node's two boots to change its disk.
    cloud = Cloud(folder, broker, options={"boot_ms": 1500})
    yield cloud
    cloud.stop()


def begin(cloud, name):
    answer = cloud.alice.request("POST", "/api/cse/3.0/clusters", cluster_body(name))
    assert answer.status == 202, answer
    return answer.json["id"], answer.json["entity"]["status"]["task_href"]


def external_address(cloud, cluster):
    def find():
        rules = json.loads(cloud.vcd.state())["nat_rules"]
        return next((r["externalAddresses"] for r in rules if cluster in r["name"]), None)
    return wait_until(find, what="the NAT rule")


@pytest.mark.parametrize("what, first, change", [
    ("token", "", TOKEN),
    ("ca_hash", "", HASH),
    ("join", '[ "$1" != join ] || exit 1', ""),
], ids=["token", "ca_hash", "join"])
def test_a_worker_that_cannot_join_is_missed(fresh_cloud, what, first, change):
    cloud = fresh_cloud
    cluster, task = begin(cloud, what.replace("_", "-"))
    worker = Guest(cloud, WORKER)
    worker.replace_kubeadm(SABOTAGE.format(first=first, change=change))
    control_plane = Guest(cloud, CONTROL_PLANE)
    kubeconfig = control_plane.kubeconfig(external_address(cloud, cluster))
    wait_until(lambda: ready_nodes(cloud, kubeconfig)[0], what="the API server")
    time.sleep(4)  # joins that work take less
    nodes, _ = ready_nodes(cloud, kubeconfig)
    assert [name[:5] for name in nodes] == [CONTROL_PLANE]
    assert cloud.alice.task(task).status == "running"
    worker.replace_kubeadm()
    assert cloud.alice.wait(task).status == "success"
    nodes, _ = ready_nodes(cloud, kubeconfig)
    assert sorted(name[:5] for name in nodes) == [CONTROL_PLANE, WORKER]


def test_a_certificate_without_the_address_is_refused(fresh_cloud):
    cloud = fresh_cloud
    cluster, task = begin(cloud, "san")
    control_plane = Guest(cloud, CONTROL_PLANE)
    control_plane.replace_kubeadm(SABOTAGE.format(first="", change=SAN))
    kubeconfig = control_plane.kubeconfig(external_address(cloud, cluster))

    def names_problem():
        nodes, text = ready_nodes(cloud, kubeconfig)
        assert nodes is None
        return "x509" in text and "not 127.60." in text
    wait_until(names_problem, what="the refused certificate")
    # Nothing but the name is wrong.
    tolerant = yaml.safe_load(kubeconfig)
    tolerant["clusters"][0]["cluster"]["tls-server-name"] = "kubernetes"
    wait_until(lambda: ready_nodes(cloud, yaml.safe_dump(tolerant))[0], what="the API server")
    assert cloud.alice.task(task).status != "success"


@pytest.fixture(scope="module")
def cluster(cloud, alice):
    cluster, task = begin(cloud, "whole")
    assert alice.wait(task).status == "success"
    return cluster


@pytest.fixture(scope="module")
def kubeconfig(alice, cluster):
    return alice.request("GET", f"/api/cse/3.0/cluster/{cluster}/config").json["message"]


def is_whole(cloud, kubeconfig):
    nodes, text = ready_nodes(cloud, kubeconfig)
    return nodes is not None and len(nodes) == 2, text


def nat_rule(alice, cluster):
    gateways = alice.request("GET", "/cloudapi/1.0.0/edgeGateways?page=1&pageSize=25").json["values"]
    edge = next(gateway["id"] for gateway in gateways if gateway["name"] == "tenant1-edge")
    rules = f"/cloudapi/1.0.0/edgeGateways/{edge}/nat/rules"
    rule = next(rule for rule in alice.request("GET", rules + "?pageSize=25").json["values"]
                if cluster in rule["name"])
    return f"{rules}/{rule['id']}", rule


def test_another_dnat_port_closes_the_cluster(cloud, alice, cluster, kubeconfig):
    assert is_whole(cloud, kubeconfig)[0]
    path, rule = nat_rule(alice, cluster)
    answer = alice.request("PUT", path, {**rule, "dnatExternalPort": "6444"})
    assert answer.status in (200, 202), answer
    wait_until(lambda: not is_whole(cloud, kubeconfig)[0], what="the closed port")
    _, changed = nat_rule(alice, cluster)
    answer = alice.request("PUT", path, {**rule, "version": changed["version"]})
    assert answer.status in (200, 202), answer
    wait_until(lambda: is_whole(cloud, kubeconfig)[0], what="the open port")


def test_another_client_certificate_is_not_let_in(cloud, kubeconfig):
    assert is_whole(cloud, kubeconfig)[0]
    key, certificate = cloud.folder / "other.key", cloud.folder / "other.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1",
                    "-subj", "/O=system:masters/CN=kubernetes-admin", "-keyout", key,
                    "-out", certificate], check=True, capture_output=True)
    changed = yaml.safe_load(kubeconfig)
    user = changed["users"][0]["user"]
    for name in ("client-certificate-data", "client-key-data"):
        del user[name]
    user["client-certificate"], user["client-key"] = str(certificate), str(key)
    whole, _ = is_whole(cloud, yaml.safe_dump(changed))
    assert not whole
    assert is_whole(cloud, kubeconfig)[0]
