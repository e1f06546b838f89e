# SPDX-License-Identifier: MIT
"""The processes of one test: a private broker, the simulated cloud, and workers."""
import contextlib
import json
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import subprocess
import time
import urllib.request

import pika

from tenant import Tenant

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("CSE_BUILD", ROOT / "build" / "dev"))
VCDSIM = BUILD / "tests" / "vcdsim" / "vcdsim"
WORKER = BUILD / "worker" / "cse-worker"
SEED = ROOT / "tests" / "vcdsim" / "seed.json"
REPORT = re.compile(r"(AddressSanitizer|LeakSanitizer|ThreadSanitizer|runtime error:)")

# A tenth of what is shipped, for the cloud and for the worker's operations. What a caller waits for
# stays as it is: a test machine is not ten times faster.
FAST_CLOUD = {"clone_ms": 500, "task_ms": 100, "boot_ms": 800, "extra_latency_ms": 500}
FAST_TIMING = {"pass": 4.5, "last_mutation": 4, "claim_interval": 6, "takeover": 30,
               "orphan_request": 6.5, "delete_wait": 9, "cache": 6, "vcd_call": 4, "resync": 18, "drain": 8,
               "rungs": [0.1, 0.5, 1.5, 6], "deadline_create": 360, "deadline_update": 360,
               "deadline_delete": 180}


def free_port():
    """Below the ephemeral ports, so that no connection takes it before its server does."""
    while True:
        port = random.SystemRandom().randrange(20000, 32000)
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


def wait_until(question, limit_s=30, pause_s=0.1, what="it", seen=None):
    """`seen` says, as text, what was there instead when the time was up."""
    end = time.monotonic() + limit_s
    while True:
        answer = question()
        if answer:
            return answer
        assert time.monotonic() < end, f"waited {limit_s} s for {what}" + (f"; seen: {seen()}" if seen else "")
        time.sleep(pause_s)


class Process:
    """One program under test; its output goes to a log and must hold no sanitizer report."""

    def __init__(self, name, arguments, folder, **variables):
        self.name, self.folder = name, folder
        self.log = folder / (name + ".log")
        self.stdout = folder / (name + ".out")
        reports = folder / (name + ".sanitizer")
        environment = {**os.environ, **variables}
        environment["ASAN_OPTIONS"] = f"{variables.get('ASAN_OPTIONS', '')}:log_path={reports}"
        environment["TSAN_OPTIONS"] = f"log_path={reports}:second_deadlock_stack=1"
        environment["UBSAN_OPTIONS"] = f"log_path={reports}:print_stacktrace=1"
        with open(self.log, "ab") as log, open(self.stdout, "ab") as out:
            self.popen = subprocess.Popen([str(a) for a in arguments], stdin=subprocess.DEVNULL,
                                          stdout=out, stderr=log, env=environment,
                                          start_new_session=True)

    def is_alive(self):
        return self.popen.poll() is None

    def stop(self, limit_s=60):
        """Ends it politely; returns the exit status."""
        if self.is_alive():
            self.popen.send_signal(signal.SIGTERM)
        try:
            return self.popen.wait(limit_s)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()
            raise AssertionError(f"{self.name} does not end {limit_s} s after SIGTERM")

    def kill(self):
        self.popen.kill()
        self.popen.wait()

    def check_reports(self):
        reports = list(self.folder.glob(self.name + ".sanitizer*"))
        assert not reports, f"{self.name}: {reports[0].read_text()[:4000]}"
        text = self.log.read_text(errors="replace")
        assert not REPORT.search(text), f"{self.name}: sanitizer report in {self.log}"


