# SPDX-License-Identifier: MIT
"""`cse-worker parked` on a real broker: whatever it does, and wherever it dies, nothing is lost."""
import datetime
import json
import subprocess
import time
import uuid

import pika
import pytest
from bodies import cluster_body
from cloud import WORKER, wait_until

# No resync that would finish what is parked here.
CLOUD = {"options": {"played_guests": 1}, "timing": {"resync": 3600}}

PREFIX = "parked-test"
PARKED, OPERATIONS = f"{PREFIX}.parked", f"{PREFIX}.operations"
QUORUM = {"x-queue-type": "quorum"}
FOURTEEN_DAYS_MS = 14 * 24 * 3600 * 1000
CANARY = "canary-of-somebody-else"


def operation(number=0, pass_=7):
    return {"version": 1, "id": str(uuid.uuid4()), "operation": "create", "cluster": f"urn:cluster:{number}",
            "task": f"task-{number}", "pass": pass_, "attempt": 3, "due": "2026-01-01T00:00:00.000Z",
            "request_id": f"r-{number}", "user": "urn:vcloud:user:u", "org": "urn:vcloud:org:o"}


def record(number=0, days_ago=0, **more):
    then = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=days_ago)
    return {"version": 1, "kind": "request", "time": then.strftime("%Y-%m-%dT%H:%M:%S.000Z"),
            "reason": "not JSON", "id": f"r-{number}", "body_bytes": 12, **more}


class Parking:
    """The queues, as a worker declares them, and the command."""

    def __init__(self, broker, folder):
        self.connection = broker.connect()
        self.channel = self.connection.channel()
        self.channel.confirm_delivery()
        password = folder / "svc.password"
        password.write_text("x\n")
        password.chmod(0o600)
        self.config = folder / "parked.yaml"
        self.config.write_text(json.dumps({
            "deployment": "e2e", "queues": {"prefix": PREFIX},
            "broker": {"hosts": [broker.address], "user": broker.env["USER"], "vhost": broker.env["VHOST"],
                       "password_file": broker.env["PASSWORD_FILE"], "tls": {"enabled": False}},
            "vcd": {"host": "127.0.0.1:1", "user": "svc-cse@System", "password_file": str(password)},
            "catalog": {"org": "cse", "name": "cse-templates"}}))

    def declare(self, **arguments):
        self.channel.queue_declare(PARKED, durable=True, arguments={
            **QUORUM, "x-max-length": 10000, "x-message-ttl": FOURTEEN_DAYS_MS, **arguments})
        self.channel.queue_declare(OPERATIONS, durable=True, arguments={
            **QUORUM, "x-delivery-limit": 5, "x-dead-letter-exchange": "",
            "x-dead-letter-routing-key": PARKED})

    def close(self):
        for queue in (PARKED, OPERATIONS):
            self.channel.queue_delete(queue)
        self.connection.close()

    def put(self, body, queue=PARKED):
        text = body if isinstance(body, bytes) else json.dumps(body, separators=(",", ":")).encode()
        self.channel.basic_publish("", queue, text, pika.BasicProperties(delivery_mode=2), mandatory=True)

    def arguments(self, *words):
        return [str(word) for word in (WORKER, "parked", *words, "--config", self.config)]

    def run(self, *words):
        return subprocess.run(self.arguments(*words), capture_output=True, text=True, timeout=60, check=False)

    def ask(self, *words):
        """The JSON of a command that succeeds."""
        done = self.run(*words, "--json")
        assert done.returncode == 0 and not done.stderr, done
        return json.loads(done.stdout)

    def ids(self):
        return [entry["id"] for entry in self.ask("list")["parked"]]

    def give_up(self, body):
        """Delivers an operation until the broker moves it to the parking."""
        before = self.length(PARKED)
        self.put(body, OPERATIONS)
        for _ in range(6):
            frame = wait_until(lambda: self.channel.basic_get(OPERATIONS)[0], pause_s=0.02)
            self.channel.basic_nack(frame.delivery_tag, requeue=True)
        wait_until(lambda: self.length(PARKED) == before + 1, what="the parked operation")

    def length(self, queue):
        return self.channel.queue_declare(queue, passive=True).method.message_count

    def take_all(self, queue):
        """[(body, properties)] of everything, which is then gone."""
        taken = []
        while True:
            frame, properties, body = self.channel.basic_get(queue, auto_ack=True)
            if frame is None:
                return taken
            taken.append((body, properties))


