# SPDX-License-Identifier: MIT
"""Time and calls of the main job with the values that are shipped: what polling costs is in them."""
import time

import pytest
from bodies import cluster_body

CLOUD = {"fast": False}
pytestmark = pytest.mark.long  # its limits leave no room for work beside it
SLACK_MS = 15_000  # above what the cloud itself takes
CREATE_CALLS, OTHER_CALLS = 60, 20


@pytest.fixture(scope="module")
def cluster():
    """The cluster's id, for the steps after the first."""
    return {}


def operate(cloud, alice, method, path, body=None):
    """Does one operation; its id, milliseconds, the cloud's own part, and the worker's calls."""
    cloud.vcd.reset_calls()
    start = time.monotonic()
    answer = alice.request(method, path, body)
    assert answer.status == 202, answer
    task = alice.wait(answer.json["entity"]["status"]["task_href"])
    took = (time.monotonic() - start) * 1000
    assert task.status == "success", task
    calls = [f"{call['method']} {call['path']}" for call in cloud.vcd.calls()]
    return answer.json["id"], took, cloud.vcd.ask("/path")["total_ms"], calls


def test_create(cloud, alice, cluster):
    cluster["id"], took, imposed, calls = operate(
        cloud, alice, "POST", "/api/cse/3.0/clusters", cluster_body())
    assert len(calls) <= CREATE_CALLS, "\n".join(calls)
    assert took <= imposed + SLACK_MS


def test_unexpose(cloud, alice, cluster):
    _, _, _, calls = operate(cloud, alice, "PUT", f"/api/cse/3.0/cluster/{cluster['id']}",
                             cluster_body(spec__expose=False))
    assert len(calls) <= OTHER_CALLS, "\n".join(calls)


def test_delete(cloud, alice, cluster):
    _, _, _, calls = operate(cloud, alice, "DELETE", f"/api/cse/3.0/cluster/{cluster['id']}")
    assert len(calls) <= OTHER_CALLS, "\n".join(calls)
