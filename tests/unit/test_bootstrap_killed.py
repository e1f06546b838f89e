# SPDX-License-Identifier: MIT
"""The nodes' program (worker/guest) cut off before every command, and started again after a reboot.

What survives a cut is the disk and what VCD keeps of guestinfo. So one run copies both before every
command (a DEBUG trap in bash), and from each state that differs the program is started again, as
systemd does after a boot; it must end as if nothing had happened. A few cuts, chosen by a seed that
is printed (CSE_KILL_SEED), are real: every process of the guest is killed at that command.

The program runs in a sandbox, with stand-ins that are as strict as kubeadm about left-overs.
"""
import base64
import concurrent.futures
import filecmp
import hashlib
import hmac
import os
import pathlib
import random
import shutil
import subprocess

import pytest

GUEST = pathlib.Path(__file__).resolve().parents[2] / "worker" / "guest"
PARTS = ["base", "message", "system", "images", "kubeadm", "phases", "main"]
KEY = "00ff102030405060708090a0b0c0d0e0f0112233445566778899aabbccddeeff"
TOKEN = "abcdef.0123456789abcdef"
VERSION = "1.20.4-vmware.1"
NAMES = {"control-plane": "mstr-ab12", "worker": "node-cd34"}
PHASES = {"control-plane": ["system", "images", "init", "cni", "nodes"],
          "worker": ["system", "images", "join"]}
SEED = int(os.environ.get("CSE_KILL_SEED") or random.SystemRandom().randrange(1 << 30))
REAL_KILLS = int(os.environ.get("CSE_KILL_POINTS", "4"))
IMAGES = ["kube-apiserver:v1", "etcd:v3", "coredns:v1", "cni:v1"]

# Sourced by every bash of the guest. Three functions only compute or read: whoever is cut inside them
# leaves what was there when they were called.
TRAP = """
before_command() {
	local copy
	if [[ -e /cut/at ]]; then
		local n point
		printf . >>/cut/count
		read -r n </cut/count || : # there is no line break
		read -r point </cut/at
		if ((${#n} >= point)); then
			printf '%s\\n' "$BASH_COMMAND" >/cut/killed
			kill -KILL -1
			kill -KILL "$BASHPID"
		fi
		return
	fi
	copy=/cut/$BASHPID.$RANDOM$RANDOM
	cp -a /disk "$copy" >/dev/null 2>&1
	printf '%s\\n' "$BASH_COMMAND" >"$copy/command"
}
case ${0##*/} in
cse-bootstrap | kubeadm)
	set -T
	trap '[[ ${FUNCNAME-} == @(hex_bytes|field|uptime_s) ]] || before_command' DEBUG
	;;
esac
"""

# What a guest's disk is: only what the program changes is copied.
FOLDERS = {"etc": "/etc", "root": "/root", "var": "/var", "box": "/box", "cluster": "/cluster"}

COMMANDS = {
    "sync": ":", "sleep": ":", "swapoff": ":", "modprobe": ":", "sysctl": ":",
    "ip": """case "$*" in
        *addr*) echo '2: ens192    inet 10.1.2.3/24 scope global ens192' ;;
        *) echo 'default via 10.1.2.1 dev ens192' ;;
        esac""",
    "kubelet": "echo Kubernetes v1.20.4",
    "docker": """case "$1 $2" in
        "info -f") echo cgroupfs ;;
        "image inspect") [ -e "/var/lib/runtime/$3" ] ;;
        "load -q") mkdir -p /var/lib/runtime; : >"/var/lib/runtime/$(basename "$4" .tar)" ;;
        esac""",
    # The endpoint is open; everything else takes as long as it takes.
    "timeout": """shift
        [ "$1" = bash ] || exec "$@" """,
    "vmtoolsd": """rest=${2#* }; key=${rest%% *}
        case $2 in
        info-get*) cat "/box/$key" 2>/dev/null || { echo "No value found" >&2; exit 1; } ;;
        *) printf '%s' "${rest#* }" >"/box/$key.$$" && mv "/box/$key.$$" "/box/$key" ;;
        esac""",
    "kubectl": """case "$*" in
        *apply*) : >/cluster/cni ;;
        *'get nodes --no-headers') for node in /cluster/node.*; do
            echo "${node#/cluster/node.} Ready <none> 1m"; done ;;
        *'get node '*) [ -e "/cluster/node.$5" ] ;;
        *coredns*) echo 2 ;;
        *'delete secret '*) rm -f /cluster/token ;;
        esac""",
}