class Broker:
    """deploy/rabbitmq.sh, and what tests look at in it."""

    script = ROOT / "deploy" / "rabbitmq.sh"

    def __init__(self, folder):
        self.folder = folder
        self.start()

    def start(self):
        subprocess.run([self.script, "start", self.folder, "--tls"], check=True)
        lines = (self.folder / "broker.env").read_text().splitlines()
        self.env = dict(line.split("=", 1) for line in lines)

    def stop(self):
        subprocess.run([self.script, "stop", self.folder], check=True)

    def ctl(self, *arguments):
        """rabbitmqctl's output."""
        return subprocess.run([self.script, "ctl", self.folder, *arguments], check=True,
                              stdout=subprocess.PIPE, text=True).stdout

    def signal(self, number):
        os.kill(int(self.env["PID"]), number)

    def kill(self):
        """Without warning; what it has written down comes back with the next start.

        RabbitMQ 3.10 writes down half a second late which queues a node has. Killed before that, a single
        node comes back with an empty queue that never gets a leader: it can be declared and looked at, and
        whoever publishes to it hangs. No worker can mend that, so no test may meet it by chance.
        """
        self.ctl("eval", "lists:foreach(fun dets:sync/1, dets:all()).")
        self.signal(signal.SIGKILL)
        self.stop()  # its port mapper

    def leaderless(self):
        """Quorum queues without a leader: nothing gets in or out."""
        states = self.ctl("eval", "[io:format(\"~s ~s~n\", [Q, S]) || {Q, S} <- ets:tab2list(ra_state)], ok.")
        return sorted(line.split()[0].partition("_")[2] for line in states.splitlines()
                      if line.endswith((" follower", " candidate", " pre_vote")))

    @property
    def address(self):
        return f"{self.env['HOST']}:{self.env['PORT']}"

    def connect(self):
        password = pathlib.Path(self.env["PASSWORD_FILE"]).read_text().strip()
        return pika.BlockingConnection(pika.ConnectionParameters(
            self.env["HOST"], int(self.env["PORT"]), self.env["VHOST"],
            pika.PlainCredentials(self.env["USER"], password)))

    def look(self, queue):
        """What a passive declaration says of it, or None when there is no such queue."""
        connection = self.connect()
        try:
            return connection.channel().queue_declare(queue, passive=True).method
        except pika.exceptions.ChannelClosedByBroker:
            return None
        finally:
            connection.close()

    def length(self, queue):
        """Ready messages, or None when there is no such queue."""
        found = self.look(queue)
        return found and found.message_count

    def consumers(self, queue):
        found = self.look(queue)
        return found.consumer_count if found else 0

    def forget_all(self):
        """Removes what an earlier test left: its messages name tasks of a cloud that is gone."""
        connection = self.connect()
        channel = connection.channel()
        rungs = [*FAST_TIMING["rungs"], 1, 5, 15, 60]
        names = [f"cse.operations.delay.{rung if rung == int(rung) else f'{rung:.3f}'}s" for rung in rungs]
        for name in [*names, "cse", "cse.operations", "cse.parked"]:
            channel.queue_delete(name)
        for name in ("cse.events", "cse-ext"):
            channel.exchange_delete(name)
        connection.close()


class Simulator(Process):
    def __init__(self, folder, broker, options, seed=SEED, public=None):
        arguments = [VCDSIM, "--seed", seed(folder) if callable(seed) else seed, "--dir", folder / "vcd", "--listen", "127.0.0.1:0",
                     "--admin", "127.0.0.1:0", *(["--public", public] if public else [])]
        if broker:
            arguments += ["--amqp-host", broker.env["HOST"], "--amqp-port", broker.env["PORT"],
                          "--amqp-user", broker.env["USER"], "--amqp-vhost", broker.env["VHOST"],
                          "--amqp-password-file", broker.env["PASSWORD_FILE"]]
        for name, value in options.items():
            arguments += ["--set", f"{name}={value}"]
        (folder / "vcd").mkdir()
        super().__init__("vcdsim", arguments, folder)
        wait_until(lambda: self.ready() or not self.is_alive(), what="vcdsim")
        assert self.is_alive(), self.log.read_text()
        self.url, self.direct, self.admin, self.ca_file = (
            self.ready()[k] for k in ("url", "direct", "admin", "ca_file"))

    def ready(self):
        line = self.stdout.read_text().partition("\n")
        return json.loads(line[0]) if line[1] else None

    def ask(self, path, method="GET", body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.admin + path, method=method, data=data)
        request.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(request, timeout=30) as response:
            text = response.read().decode()
        return text if path == "/state" else json.loads(text or "null")

    def state(self):
        return self.ask("/state")

    def calls(self, agent="cse-worker"):
        return [call for call in self.ask("/calls")["log"]
                if (call.get("agent") or "").startswith(agent)]

    def reset_calls(self):
        self.ask("/calls/reset", "POST", {})

    def set_option(self, **options):
        self.ask("/options", "POST", options)

    def fail(self, **fault):
        self.ask("/faults", "POST", fault)

    def heal(self):
        self.ask("/faults", "DELETE")


