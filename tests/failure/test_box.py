# SPDX-License-Identifier: MIT
"""The box itself: a whole life of a cluster in it, and that its broker keeps a broker's promises."""
from bodies import cluster_body


def live(box, name):
    answer = box.alice.request("POST", "/api/cse/3.0/clusters", cluster_body(name))
    assert answer.status == 202, answer
    task = box.wait_task(answer.json["entity"]["status"]["task_href"])
    assert task.status == "success", task
    answer = box.alice.request("DELETE", f"/api/cse/3.0/cluster/{answer.json['id']}")
    assert answer.status == 202, answer
    task = box.wait_task(answer.json["entity"]["status"]["task_href"])
    assert task.status == "success", task


def test_a_cluster_lives_in_the_box(box):
    before = box.vcd.state()
    live(box, "box1")
    box.wait_quiet()
    box.check_state(before)
    assert not box.broker.parked()


def test_what_a_killed_worker_held_is_delivered_again(new_box):
    box = new_box(workers=2)
    held = []
    box.broker.on_deliver = lambda message, connection: held.append((message, connection.pid))
    box.vcd.fail(agent="cse-worker", method="GET", delay_ms=1000, times=0)
    correlation = box.alice.send("GET", "/api/cse/templates")
    box.broker.wait(lambda: held, what="the delivery")
    message, pid = held[0]
    victim = next(w for w in box.workers if w.pid == pid)
    victim.kill()
    box.broker.wait(lambda: len(held) > 1, what="the second delivery")
    assert held[1][0] is message and held[1][1] != pid and message.deliveries == 1
    box.vcd.heal()
    assert box.alice.answers(correlation)[0].status == 200