# In bash, so that it is cut like the program itself. A run's number stands in all it leaves. A worker's
# control plane has removed the token as soon as the node is Ready, which it is at once.
KUBEADM = """
K=/etc/kubernetes
refuse() {
	for path in "$@"; do
		[ ! -e "$path" ] || { echo "[ERROR FileAvailable]: $path already exists" >&2; exit 1; }
	done
}
case "$*" in
'version -o short') echo v1.20.4+vmware.1 ;;
'config images list'*) echo kube-apiserver:v1 ;;
init*)
	refuse $K/admin.conf $K/kubelet.conf $K/manifests /var/lib/etcd/member
	grep -qF "$TOKEN" "$3" || exit 1
	cmp -s /sim/ca.crt $K/pki/ca.crt && cmp -s /sim/ca.key $K/pki/ca.key || exit 1
	[ -e /var/lib/runtime/kube-apiserver ] || exit 1
	run=$RANDOM$RANDOM
	cp /sim/apiserver.crt $K/pki/apiserver.crt
	echo "run $run" >$K/admin.conf
	mkdir $K/manifests
	mkdir -p /var/lib/etcd/member
	echo "$run" >/var/lib/etcd/member/run
	echo "run $run" >$K/kubelet.conf
	echo "$TOKEN" >/cluster/token
	: >/cluster/node.mstr-ab12
	;;
join*)
	refuse $K/kubelet.conf $K/bootstrap-kubelet.conf $K/pki/ca.crt
	grep -qF "$TOKEN" "$3" && [ -e /cluster/token ] || { echo "token invalid" >&2; exit 1; }
	mkdir -p $K/pki
	echo bootstrap >$K/bootstrap-kubelet.conf
	cp /sim/ca.crt $K/pki/ca.crt
	echo "run $RANDOM" >$K/kubelet.conf
	mv /cluster/token /cluster/node.node-cd34
	;;
reset*)
	rm -rf $K/manifests
	rm -rf $K/pki
	rm -rf /var/lib/etcd/member
	rm -f $K/admin.conf $K/kubelet.conf $K/bootstrap-kubelet.conf
	[ ! -e /cluster/own ] || rm -f /cluster/node.* /cluster/token
	echo reset >>/cluster/resets
	;;
esac
"""


def encoded(data):
    return base64.b64encode(data if isinstance(data, bytes) else data.encode()).decode()


def lines(fields):
    return "".join(f"{key} {encoded(value)}\n" for key, value in fields.items())


def openssl(*arguments, **more):
    return subprocess.run(["openssl", *arguments], check=True, capture_output=True, **more).stdout


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    """What every guest has, read-only: stand-ins, images, the CA that VCD tells."""
    folder = tmp_path_factory.mktemp("template")
    sim, opt, local = folder / "sim", folder / "opt" / "cse" / VERSION, folder / "local"
    for made in (sim, opt, local / "bin", local / "sbin"):
        made.mkdir(parents=True)
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "9", "-subj", "/CN=kubernetes",
            "-addext", "subjectAltName=DNS:kubernetes,IP:10.1.2.3",
            "-keyout", str(sim / "ca.key"), "-out", str(sim / "ca.crt"))
    shutil.copy(sim / "ca.crt", sim / "apiserver.crt")  # only its names are looked at
    (sim / "trap.sh").write_text(TRAP)
    (opt / "images.list").write_text("".join(f"{one.split(':')[0]}.tar {one.replace(':', ':', 1)}\n"
                                             for one in IMAGES))
    (opt / "cni.yaml").write_text("kind: DaemonSet\n")
    program = local / "sbin" / "cse-bootstrap"
    program.write_text("".join((GUEST / f"{part}.sh").read_text() for part in PARTS))
    program.chmod(0o755)
    commands = {name: f"#!/bin/sh\n{text}\n" for name, text in COMMANDS.items()}
    commands["docker"] = commands["docker"].replace('"/var/lib/runtime/$3"', '"/var/lib/runtime/${3%%:*}"')
    commands["kubeadm"] = f'#!/bin/bash\nTOKEN={TOKEN}\n{KUBEADM}'
    for name, text in commands.items():
        (local / "bin" / name).write_text(text)
        (local / "bin" / name).chmod(0o755)
    return folder


