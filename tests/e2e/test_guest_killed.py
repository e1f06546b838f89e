# SPDX-License-Identifier: MIT
"""Guests that crash and boot again before seeded commands of their bootstrap; several clusters at once.

The seed is shown at the end of the run and can be given (CSE_KILL_SEED), as can the number of points (CSE_KILL_POINTS).
"""
import concurrent.futures
import json
import os
import random

import pytest
from bodies import cluster_body
from cloud import wait_until

SEED = int(os.environ.get("CSE_KILL_SEED") or random.SystemRandom().randrange(1 << 30))
POINTS = int(os.environ.get("CSE_KILL_POINTS", "30"))
NODES, PER_NODE = 3, 2
CLUSTERS = -(-POINTS // (NODES * PER_NODE))
# A bootstrap has more commands than these, waiting adds to them.
COMMANDS = {"mstr": 1400, "node": 700}

# So many guests slow everything down, a pass must be able to end nevertheless.
CLOUD = {"timing": {"pass": 20, "last_mutation": 18, "claim_interval": 20, "takeover": 60,
                    "delete_wait": 30, "drain": 30, "vcd_call": 10}}


def machines(cloud, name):
    """(name, uuid) of the cluster's VMs once VCD has made them all; a control plane comes first."""
    def find():
        vms = [vm for vm in json.loads(cloud.vcd.state())["vms"] if vm["vapp"] == name]
        return sorted((vm["name"], vm["id"]) for vm in vms) if len(vms) == NODES else None
    return wait_until(find, limit_s=60, what=f"the VMs of {name}")


def disk(cloud, uuid):
    return cloud.folder / "vcd" / "guests" / uuid / "disk"


def order_crashes(cloud, uuid, points):
    """Written before the VM's first boot: its disk is a folder of the simulator."""
    folder = disk(cloud, uuid) / "etc" / "sim"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "crashes").write_text("".join(f"{point}\n" for point in points))


def begin(cloud, name):
    """Sent again while the worker is busy with the others."""
    body = cluster_body(name, spec__workers__count=NODES - 1)

    def send():
        answer = cloud.alice.request("POST", "/api/cse/3.0/clusters", body)
        assert answer.status in (202, 429), answer
        return answer if answer.status == 202 else None
    return wait_until(send, limit_s=60, pause_s=0.5, what=f"{name} to be taken")


def create(cloud, number):
    """One cluster until its task ends; its id, its nodes, and the crashes it went through."""
    name = f"killed-{number}"
    draw = random.Random(f"{SEED} {number}")
    answer = begin(cloud, name)
    crashes = []
    nodes = machines(cloud, name)
    for node, uuid in nodes:
        order_crashes(cloud, uuid, sorted(draw.sample(range(1, COMMANDS[node[:4]]), PER_NODE)))
    task = cloud.alice.wait(answer.json["entity"]["status"]["task_href"], limit_s=300)
    for node, uuid in nodes:
        path = disk(cloud, uuid) / "etc" / "sim" / "crashed"
        crashes += [f"{node}: {line}" for line in path.read_text().splitlines()] if path.exists() else []
    assert task.status == "success", f"{task}\n" + "\n".join(crashes)
    return answer.json["id"], [node for node, _ in nodes], crashes


def check_nodes(cloud, cluster, wanted):
    config = cloud.alice.request("GET", f"/api/cse/3.0/cluster/{cluster}/config").json["message"]
    done = cloud.kubectl(config, "get", "nodes", "--no-headers", limit_s=30)
    assert done.returncode == 0, done.stderr
    ready = sorted(line.split()[0] for line in done.stdout.splitlines() if line.split()[1] == "Ready")
    assert ready == wanted


@pytest.mark.long
def test_clusters_come_up_although_their_guests_crash(cloud, figures):
    figures["CSE_KILL_SEED"] = f"{SEED}, {CLUSTERS} clusters"
    with concurrent.futures.ThreadPoolExecutor(CLUSTERS) as pool:
        works = [pool.submit(create, cloud, number) for number in range(CLUSTERS)]
        results = [work.result() for work in concurrent.futures.as_completed(works)]
    for cluster, nodes, _ in results:
        check_nodes(cloud, cluster, nodes)
    crashes = [line for _, _, lines in results for line in lines]
    print("\n".join(crashes))
    figures["guests killed"] = len(crashes)
    assert len(crashes) >= POINTS, f"CSE_KILL_SEED={SEED}: only {len(crashes)} crashes"
