# SPDX-License-Identifier: MIT
"""The worker in a box: the real program on a bus that the test plays (broker.py), against the real
simulator without AMQP and with played guests. A create and a delete take some tenths of a second.
"""
import base64
import contextlib
import json
import os
import pathlib
import signal
import sys
import tempfile
import time
import urllib.parse
import uuid

from broker import REPLY_EXCHANGE, Broker
from cloud import BUILD, FAST_TIMING, SEED, Simulator, Worker, wait_until
from life import STATE_S, difference
from tenant import FINAL, JSON_35, XML_35, Answer, Tenant

CLOUD = {"clone_ms": 20, "task_ms": 2, "boot_ms": 5, "extra_latency_ms": 0, "played_guests": 1}
# Requests get all the time VCD would wait: where nothing is about time, a busy machine is no failure.
TIMING = {**FAST_TIMING, "rungs": [0.02, 0.1, 0.3, 1.2], "first_write": 6, "reply": 6.2,
          "request_ttl": 3.8}
SCALE = 0.2  # of the rungs, at the broker
CA_FOLDER = pathlib.Path(os.environ.get("CSE_LOGS") or tempfile.gettempdir()) / "box-ca"
CA_SHARES = 3
THREADS = {"request": 5, "operation": 4}


class BoxWorker(Worker):
    program = BUILD / "tests" / "failure" / "cse-worker-box"

    def __init__(self, name, folder, box, timing, **changes):
        self.broker = box.broker
        CA_FOLDER.mkdir(parents=True, exist_ok=True)
        self.clock = folder / (name + ".clock")
        self.clock.write_bytes(bytes(8))
        self.ahead_ms = 0
        self.variables = {"CSE_BOX_SOCKET": box.broker.path, "CSE_BOX_CLOCK": str(self.clock),
                          "CSE_BOX_CA": str(CA_FOLDER),
                          "CSE_BOX_CA_SHARE": str(len(box.workers) % CA_SHARES)}
        super().__init__(name, folder, box, timing, **{"threads": THREADS, **changes})

    @property
    def pid(self):
        return self.popen.pid

    def pause(self):
        os.kill(self.pid, signal.SIGSTOP)

    def go_on(self):
        os.kill(self.pid, signal.SIGCONT)

    @contextlib.contextmanager
    def paused(self, as_if_s=0):
        """Stops it. When it goes on, its own clock says that so much time has passed besides."""
        self.pause()
        try:
            yield
        finally:
            self.skip(as_if_s)
            self.go_on()

    def skip(self, seconds):
        """Its own clock jumps ahead."""
        self.ahead_ms += int(seconds * 1000)
        with open(self.clock, "r+b") as file:
            file.write(self.ahead_ms.to_bytes(8, sys.byteorder))

    def kill(self):
        """kill -9. The broker sees all connections end at the same moment."""
        with self.broker.lock:
            super().kill()
            self.broker.cut(self.pid)

    def stop(self, limit_s=60):
        if self.is_alive():
            self.go_on()
        return super().stop(limit_s)


class BoxTenant(Tenant):
    """As a tenant over HTTPS, but requests for the extension go through the played broker."""

    def __init__(self, box, user, password):
        self.box = box
        super().__init__(box.vcd.url, box.vcd.ca_file, user, password)
        session = self.request("GET", "/cloudapi/1.0.0/sessions/current").json
        self.context_of_message = {"user": session["user"]["id"], "org": session["org"]["id"],
                                   "rights": []}

    def message(self, method, path, body=None, request_id=None, accept=JSON_35, headers=None):
        """The message VCD sends for such a request."""
        path, _, query = path.partition("?")
        text = json.dumps(body).encode() if body is not None else b""
        return json.dumps([{
            "id": request_id or str(uuid.uuid4()), "method": method, "requestUri": path,
            "queryString": query or None, "protocol": "HTTP/1.1", "scheme": "https",
            "remoteAddr": "127.0.0.1", "remotePort": 40000, "localAddr": "127.0.0.1",
            "localPort": urllib.parse.urlsplit(self.url).port,
            "headers": {"Accept": accept, "Content-Type": "application/json",
                        "Authorization": "Bearer " + self.token, **(headers or {})},
            "body": base64.b64encode(text).decode(), "isSecure": True, "request": True,
        }, self.context_of_message]).encode()

    def send(self, method, path, body=None, **options):
        """Sends without waiting; the correlation id."""
        correlation = str(uuid.uuid4())
        self.box.broker.request(
            self.message(method, path, body, **options), correlation_id=correlation,
            reply_to="replies", reply_exchange=REPLY_EXCHANGE, message_type="ProcessHttpRequest")
        return correlation

    def answers(self, correlation, limit_s=10, count=1):
        return [self._answer(r) for r in self.box.broker.await_reply(correlation, limit_s, count)]

    @staticmethod
    def _answer(reply):
        message = reply.json
        headers = dict(message["headers"])
        return Answer(message["statusCode"], headers, base64.b64decode(message["body"]))

    def request(self, method, path, body=None, accept=JSON_35, headers=None, **options):
        if not path.startswith("/api/cse"):
            return super().request(method, path, body, accept, headers)
        answers = self.answers(self.send(method, path, body, accept=accept, headers=headers, **options))
        return answers[0] if answers else Answer(504, {}, b"")