class Worker(Process):
    program, variables = WORKER, {}

    def __init__(self, name, folder, cloud, timing, **changes):
        broker = cloud.broker
        config = {
            "deployment": "e2e",
            "log": {"level": "debug"},
            "broker": {"hosts": [broker.address], "user": broker.env["USER"],
                       "vhost": broker.env["VHOST"], "heartbeat_s": 2,
                       "password_file": broker.env["PASSWORD_FILE"], "tls": {"enabled": False}},
            "vcd": {"host": cloud.vcd.url.removeprefix("https://"), "ca_file": cloud.vcd.ca_file,
                    "user": "svc-cse@System", "password_file": str(cloud.password_file)},
            "catalog": {"org": "cse", "name": "cse-templates",
                        "default_template": "ubuntu-20.04_tkgm-1.20_antrea-0.11",
                        "default_revision": 1},
            "threads": {"request": 8, "operation": 4},
            "timing": timing,
            **changes,
        }
        self.admin_port = config.get("admin", {}).get("port")
        path = folder / (name + ".yaml")
        path.write_text(json.dumps(config, indent=1))  # JSON is YAML
        super().__init__(name, [self.program, "run", "--config", path], folder, **self.variables)

    def events(self, name):
        """The log's lines of one event. The last line may be half written."""
        lines = []
        for line in self.log.read_text().split("\n")[:-1]:
            if f'"event":"{name}"' in line:
                lines.append(json.loads(line))
        return lines


class Cloud:
    """A simulated VCD and its workers on the session's broker; fast: at a tenth of all times."""

    def __init__(self, folder, broker, workers=1, options=None, timing=None, fast=True, config=None,
                 simulator=None):
        self.folder, self.broker = folder, broker
        self.timing = {**(FAST_TIMING if fast else {}), **(timing or {})}
        options = {**(FAST_CLOUD if fast else {}), **(options or {})}
        folder.mkdir(parents=True, exist_ok=True)
        self.password_file = folder / "svc.password"
        self.password_file.write_text("svc-password\n")
        self.password_file.chmod(0o600)
        broker.forget_all()
        self.workers, self.started = [], 0
        self.vcd = Simulator(folder, broker, options, **(simulator or {}))
        try:
            for _ in range(workers):
                self.add_worker(**(config or {}))
            # Before that, VCD would wait in vain for the answer to a request that reached no queue.
            wait_until(lambda: not self.workers or self.workers[0].events("broker.connected") or
                       not self.workers[0].is_alive(), what="a consumer")
            self.alice = self.tenant("alice@tenant1")
            wait_until(lambda: self.alice.request("GET", "/api/cse/system").status == 200,
                       pause_s=0.3, what="the worker's first answer")
        except BaseException:
            self.vcd.kill()
            for worker in self.workers:
                worker.kill()
            raise

    def add_worker(self, **changes):
        self.started += 1  # a name, and a log, is never used again
        worker = Worker(f"worker{self.started}", self.folder, self, self.timing, **changes)
        self.workers.append(worker)
        return worker

    def tenant(self, user):
        name = user.split("@")[0]
        password = {"administrator": "admin", "svc-cse": "svc"}.get(name, name) + "-password"
        return Tenant(self.vcd.direct, self.vcd.ca_file, user, password)

    def stop(self):
        """Ends everything politely, and only then says what was wrong with it."""
        statuses = [(process, self._ended(process)) for process in [*self.workers, self.vcd]]
        for process, status in statuses:
            process.check_reports()
            assert status == 0, f"{process.name} ended with {status}; see {process.log}"

    @staticmethod
    def _ended(process):
        try:
            return process.stop()
        except AssertionError as error:
            return error

    def kubectl(self, kubeconfig, *arguments, limit_s=20):
        """Runs kubectl; the completed process, with its output as text."""
        path = self.folder / "kubeconfig"
        path.write_text(kubeconfig)
        path.chmod(0o600)
        return subprocess.run(
            [shutil.which("kubectl"), "--kubeconfig", path, f"--request-timeout={limit_s}s",
             *arguments], capture_output=True, text=True, timeout=limit_s + 20, check=False,
            env={**os.environ, "HOME": str(self.folder)})
