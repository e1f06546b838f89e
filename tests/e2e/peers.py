# SPDX-License-Identifier: MIT
"""A cloud whose workers meet broker and VCD through proxies that can break."""
import collections
import pathlib
import re
import subprocess
import time
import urllib.request

import pika.exceptions

from bodies import cluster_body
from cloud import Cloud, free_port, wait_until
from proxy import Authority, Proxy
from requester import Requester, envelope

HEAL_S = 30  # consuming again after the trouble is over
END_S = 50  # from SIGTERM to the end, in any trouble
REQUEST_THREADS, OPERATION_THREADS = 8, 4
CONNECTION = re.compile(r'"connection_name","(.*?)(?:-\d+)?"}.*\t(\w+)$', re.MULTILINE)  # without the thread's number


class PeerCloud(Cloud):
    timing = {"reply": 2.5, "first_write": 1.5, "identity_wait": 0.5, "vcd_call": 2, "cache": 1, "drain": 48}

    def __init__(self, folder, broker):
        self.amqp, self.https = Proxy(broker.address), Proxy()
        self.authority = Authority(folder / "authority")
        self.bundle = folder / "bundle.pem"
        self.simulator_ca = folder / "vcd" / "ca.pem"
        self.bundle.write_text(self.authority.ca.read_text())
        super().__init__(folder, broker, options={"played_guests": 1}, timing=self.timing, config={},
                         simulator={"public": self.https.address})

    def settings(self, **changes):
        """Of a worker that trusts the simulator and our authority; through the proxies."""
        self.bundle.write_text(self.authority.ca.read_text() + pathlib.Path(self.vcd.ca_file).read_text())
        settings = {
            "broker": {"hosts": [self.amqp.address], "user": self.broker.env["USER"],
                       "vhost": self.broker.env["VHOST"], "heartbeat_s": 2,
                       "password_file": self.broker.env["PASSWORD_FILE"], "tls": {"enabled": False}},
            "vcd": {"host": self.https.address, "ca_file": str(self.bundle), "user": "svc-cse@System",
                    "password_file": str(self.password_file)},
            "threads": {"request": REQUEST_THREADS, "operation": OPERATION_THREADS},
            "admin": {"port": free_port()}}
        for name, value in changes.items():
            settings[name] = {**settings[name], **value} if name in settings else value
        return settings

    def add_worker(self, **changes):
        if not self.workers:
            self.https.aim(self.vcd.direct.removeprefix("https://"))
        return super().add_worker(**self.settings(**changes))

    def add_victim(self, **changes):
        """A second worker that works; one that will be told to end in the middle of the trouble."""
        victim = self.add_worker(**changes)
        self.settle()
        return victim

    def settle(self, requests=REQUEST_THREADS, operations=OPERATION_THREADS):
        """Waits until every thread of every worker consumes."""
        count = len(self.workers)
        wait_until(lambda: self.broker.consumers("cse") == count * requests and
                   self.broker.consumers("cse.operations") == count * operations, HEAL_S,
                   what=f"{count * requests} and {count * operations} consumers", seen=self.sight)

    def sight(self):
        """What broker and workers say of themselves, for whoever waited in vain."""
        return "\n".join(["", *self._broker_sight(), *map(self._worker_sight, self.workers)])

    def _broker_sight(self):
        """A consumer without its connection is one of a channel that hangs in the broker."""
        try:
            queues = self.broker.ctl("list_queues", "name", "messages_ready", "messages_unacknowledged", "consumers")
            connections = self.broker.ctl("list_connections", "client_properties", "state")
            names = collections.Counter(CONNECTION.findall(connections))
            return [queues, *(f"{count} connections {name}, {state}" for (name, state), count in names.items()),
                    f"queues without leader: {self.broker.leaderless()}"]
        except (subprocess.SubprocessError, OSError) as error:
            return [f"broker: {error}"]

    @staticmethod
    def _worker_sight(worker):
        """How many threads of a kind are consuming and busy, and what was last heard of the broker."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{worker.admin_port}/metrics", timeout=5) as answer:
                lines = answer.read().decode().splitlines()
            threads = [line for line in lines if line.startswith(("cse_worker_threads{", "cse_worker_broker_blocked "))]
        except OSError as error:
            threads = [f"{error}; status {worker.popen.poll()}"]
        heard = [line for line in worker.log.read_text().splitlines() if '"event":"broker.' in line]
        return "\n".join([worker.name + ":", *threads, *heard[-6:]])

    def ask(self, path="/api/cse/system", method="GET", body=b"", limit_s=8):
        with Requester(self.broker) as requester:
            return requester.ask(envelope(path, method, self.alice.token, body), limit_s)

    def answers(self, path):
        """Is such a request answered? False also while the broker is away."""
        try:
            reply = self.ask(path, limit_s=3)
        except (pika.exceptions.AMQPError, OSError):
            return False
        return reply is not None and reply.status == 200

    def check_consuming(self, path="/api/cse/system"):
        start = time.monotonic()
        wait_until(lambda: self.answers(path), HEAL_S, 0.1, f"an answer to {path}", self.sight)
        return time.monotonic() - start

    def check_end(self, worker, status=0):
        """SIGTERM, now, in the middle of the trouble."""
        start = time.monotonic()
        self.workers.remove(worker)  # whatever comes of it, the next test counts without this one
        assert worker.stop(END_S) == status
        worker.check_reports()
        return time.monotonic() - start

    def stop(self):
        super().stop()
        self.amqp.close()
        self.https.close()

    @staticmethod
    def body(name):
        return cluster_body(name)