class Machine:
    """A guest's disk and VCD's keys in one folder; `cut` is where the trap puts what it sees."""

    def __init__(self, template, folder, role):
        self.template, self.folder, self.role = template, folder, role
        self.disk, self.cut = folder / "disk", folder / "cut"

    def install(self):
        for name in FOLDERS:
            (self.disk / name).mkdir(parents=True)
        self.cut.mkdir()
        (self.disk / "var" / "lib").mkdir()
        pin = openssl("pkey", "-pubin", "-outform", "der", input=openssl(
            "x509", "-in", str(self.template / "sim" / "ca.crt"), "-noout", "-pubkey"))
        data = {"version": "1", "role": self.role, "name": NAMES[self.role], "ip": "10.1.2.3",
                "cluster": "urn:vcloud:entity:cse:nativeCluster:1", "endpoint": "10.1.2.3:6443",
                "external": "", "ca_hash": "sha256:" + hashlib.sha256(pin).hexdigest(),
                "pod_cidr": "100.66.0.0/16", "service_cidr": "100.77.0.0/16", "token_ttl_s": "7200",
                "deadline_s": "6", "kubernetes": VERSION, "workers": "0", "ssh_key": "ssh-rsa AAAA me\n"}
        secret = {"token": TOKEN, "key": KEY}
        if self.role == "control-plane":
            secret["ca_key"] = (self.template / "sim" / "ca.key").read_text()
            (self.disk / "cluster" / "own").touch()
        else:
            (self.disk / "cluster" / "token").touch()
        self.keys = {"data": encoded(lines(data)), "secret": encoded(lines(secret)),
                     "ca": encoded((self.template / "sim" / "ca.crt").read_bytes())}
        self.power_off()
        return self

    def power_off(self):
        """What a guest has set is lost, what VCD has stored is back."""
        shutil.rmtree(self.disk / "box")
        (self.disk / "box").mkdir()
        for key, value in self.keys.items():
            (self.disk / "box" / f"guestinfo.cse.{key}").write_text(value)

    def again(self, state, folder):
        """A machine with this disk, as it is when it boots."""
        other = Machine(self.template, folder, self.role)
        other.keys = self.keys
        folder.mkdir()
        other.cut.mkdir()
        shutil.copytree(state, other.disk, symlinks=True)
        return other

    def boot(self, trap=False):
        """Runs the unit once; its exit status and what it said."""
        command = ["bwrap", "--unshare-pid", "--unshare-uts", "--unshare-ipc", "--unshare-net",
                   "--new-session", "--die-with-parent", "--cap-drop", "ALL", "--clearenv",
                   "--hostname", NAMES[self.role], "--tmpfs", "/", "--proc", "/proc", "--dev", "/dev",
                   "--tmpfs", "/tmp", "--tmpfs", "/run", "--ro-bind", "/usr", "/usr",
                   "--symlink", "usr/bin", "/bin", "--symlink", "usr/sbin", "/sbin",
                   "--symlink", "usr/lib", "/lib", "--symlink", "usr/lib64", "/lib64",
                   "--ro-bind", self.template / "local", "/usr/local",
                   "--ro-bind", self.template / "sim", "/sim", "--ro-bind", self.template / "opt", "/opt",
                   "--bind", self.cut, "/cut", "--bind", self.disk, "/disk"]
        if os.geteuid() != 0:
            command += ["--unshare-user", "--uid", "0", "--gid", "0"]
        for name, place in FOLDERS.items():
            command += ["--bind", self.disk / name, place]
        for host in ("/etc/alternatives", "/etc/ssl", "/etc/ld.so.cache"):
            command += ["--ro-bind-try", host, host]
        command += ["--setenv", "PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin"]
        if trap:
            command += ["--setenv", "BASH_ENV", "/sim/trap.sh"]
        done = subprocess.run([str(word) for word in [*command, "/usr/local/sbin/cse-bootstrap", "run"]],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=600,
                              check=False)
        return done.returncode, done.stderr

    def start_until_up(self):
        """As systemd: again after a failure, unless the program has given up."""
        for _ in range(3):
            status, text = self.boot()
            if status in (0, 3):
                break
        return status, text

    def message(self, kind):
        """(number, text) of an authentic message."""
        words = (self.disk / "box" / f"guestinfo.cse.{kind}").read_text().split()
        rest = "|".join(words[2:-1])
        signed = f"{kind}|{NAMES[self.role]}|{words[1]}|{rest}"
        assert words[-1] == hmac.new(bytes.fromhex(KEY), signed.encode(), hashlib.sha256).hexdigest()
        return int(words[1]), rest

    def check(self, before=None):
        """The end state is that of a run without a cut. `before`: the disk as it was found."""
        state = self.disk / "var" / "lib" / "cse"
        stamps = sorted(path.name for path in state.glob("done.*"))
        assert stamps == sorted(f"done.{phase}" for phase in PHASES[self.role])
        number, phase = self.message("phase")
        assert phase == ("publish|done" if self.role == "control-plane" else "join|done")
        assert (self.disk / "box" / "guestinfo.cse.secret").read_text().strip() == ""
        assert (self.disk / "cluster" / f"node.{NAMES[self.role]}").exists()
        assert not (self.disk / "cluster" / "token").exists()
        kept = (state / "secret").read_text()
        assert kept == lines({"key": KEY}), "token or CA key are still there"
        for path in self.disk.rglob("*"):
            if path.is_file() and "box" not in path.parts:
                assert TOKEN.encode() not in path.read_bytes(), f"the token is in {path}"
        assert (self.disk / "root/.ssh/authorized_keys").read_text() == "ssh-rsa AAAA me\n"
        assert "ip_forward = 1" in (self.disk / "etc/sysctl.d/99-cse.conf").read_text()
        assert "disabled" in (self.disk / "etc/cloud/cloud.cfg.d/99-cse.cfg").read_text()
        assert (self.disk / "etc/cloud/cloud-init.disabled").exists()
        assert len(list((self.disk / "var/lib/runtime").iterdir())) == len(IMAGES)
        if self.role == "control-plane":
            self.check_control_plane()
        if before:
            self.check_kept(before, number)

    def check_control_plane(self):
        kubernetes = self.disk / "etc" / "kubernetes"
        run = (kubernetes / "admin.conf").read_text()
        assert run == (kubernetes / "kubelet.conf").read_text()
        assert run == "run " + (self.disk / "var/lib/etcd/member/run").read_text()
        assert (self.disk / "root/.kube/config").read_text() == run
        assert filecmp.cmp(kubernetes / "pki/ca.key", self.template / "sim/ca.key", shallow=False)
        assert (kubernetes / "pki/ca.key").stat().st_mode & 0o777 == 0o600
        assert (self.disk / "cluster/cni").exists()
        passphrase = hmac.new(bytes.fromhex(KEY), b"seal", hashlib.sha256).hexdigest()
        opened = openssl("enc", "-d", "-aes-256-cbc", "-md", "sha256", "-pass", "pass:" + passphrase,
                         input=base64.b64decode(self.message("kubeconfig")[1]))
        assert opened.decode() == run
        report = base64.b64decode(self.message("report")[1]).decode()
        assert report == "sans=DNS:kubernetes,IP:10.1.2.3\nnodes=mstr-ab12\nkubelet=v1.20.4\n"

    def check_kept(self, before, number):
        """What was finished before the cut was not done again, what was half done was undone."""
        state = before / "var" / "lib" / "cse"
        if (state / "seq").exists():
            assert number > int((state / "seq").read_text()), "a message has an old number"
        main = "init" if self.role == "control-plane" else "join"
        conf = pathlib.Path("etc/kubernetes/kubelet.conf")
        if (state / f"done.{main}").exists():
            assert (before / conf).read_text() == (self.disk / conf).read_text()
        resets = (self.disk / "cluster/resets").read_text() if (self.disk / "cluster/resets").exists() else ""
        old = (before / "cluster/resets").read_text() if (before / "cluster/resets").exists() else ""
        half = (before / "etc/kubernetes/pki").exists() and not (before / conf).exists()
        if half and (state / f"begun.{main}").exists():
            assert len(resets) > len(old), "a half phase was not undone"