@pytest.fixture
def parking(broker, tmp_path):
    parking = Parking(broker, tmp_path)
    yield parking
    parking.close()


def test_everything_in_the_queue_is_listed_and_nothing_taken(parking):
    parking.declare()
    moved, request = operation(1), record(2)
    parking.give_up(moved)
    parking.put(request)
    parking.put({"version": 1, "kind": "operation", "time": request["time"], "reason": "no such record",
                 "message": operation(3)})
    parking.put(CANARY.encode())
    listed = parking.ask("list")["parked"]
    assert [(e["kind"], e["retryable"]) for e in listed] == [
        ("operation", True), ("request", False), ("operation", True), ("unknown", False)]
    assert listed[0]["id"] == moved["id"] and "delivery_limit" in listed[0]["reason"]
    assert "create of urn:cluster:1, task task-1, pass 7" == listed[0]["what"]
    assert listed[0]["time"].startswith(str(datetime.datetime.now(datetime.timezone.utc).year))
    assert listed[1]["time"] == request["time"] and listed[1]["reason"] == "not JSON"
    done = parking.run("list")
    assert done.returncode == 0 and done.stdout.splitlines()[-1] == "4 parked", done
    for entry in listed:
        assert sum(line.startswith(entry["id"] + "  ") for line in done.stdout.splitlines()) == 1
        shown = parking.run("show", entry["id"])
        assert shown.returncode == 0 and CANARY not in shown.stdout, shown
    assert parking.ask("show", moved["id"])["shown"][0]["record"]["message"] == moved
    assert parking.ids() == [entry["id"] for entry in listed]


def test_a_full_queue_that_drops_what_comes_back_loses_nothing(parking):
    """RabbitMQ 4 drops a message that was given back too often; here after seven times."""
    parking.declare(**{"x-delivery-limit": 7, "x-max-length": 3})
    parking.put(operation(1))
    parking.put(record(2, days_ago=13))
    parking.put(CANARY.encode())
    first = parking.ids()
    assert len(first) == 3
    for _ in range(9):
        assert sorted(parking.ids()) == sorted(first)
    taken = parking.take_all(PARKED)
    assert len(taken) == 3
    for _, properties in taken:
        assert (properties.headers or {}).get("x-delivery-count", 0) <= 6
    old = [p for body, p in taken if b'"kind":"request"' in body]
    assert old and 22 * 3600 * 1000 < int(old[0].expiration) <= 24 * 3600 * 1000


def test_retry_queues_the_next_pass(parking):
    parking.declare()
    moved = operation(1, pass_=7)
    parking.give_up(moved)
    parking.put(record(2))
    done = parking.run("retry", moved["id"])
    assert done.returncode == 0 and done.stdout.startswith(f"retried {moved['id']}: create of"), done
    [(body, _)] = parking.take_all(OPERATIONS)
    again = json.loads(body)
    assert again.pop("id") != moved.pop("id")
    assert again == {**moved, "pass": 8, "claimed": 7, "attempt": 0, "due": ""}
    assert len(parking.ids()) == 1


def test_only_operations_are_retried(parking):
    parking.declare()
    parking.put(record(1))
    parking.put(operation(2))
    parking.put(CANARY.encode())
    request, _, unknown = parking.ids()
    for entry in (request, unknown):
        done = parking.run("retry", entry)
        assert done.returncode == 1 and "tried again" in done.stderr and not done.stdout, done
    assert len(parking.ask("retry", "--all")["retried"]) == 1
    assert parking.ids() == [request, unknown]
    assert len(parking.take_all(OPERATIONS)) == 1


def test_copies_of_one_operation_are_retried_once(parking):
    parking.declare()
    twin = operation(1)
    parking.put(twin)
    parking.put(twin)
    assert parking.ask("retry", twin["id"])["retried"] == [twin["id"]]
    assert len(parking.take_all(OPERATIONS)) == 1 and parking.ids() == []


def test_drop_removes_one_or_all(parking):
    parking.declare()
    for number in range(3):
        parking.put(record(number))
    ids = parking.ids()
    assert parking.ask("drop", ids[1])["dropped"] == [ids[1]]
    assert parking.ids() == [ids[0], ids[2]]
    assert parking.run("drop", "--all").stdout.splitlines()[-1] == "2 dropped"
    assert parking.ids() == []


