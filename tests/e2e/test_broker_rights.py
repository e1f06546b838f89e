# SPDX-License-Identifier: MIT
"""The broker's account may do what the README says, and no more: that is enough for the whole job."""
import pathlib
import shlex

import pytest
from bodies import cluster_body
from cloud import ROOT, wait_until

CLOUD = {"options": {"played_guests": 1, "reply_timeout_ms": 3000}}
ACCOUNT = "narrow"


@pytest.fixture(scope="module")
def rights():
    """What may be configured, written and read, as the README has it."""
    line, = (line for line in (ROOT / "README.md").read_text().splitlines() if "set_permissions" in line)
    return shlex.split(line)[-3:]


@pytest.fixture(scope="module")
def narrow(cloud, rights):
    """The worker's broker settings with that account, in the first worker's place."""
    broker = cloud.broker
    password = pathlib.Path(broker.env["PASSWORD_FILE"])
    broker.ctl("add_user", ACCOUNT, password.read_text().strip())
    broker.ctl("set_permissions", "-p", broker.env["VHOST"], ACCOUNT, *rights)
    assert cloud.workers[0].stop() == 0
    cloud.workers[0].check_reports()
    connection = broker.connect()
    queues = broker.ctl("-q", "list_queues", "--no-table-headers", "name").split()
    for queue in (name for name in queues if name.startswith("cse")):
        connection.channel().queue_delete(queue)  # the next worker has to make it
    connection.close()
    yield {"hosts": [broker.address], "user": ACCOUNT, "vhost": broker.env["VHOST"], "heartbeat_s": 2,
           "password_file": str(password), "tls": {"enabled": False}}
    broker.ctl("delete_user", ACCOUNT)


def test_the_rights_of_the_readme_are_enough(cloud, alice, narrow):
    worker = cloud.add_worker(broker=narrow)
    wait_until(lambda: worker.events("worker.well"), what="the worker")
    before = cloud.vcd.state()
    answer = alice.request("POST", "/api/cse/3.0/clusters", cluster_body())
    assert answer.status == 202, answer
    assert alice.wait(answer.json["entity"]["status"]["task_href"]).status == "success"
    answer = alice.request("DELETE", f"/api/cse/3.0/cluster/{answer.json['id']}")
    assert answer.status == 202, answer
    assert alice.wait(answer.json["entity"]["status"]["task_href"]).status == "success"
    assert cloud.vcd.state() == before
    text = worker.log.read_text()
    assert "ACCESS_REFUSED" not in text and not worker.events("event.lost")


def test_an_answer_that_may_not_be_given_is_an_error(cloud, alice, narrow, rights):
    configure, write, read = rights
    cloud.broker.ctl("set_permissions", "-p", cloud.broker.env["VHOST"], ACCOUNT, configure,
                     write.replace("|vcd[.]replies", ""), read)
    worker = cloud.workers[-1]

    def lost():
        assert alice.request("GET", "/api/cse/system").status in (200, 504)
        return worker.events("reply.lost")
    line = wait_until(lost, pause_s=0.5, what="a lost reply")[0]  # RabbitMQ remembers rights for some time
    assert line["level"] == "error" and "ACCESS_REFUSED" in line["reason"] and "vcd.replies" in line["reason"]