class Box:
    """Simulator, played broker and workers of one test."""

    def __init__(self, folder, workers=1, options=None, timing=None, scale=SCALE, resync=True, seed=SEED):
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.timing = {**TIMING, **(timing or {})}
        self.password_file = self._secret("svc.password", "svc-password\n")
        self.broker = Broker(self._socket(), scale)
        self.broker.allow_leader(resync)
        # What the worker's configuration wants to know of a broker; nobody listens there.
        self.broker.address = "127.0.0.1:1"
        self.broker.env = {"USER": "box", "VHOST": "/",
                           "PASSWORD_FILE": str(self._secret("broker.password", "box\n"))}
        self.workers = []
        self.vcd = Simulator(folder, None, {**CLOUD, **(options or {})}, seed=seed)
        try:
            for _ in range(workers):
                self.add_worker()
            self.alice = self.tenant("alice@tenant1")
            self.wait_ready()
        except BaseException:
            self.kill()
            raise

    def _secret(self, name, text):
        path = self.folder / name
        path.write_text(text)
        path.chmod(0o600)
        return path

    def _socket(self):
        """A path that fits into a socket address, however deep the folder is."""
        return f"/tmp/cse-box-{os.getpid()}-{uuid.uuid4().hex[:8]}"

    def add_worker(self, timing=None, **changes):
        worker = BoxWorker(f"worker{len(self.workers) + 1}", self.folder, self,
                           {**self.timing, **(timing or {})}, **changes)
        self.workers.append(worker)
        return worker

    def wait_ready(self, worker=None):
        """Until the worker (default: all) consumes with all its threads."""
        wanted = sum(THREADS.values())
        for one in [worker] if worker else self.workers:
            def ready(pid=one.pid):
                return sum(c.pid == pid and c.queue is not None
                           for c in self.broker.connections) >= wanted
            self.broker.wait(ready, what=f"{one.name} to consume")

    def tenant(self, user):
        name = user.split("@")[0]
        password = {"administrator": "admin", "svc-cse": "svc"}.get(name, name) + "-password"
        return BoxTenant(self, user, password)

    def wait_quiet(self, limit_s=30):
        """Until no message is anywhere but in the parking."""
        self.broker.wait(self.broker.is_quiet, limit_s, "the broker to be empty")

    def wait_for(self, question, limit_s=20, what="it"):
        return wait_until(question, limit_s, 0.1, what)

    def wait_task(self, href, limit_s=30):
        """The finished task, as its owner sees it. Asks little: mostly the broker is watched."""
        end = time.monotonic() + limit_s
        while True:
            with contextlib.suppress(AssertionError):
                self.wait_quiet(1)
            task = self.alice.task(href)
            if task.status in FINAL:
                return task
            assert time.monotonic() < end, f"task does not end: {task}"
            time.sleep(0.05)

    def task(self, href):
        """A task as the simulator keeps it, or None. Costs the worker's call log nothing."""
        uuid_ = href.rsplit("/", 1)[-1]
        return next((t for t in self.vcd.ask("/tasks") if t["id"] == uuid_), None)

    def record(self, href):
        """The worker's record in a task's Details."""
        return json.loads(self.task(href)["details"].split(" ", 2)[2])

    def cancel(self, href):
        """As its owner does it in VCD."""
        answer = self.alice.request("POST", f"/api/task/{href.rsplit('/', 1)[-1]}/action/cancel", accept=XML_35)
        assert answer.status == 204, answer

    def check_state(self, before):
        """The cloud is as it was, once VCD's own last tasks are over."""
        end = time.monotonic() + STATE_S
        while (state := self.vcd.state()) != before and time.monotonic() < end:
            time.sleep(0.05)
        assert state == before, difference(json.loads(before), json.loads(state))

    def advance(self, seconds):
        """VCD's clock jumps ahead: claims and starts look that much older from now on."""
        now = self.vcd.ask("/options")["clock_ahead_s"]
        self.vcd.set_option(clock_ahead_s=now + seconds)

    def kill(self):
        for process in [*self.workers, self.vcd]:
            process.kill()
        self.broker.stop()

    def stop(self):
        """Ends everything politely, and only then says what was wrong with it."""
        alive = [w for w in self.workers if w.is_alive()]
        statuses = [(w, w.stop()) for w in alive] + [(self.vcd, self.vcd.stop())]
        self.broker.stop()
        for process in [*self.workers, self.vcd]:
            process.check_reports()
        for process, status in statuses:
            assert status == 0, f"{process.name} ended with {status}; see {process.log}"