def test_problems_are_status_1_and_lose_nothing(parking):
    assert "does not exist" in parking.run("list").stderr
    parking.declare()
    parking.put(operation(1))
    done = parking.run("drop", "no-such-id")
    assert done.returncode == 1 and "no-such-id" in done.stderr, done
    parking.channel.queue_delete(OPERATIONS)
    done = parking.run("retry", "--all")
    assert done.returncode == 1 and "reaches no queue" in done.stderr, done
    assert len(parking.ids()) == 1
    parking.channel.queue_declare(f"{PREFIX}.parked.lock", exclusive=True)
    done = parking.run("list")
    assert done.returncode == 1 and "another" in done.stderr, done
    parking.channel.queue_delete(f"{PREFIX}.parked.lock")
    parking.config.write_text(parking.config.read_text().replace('"hosts": ["127.0.0.1:', '"hosts": ["127.0.0.2:1", "127.0.0.3:'))
    assert parking.run("list").returncode == 1


def test_wrong_usage_and_configuration_are_status_2(parking):
    for words in ([], ["look"], ["list", "x"], ["show"], ["retry"], ["drop", "x", "--all"], ["list", "--all"]):
        done = parking.run(*words)
        assert done.returncode == 2 and done.stderr.startswith("cse-worker: "), done
    parking.config.write_text("deployment: [")
    assert parking.run("list").returncode == 2
    parking.declare()


def test_text_from_outside_does_not_reach_the_terminal(parking):
    parking.declare()
    parking.put(record(1, id="\x1b[2J\x07red\x7f", reason="\x1b]0;x\x07"))
    parking.put({**operation(2), "cluster": "\x1b[31m\x9b31m"})
    ids = parking.ids()
    for words in (["list"], ["show", ids[0]], ["show", ids[1]]):
        done = parking.run(*words)
        assert done.returncode == 0 and all(c == "\n" or c.isprintable() for c in done.stdout), done


def test_an_operation_given_up_in_mid_work_is_finished_after_retry(cloud, alice):
    """The message is the one of a pass somebody had claimed: as it is, every worker would ignore it."""
    href = alice.request("POST", "/api/cse/3.0/clusters", cluster_body("parked")).json["entity"]["status"]["task_href"]
    wait_until(lambda: '"pass":' in alice.task(href).details, what="a claim")
    worker = cloud.workers.pop()
    worker.kill()
    worker.check_reports()
    claim = json.loads(alice.task(href).details.split(" ", 2)[2])["claim"]
    connection = cloud.broker.connect()
    channel = connection.channel()
    frame, _, body = wait_until(lambda: message if (message := channel.basic_get("cse.operations"))[0] else None,
                                what="its message")
    claimed = {**json.loads(body), "pass": claim["pass"]}
    channel.basic_publish("", "cse.parked", json.dumps(claimed).encode())
    channel.basic_ack(frame.delivery_tag)
    connection.close()
    cloud.add_worker()
    done = subprocess.run([str(WORKER), "parked", "retry", "--all", "--json", "--config",
                           str(cloud.folder / "worker1.yaml")], capture_output=True, text=True, check=False)
    assert json.loads(done.stdout) == {"retried": [claimed["id"]]}, done
    task = alice.wait(href, limit_s=60)
    assert task.status == "success", task


@pytest.mark.parametrize("words", [["list"], ["retry", "--all"]])
def test_a_killed_command_loses_nothing(parking, words):
    """Ended at any moment: every message is still parked, or was queued again."""
    parking.declare()
    wanted = set()
    for number in range(400):
        message = operation(number)
        wanted.add(message["task"])
        parking.put(message)
    killed = 0
    for delay_ms in (60, 100, 160):
        command = subprocess.Popen(parking.arguments(*words), stdout=subprocess.DEVNULL)
        time.sleep(delay_ms / 1000)
        killed += command.poll() is None
        command.kill()
        command.wait()
        wait_until(lambda: parking.length(PARKED) + parking.length(OPERATIONS) >= 400, what="all of them")
    assert killed, "every command was faster than its killer"
    left = [json.loads(body)["task"] for body, _ in parking.take_all(PARKED)]
    queued = [json.loads(body)["task"] for body, _ in parking.take_all(OPERATIONS)]
    assert set(left) | set(queued) == wanted
    assert len(left) + len(queued) <= 400 + killed
    assert words != ["list"] or not queued
