# SPDX-License-Identifier: MIT
"""The main job: apply makes an exposed cluster that works; un-expose closes it; delete leaves nothing."""
import base64
import json
import socket

import pytest
import yaml
from bodies import cluster_body
from cloud import wait_until
from model import check_def_entity, check_message, check_mutation, no_nulls


def is_open(address, port=6443):
    try:
        socket.create_connection((address, port), timeout=2).close()
        return True
    except OSError:
        return False


@pytest.fixture(scope="module")
def job(cloud, alice):
    """State that the steps below hand on; they run in the order of the file."""
    return {"before": cloud.vcd.state()}


def apply(alice, method, path, body=None):
    answer = alice.request(method, path, body)
    assert answer.status == 202, answer
    check_mutation(answer.json)
    return answer.json


def test_create_ends_with_success(cloud, alice, job):
    reply = apply(alice, "POST", "/api/cse/3.0/clusters", cluster_body())
    assert reply["entity"]["status"]["phase"] == "CREATE:IN_PROGRESS"
    job["id"], job["task"] = reply["id"], alice.wait(reply["entity"]["status"]["task_href"])
    assert job["task"].status == "success", job["task"]
    assert job["task"].text == f"Created cluster 'tkg1' ({job['id']})"


def test_the_task_told_its_steps(job):
    texts = [text for text, _ in job["task"].seen]
    percents = [percent for _, percent in job["task"].seen if percent is not None]
    assert len(set(texts)) >= 4, texts
    assert percents == sorted(percents) and percents[-1] == 100 and len(set(percents)) >= 4
    assert job["task"].operation_name == "cluster operation"
    assert len(job["task"].details) <= 1024 and "\n" not in job["task"].details


def test_the_entity_tells_the_truth(alice, job):
    entity = alice.entity(job["id"])
    check_def_entity(entity)
    no_nulls(entity["entity"])
    assert entity["state"] == "RESOLVED"
    status = entity["entity"]["status"]
    assert status["phase"] == "CREATE:SUCCEEDED" and status["exposed"] is True
    assert entity["entity"]["spec"]["expose"] is True
    job["external"] = status["nodes"]["control_plane"]["ip"]
    assert job["external"].startswith("127.60.")
    assert [node["ip"].startswith("127.50.") for node in status["nodes"]["workers"]] == [True]


def has_listeners_only(vcd):
    state = json.loads(vcd.state())
    return state["relay_sockets"] == len(state["nat_rules"])


def kubeconfig_of(alice, job):
    answer = alice.request("GET", f"/api/cse/3.0/cluster/{job['id']}/config")
    assert answer.status == 200, answer
    check_message(answer.json)
    return answer.json["message"]


def test_kubectl_sees_both_nodes_ready(cloud, alice, job):
    job["kubeconfig"] = kubeconfig_of(alice, job)
    server = yaml.safe_load(job["kubeconfig"])["clusters"][0]["cluster"]
    assert server["server"] == f"https://{job['external']}:6443"
    assert base64.b64decode(server["certificate-authority-data"])
    assert "insecure-skip-tls-verify" not in server
    done = cloud.kubectl(job["kubeconfig"], "get", "nodes", "-o", "json")
    assert done.returncode == 0, done.stderr
    nodes = json.loads(done.stdout)["items"]
    ready = {node["metadata"]["name"]: [c["status"] for c in node["status"]["conditions"]
                                        if c["type"] == "Ready"] for node in nodes}
    entity = alice.entity(job["id"])["entity"]["status"]["nodes"]
    names = [entity["control_plane"]["name"], *(n["name"] for n in entity["workers"])]
    assert ready == {name: ["True"] for name in names}
    table = cloud.kubectl(job["kubeconfig"], "get", "nodes")
    assert table.returncode == 0 and table.stdout.count(" Ready ") == 2, table


def test_the_same_file_again_changes_nothing(cloud, alice, job):
    wait_until(lambda: has_listeners_only(cloud.vcd), what="the end of kubectl's connections")
    state = cloud.vcd.state()
    body = cluster_body()
    answer = alice.request("PUT", f"/api/cse/3.0/cluster/{job['id']}", body)
    assert answer.status == 400, answer
    assert cloud.vcd.state() == state


def test_unexpose_closes_the_address(cloud, alice, job):
    assert is_open(job["external"])
    reply = apply(alice, "PUT", f"/api/cse/3.0/cluster/{job['id']}", cluster_body(spec__expose=False))
    task = alice.wait(reply["entity"]["status"]["task_href"])
    assert task.status == "success", task
    assert not is_open(job["external"])
    entity = alice.entity(job["id"])
    check_def_entity(entity)
    status = entity["entity"]["status"]
    assert status["exposed"] is False and entity["entity"]["spec"]["expose"] is False
    assert status["nodes"]["control_plane"]["ip"].startswith("127.50.")
    job["internal"] = status["nodes"]["control_plane"]["ip"]
    assert yaml.safe_load(kubeconfig_of(alice, job))["clusters"][0]["cluster"]["server"] == \
        f"https://{job['internal']}:6443"


def test_delete_leaves_nothing(cloud, alice, job):
    reply = apply(alice, "DELETE", f"/api/cse/3.0/cluster/{job['id']}")
    task = alice.wait(reply["entity"]["status"]["task_href"])
    assert task.status == "success", task
    assert alice.entity(job["id"]) is None
    assert not alice.clusters("tkg1")
    assert cloud.vcd.state() == job["before"]


def test_no_secret_in_any_log(cloud, job):
    text = "".join(process.log.read_text() for process in [*cloud.workers, cloud.vcd])
    config = yaml.safe_load(job["kubeconfig"])["users"][0]["user"]
    for secret in ("svc-password", "alice-password", cloud.alice.token,
                   config["client-key-data"], "BEGIN RSA PRIVATE KEY", "BEGIN PRIVATE KEY"):
        assert secret not in text


def test_the_queues_are_empty(cloud):
    assert cloud.broker.length("cse.operations") == 0
    assert cloud.broker.length("cse.parked") == 0