def digest(disk):
    """What a start can depend on: everything but logs, the number of the next message, and what was said."""
    out = hashlib.sha256()
    for path in sorted(disk.rglob("*")):
        if path.suffix == ".log" or path.name in ("tools.err", "command", "seq", "seq.new") or \
                (path.parent.name == "box" and not path.name.endswith(".secret")):
            continue
        out.update(f"{path.relative_to(disk)} {path.lstat().st_mode:o}\0".encode())
        if path.is_file():
            out.update(path.read_bytes())
    return out.hexdigest()


@pytest.fixture(scope="module", params=["control-plane", "worker"])
def whole(request, template, tmp_path_factory):
    """A run that was not cut, with the states it went through."""
    machine = Machine(template, tmp_path_factory.mktemp(request.param), request.param).install()
    status, text = machine.boot(trap=True)
    assert status == 0, text
    machine.check()
    copies = [path for path in machine.cut.iterdir() if (path / "command").exists()]
    machine.states = {digest(path): path for path in copies}
    machine.commands = len(copies)
    return machine


def test_a_guest_cut_before_any_command_ends_as_if_it_was_not(whole, tmp_path):
    """Every other one after a power-off, which brings the secret back and drops what the guest said."""
    def try_one(number, state):
        machine = whole.again(state, tmp_path / str(number))
        command = (machine.disk / "command").read_text().strip()
        if number % 2:
            machine.power_off()
        status, text = machine.start_until_up()
        assert status == 0, f"cut before `{command}` ({state}): exit status {status}\n{text[-3000:]}"
        try:
            machine.check(before=state)
        except AssertionError as error:
            raise AssertionError(f"cut before `{command}` ({state}): {error}\n{text[-3000:]}") from error
        shutil.rmtree(machine.folder)

    states = sorted(whole.states.values())
    print(f"{whole.role}: {whole.commands} commands, {len(states)} states that differ")
    assert whole.commands > 100 and len(states) > 30
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(try_one, number, state) for number, state in enumerate(states)]:
            done.result()


def test_a_guest_killed_at_a_command_ends_as_if_it_was_not(whole, template, tmp_path):
    """Seeded points, with every process of the guest really killed; two kills in a row as well."""
    draw = random.Random(f"{SEED} {whole.role}")
    points = sorted(draw.sample(range(1, whole.commands), REAL_KILLS))
    print(f"{whole.role}: CSE_KILL_SEED={SEED}, killed at {points} of {whole.commands}")
    for point in points:
        machine = Machine(template, tmp_path / str(point), whole.role).install()
        for at in (point, draw.randrange(1, point + 1)):
            (machine.cut / "count").unlink(missing_ok=True)
            (machine.cut / "killed").unlink(missing_ok=True)
            (machine.cut / "at").write_text(f"{at}\n")
            machine.boot(trap=True)
            assert (machine.cut / "killed").exists() or at != point, f"not killed at {at}"
        status, text = machine.start_until_up()
        assert status == 0, f"seed {SEED}, killed at {point}: {text[-3000:]}"
        machine.check()
