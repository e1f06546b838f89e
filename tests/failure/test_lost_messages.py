# SPDX-License-Identifier: MIT
"""Every message of the broker is lost, at every pass: the search for unfinished work finds the task
and the operation goes on to its end.
"""
from life import STEPS, Life

# Guests that take their time make passes that only wait.
BOX = {"timing": {"resync": 1}, "options": {"boot_ms": 300}}
TAKEOVER_S = 40  # of VCD's clock: older than the age at which another worker takes over


class Loser:
    """Loses the nth message of a step, and all that exist at that moment."""

    def __init__(self, box, nth):
        self.box, self.left, self.lost = box, nth, 0
        box.broker.on_publish = self.see

    def see(self, message):
        self.left -= 1
        if self.left != 0:
            return [message]
        self.lost = 1 + len(self.box.broker.lose_all())
        return []


def test_every_message_lost(sweep):
    def point(box, nth):
        life, hits = Life(box, f"lost{nth}"), []
        for step in STEPS:
            loser = Loser(box, nth)
            href = life.accepted(step, life.send(step))
            box.wait_for(lambda: loser.lost or life.alice.task(href).status != "running",
                         what="the message")
            hits.append(loser.lost > 0)
            if loser.lost:
                box.wait_quiet()
                box.advance(TAKEOVER_S)
            task = box.wait_task(href)
            assert task.status == "success", (step, nth, task)
            box.wait_quiet()
            life.check(step)
        box.broker.on_publish = None
        sweep.count("all messages lost", sum(hits))
        return any(hits)
    tried = sweep.run("all messages lost: lives", point)
    assert len(tried) > 4
