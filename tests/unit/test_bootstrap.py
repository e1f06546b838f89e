# SPDX-License-Identifier: MIT
"""The pieces of the nodes' program (worker/guest), each called by itself with bash."""
import base64
import hashlib
import hmac
import os
import pathlib
import re
import subprocess

import pytest
import yaml

GUEST = pathlib.Path(__file__).resolve().parents[2] / "worker" / "guest"
PARTS = ["base", "message", "system", "images", "kubeadm", "phases", "main"]
KEY = "00ff102030405060708090a0b0c0d0e0f0112233445566778899aabbccddeeff"
TOKEN = "abcdef.0123456789abcdef"
DATA = {"version": "1", "role": "control-plane", "name": "mstr-ab12", "ip": "10.1.2.3",
        "cluster": "urn:vcloud:entity:cse:nativeCluster:1", "endpoint": "10.1.2.3:6443",
        "external": "192.0.2.7", "ca_hash": "sha256:" + "ab" * 32, "pod_cidr": "100.66.0.0/16",
        "service_cidr": "100.77.0.0/16", "token_ttl_s": "7200", "deadline_s": "30",
        "kubernetes": "1.20.4-vmware.1", "workers": "2", "ssh_key": "ssh-rsa AAAA me\n"}
IMAGES = """kube-apiserver.tar registry.example/tkg/kube-apiserver:v1.20.4_vmware.1
kube-proxy.tar registry.example/tkg/kube-proxy:v1.20.4_vmware.1
etcd.tar registry.example:5000/tkg/etcd:v3.4.13_vmware.7
coredns.tar registry.example/tkg/coredns/coredns:v1.7.0_vmware.8
antrea.tar registry.example/tkg/antrea/antrea-debian:v0.11.3_vmware.2
"""


def encoded(text):
    return base64.b64encode(text.encode()).decode()


def lines(fields):
    return "".join(f"{key} {encoded(value)}\n"
                   for key, value in fields.items())


class Guest:
    """A folder that plays the guest: state, commands that note how they were called, one program."""

    def __init__(self, folder):
        self.folder, self.state = folder, folder / "state"
        self.bin, self.box = folder / "bin", folder / "box"
        for made in (self.state, self.bin, self.box, folder / "opt" / DATA["kubernetes"]):
            made.mkdir(parents=True)
        (folder / "opt" / DATA["kubernetes"] / "images.list").write_text(IMAGES)
        self.program = folder / "program"
        self.program.write_text("".join((GUEST / f"{part}.sh").read_text() for part in PARTS))
        self.data(**DATA)
        (self.state / "secret").write_text(lines({"token": TOKEN, "key": KEY}))
        self.command("kubeadm", "echo ${KUBEADM_SAYS:-v1.20.4+vmware.1}")
        self.command("docker", '[ "$*" != "info -f {{.CgroupDriver}}" ] || echo cgroupfs')
        self.command("sleep", ":")
        self.command("vmtoolsd", f"""
            box={self.box}
            read -r verb key value <<<"$2"
            case $verb in
            info-get) cat "$box/$key" 2>/dev/null || {{ echo "No value found" >&2; exit 1; }} ;;
            info-set) printf '%s' "${{2#info-set "$key" }}" >"$box/$key" ;;
            esac""")

    def command(self, name, text):
        """A command on the program's path that first notes its arguments."""
        path = self.bin / name
        path.write_text(f'#!/bin/bash\nprintf "%s\\n" "{name} $*" >>"{self.folder}/calls"\n{text}\n')
        path.chmod(0o755)

    def calls(self):
        path = self.folder / "calls"
        return path.read_text() if path.exists() else ""

    def data(self, **fields):
        (self.state / "data").write_text(lines(fields))

    def run(self, text, stdin="", status=0, **environment):
        environment = {"PATH": f"{self.bin}:{os.environ['PATH']}", "CSE_STATE": str(self.state),
                       "CSE_PREPARED": str(self.folder / "opt"), "CSE_SELF": str(self.program),
                       "CSE_PKI": str(self.folder / "pki"), "CSE_NO_MAIN": "1", **environment}
        done = subprocess.run(["/bin/bash", "-c", f'source "{self.program}"\n{text}'], input=stdin,
                              capture_output=True, text=True, env=environment, check=False)
        assert done.returncode == status, done.stderr
        return done.stdout

    def message(self, kind):
        return (self.box / f"guestinfo.cse.{kind}").read_text()


@pytest.fixture
def guest(tmp_path):
    return Guest(tmp_path)


def mac(text, key=KEY):
    return hmac.new(bytes.fromhex(key), text.encode(), hashlib.sha256).hexdigest()


@pytest.mark.parametrize("key", [KEY, "00" * 32, "ff" * 16, "0a" * 64])
@pytest.mark.parametrize("text", ["", "phase|node-1|1|join|done", "100% \\x41 %s 'q' \"d\" $HOME\n-n"])
def test_hmac(guest, key, text):
    assert guest.run('hmac_hex "$KEY" "$TEXT"', KEY=key, TEXT=text) == mac(text, key)


def test_a_field_keeps_its_bytes(guest):
    (guest.state / "data").write_text(lines({"a": "one\ntwo\n\n", "aa": "x", "empty": ""}))
    assert guest.run("data a") == "one\ntwo\n\n"
    assert guest.run("data aa") == "x"
    assert guest.run("data empty; data none") == ""


def test_messages_are_numbered_and_authenticated(guest):
    guest.run("say_phase init running; say_phase init 'done'; printf 'a\\nb' | say_text report")
    assert guest.message("phase") == f"v1 2 init done {mac('phase|mstr-ab12|2|init|done')}"
    text = base64.b64encode(b"a\nb").decode()
    assert guest.message("report") == f"v1 3 {text} {mac(f'report|mstr-ab12|3|{text}')}"
    assert KEY not in guest.calls()


def test_a_message_that_tools_would_cut_is_not_sent(guest):
    guest.run("head -c 50000 /dev/zero | say_text kubeconfig", status=1)
    assert not (guest.box / "guestinfo.cse.kubeconfig").exists()


def test_the_kubeconfig_is_in_no_arguments_and_no_process_can_read_it(guest):
    """vmtoolsd takes values as arguments only, and any process reads guestinfo: what goes there is sealed."""
    secret = "client-key-data: " + "QUJD" * 100
    guest.command("openssl", 'exec /usr/bin/openssl "$@"')
    guest.run("seal | say_text kubeconfig", stdin=secret)
    body = base64.b64decode(guest.message("kubeconfig").split()[2])
    assert secret.encode() not in body
    for text in (secret, encoded(secret), mac("seal"), KEY):
        assert text not in guest.calls()
    opened = subprocess.run(["openssl", "enc", "-d", "-aes-256-cbc", "-md", "sha256", "-pass",
                             "pass:" + mac("seal")], input=body, capture_output=True, check=True)
    assert opened.stdout.decode() == secret


def test_inputs_are_taken_once_and_then_emptied(guest):
    (guest.state / "secret").unlink()
    (guest.box / "guestinfo.cse.data").write_text(encoded("name bmV3\n"))
    (guest.box / "guestinfo.cse.secret").write_text(encoded(lines({"key": "11" * 32})))
    guest.run("inputs_take")
    assert (guest.state / "secret").read_text() == lines({"key": "11" * 32})
    assert (guest.state / "secret").stat().st_mode & 0o777 == 0o600
    assert guest.message("secret").strip() == ""
    # A power cycle may bring a value back: it is emptied again and not taken.
    (guest.box / "guestinfo.cse.secret").write_text(encoded(lines({"key": "22" * 32})))
    guest.run("inputs_take")
    assert (guest.state / "secret").read_text() == lines({"key": "11" * 32})
    assert guest.message("secret").strip() == ""
    assert guest.run("data name") == "new"


def test_another_ca_brings_another_secret_until_the_node_has_joined(guest):
    def told(byte):
        (guest.box / "guestinfo.cse.data").write_text(
            encoded(lines({**DATA, "ca_hash": "sha256:" + byte * 32})))
        (guest.box / "guestinfo.cse.secret").write_text(encoded(lines({"key": byte * 32})))
        guest.run("inputs_take")
        return (guest.state / "secret").read_text() == lines({"key": byte * 32})
    assert told("11") and told("22")
    for stamp in "done.init", "done.join":
        (guest.state / stamp).touch()
        assert not told("33")
        (guest.state / stamp).unlink()
    assert told("44")


def test_without_data_or_secret_nothing_begins(guest):
    (guest.state / "data").unlink()
    guest.run("inputs_take", status=1)


@pytest.mark.parametrize("key, value", [
    ("version", "2"), ("role", "worker; reboot"), ("name", "Mstr"), ("name", ""), ("ip", "10.1.2"),
    ("endpoint", "10.1.2.3:6444"), ("external", "host"), ("ca_hash", "sha256:12"),
    ("pod_cidr", '1.2.3.4/16"\nx: y'), ("token_ttl_s", "0"), ("deadline_s", "-1"),
    ("kubernetes", "../../etc"), ("workers", "many")])
def test_odd_data_is_refused_by_name(guest, key, value):
    guest.run("inputs_check")
    guest.data(**{**DATA, key: value})
    guest.run(f"set +o pipefail; inputs_check 2>&1 | grep ': {key} is not valid'")


def test_a_first_boot_tells_what_is_odd_a_later_one_goes_on_trying(guest):
    guest.data(**{**DATA, "workers": "many"})
    guest.run("unset CSE_NO_MAIN; conditions_run inputs", status=3)
    assert guest.message("phase").split()[2:4] == ["system", "failed"]
    error = base64.b64decode(guest.message("error").split()[2]).decode()
    assert "guest data: workers is not valid" in error
    (guest.state / "done.system").touch()
    guest.run("unset CSE_NO_MAIN; conditions_run inputs", status=1)


def test_secrets_are_forgotten_by_name(guest):
    guest.run("secret_forget ca_key token")
    assert (guest.state / "secret").read_text() == lines({"key": KEY})
    guest.run("secret_forget key; secret_forget key")
    assert (guest.state / "secret").read_text() == ""


def test_errors_are_short_and_hold_no_token(guest):
    body = "M" * 64
    (guest.state / "join.log").write_text("x" * 5000 + f"\njoin --token {TOKEN}\n{body}\nlast line\n")
    guest.run("say_error join 4")
    text = base64.b64decode(guest.message("error").split()[2]).decode()
    assert text.startswith("phase join, exit code 4\n") and text.endswith("last line\n")
    assert len(text) <= 1024 and TOKEN not in text and body not in text


@pytest.mark.parametrize("line, kept", [
    ("password: hunter2 was refused", "password: *** was refused"),
    ("{\"token\":\"abc\",\"user\":\"u\"}", "{\"token\":\"***\",\"user\":\"u\"}"),
    ("Authorization: Basic YWxpY2U6cGFzcw==", "Authorization: ***"),
    ("got Bearer hunter2hunter2 for it", "got Bearer *** for it"),
    ("    client-key-data: LS0tLS1CRUdJ", "    client-key-data: ***"),
    ("MIIEowIBAAKCAQEAuQ==", "***"),
    ('the token "abcdef" was not found', 'the token "abcdef" was not found'),
    ("[ERROR FileAvailable--etc-kubernetes-pki-ca.crt]: /etc/kubernetes/pki/ca.crt already exists",
     "[ERROR FileAvailable--etc-kubernetes-pki-ca.crt]: /etc/kubernetes/pki/ca.crt already exists")])
def test_secrets_do_not_leave_the_guest(guest, line, kept):
    assert guest.run("redact", stdin=line + "\n") == kept + "\n"


def config(guest, function, version, runtime):
    if runtime == "containerd":
        (guest.bin / "docker").unlink()
        guest.command("ctr", ":")
        guest.command("containerd", "echo '  SystemdCgroup = true'")
    text = guest.run(f"facts_read; {function}", KUBEADM_SAYS=version,
                     PATH=f"{guest.bin}:/usr/bin:/bin" if runtime == "docker" else
                     f"{guest.bin}:{no_docker(guest)}")
    return {document["kind"]: document for document in yaml.safe_load_all(text)}


def no_docker(guest):
    """A path with the host's commands, less the container tools it may have."""
    folder = guest.folder / "host"
    folder.mkdir()
    for name in os.listdir("/usr/bin"):
        if name not in ("docker", "ctr", "containerd") and not (guest.bin / name).exists():
            (folder / name).symlink_to(f"/usr/bin/{name}")
    return folder


VERSIONS = [("v1.20.4+vmware.1", "docker", "v1beta2", "/var/run/dockershim.sock", "cgroupfs"),
            ("v1.22.0", "containerd", "v1beta3", "/run/containerd/containerd.sock", "systemd"),
            ("v1.30.1", "containerd", "v1beta3", "unix:///run/containerd/containerd.sock", "systemd"),
            ("v1.32.4", "containerd", "v1beta4", "unix:///run/containerd/containerd.sock", "systemd")]


@pytest.mark.parametrize("version, runtime, api, socket, driver", VERSIONS)
def test_init_config(guest, version, runtime, api, socket, driver):
    made = config(guest, "config_init", version, runtime)
    init, cluster = made["InitConfiguration"], made["ClusterConfiguration"]
    assert init["apiVersion"] == cluster["apiVersion"] == "kubeadm.k8s.io/" + api
    assert init["bootstrapTokens"][0]["token"] == TOKEN
    assert init["bootstrapTokens"][0]["ttl"] == "7200s"
    assert init["localAPIEndpoint"] == {"advertiseAddress": "10.1.2.3", "bindPort": 6443}
    check_node(init["nodeRegistration"], api, socket)
    assert cluster["kubernetesVersion"] == version
    assert cluster["controlPlaneEndpoint"] == "10.1.2.3:6443"
    assert cluster["apiServer"]["certSANs"] == ["10.1.2.3", "192.0.2.7"]
    assert cluster["imageRepository"] == "registry.example/tkg"
    assert cluster["dns"] == {"imageRepository": "registry.example/tkg/coredns",
                              "imageTag": "v1.7.0_vmware.8"}
    etcd = cluster["etcd"]["local"]
    assert etcd["imageRepository"] == "registry.example:5000/tkg"
    assert etcd["imageTag"] == "v3.4.13_vmware.7"
    assert arguments(etcd["extraArgs"], api) == {
        "listen-client-urls": "https://127.0.0.1:2379,https://10.1.2.3:2379"}
    assert cluster["networking"] == {"podSubnet": "100.66.0.0/16", "serviceSubnet": "100.77.0.0/16"}
    assert made["KubeletConfiguration"]["cgroupDriver"] == driver
    assert "cloud-provider" not in str(made)


def arguments(value, api):
    """extraArgs as a map, after a check of the form that this version wants."""
    assert isinstance(value, list) == (api == "v1beta4")
    return {one["name"]: one["value"] for one in value} if isinstance(value, list) else value


def check_node(node, api, socket):
    assert node["name"] == "mstr-ab12" and node["criSocket"] == socket
    assert arguments(node["kubeletExtraArgs"], api) == {"node-ip": "10.1.2.3"}


@pytest.mark.parametrize("version, runtime, api, socket, driver", VERSIONS)
def test_join_config(guest, version, runtime, api, socket, driver):
    join = config(guest, "config_join 50", version, runtime)["JoinConfiguration"]
    assert join["apiVersion"] == "kubeadm.k8s.io/" + api
    assert join["discovery"]["bootstrapToken"] == {
        "apiServerEndpoint": "10.1.2.3:6443", "token": TOKEN, "caCertHashes": [DATA["ca_hash"]]}
    assert join["discovery"]["tlsBootstrapToken"] == TOKEN
    limit = join["timeouts"]["discovery"] if api == "v1beta4" else join["discovery"]["timeout"]
    assert limit == "50s"
    check_node(join["nodeRegistration"], api, socket)


def test_an_unexposed_cluster_has_no_external_name(guest):
    guest.data(**{**DATA, "external": ""})
    made = config(guest, "config_init", "v1.20.4", "docker")
    assert made["ClusterConfiguration"]["apiServer"]["certSANs"] == ["10.1.2.3"]


def test_an_image_list_without_etcd_is_an_error(guest):
    listed = guest.folder / "opt" / DATA["kubernetes"] / "images.list"
    listed.write_text(re.sub(r"etcd.*\n", "", IMAGES))
    guest.run("facts_read; config_init", status=1)


def test_images_are_loaded_and_looked_for(guest):
    guest.command("docker", f"""
        case $1 in
        image) grep -qF "load $3" "{guest.folder}/loaded" 2>/dev/null ;;
        load) grep -F "$(basename "$4") " "{guest.folder}/opt/{DATA['kubernetes']}/images.list" |
            sed 's/^[^ ]* /load /' >>"{guest.folder}/loaded" ;;
        esac""")
    guest.run("facts_read; phase_images")
    assert len((guest.folder / "loaded").read_text().split("\n")) == 6
    loads = guest.calls().count("docker load")
    guest.run("facts_read; phase_images")
    assert guest.calls().count("docker load") == loads


def test_an_archive_without_its_image_is_an_error(guest):
    guest.command("docker", '[ "$1" != image ]')
    guest.run("facts_read; phase_images", status=1)


def program_of(guest, text):
    """Puts another program in the place of the phases' own process."""
    guest.program.write_text(guest.program.read_text().replace(
        'bash "$SELF" phase "$1"', f'bash "{guest.folder}/phase" "$1"'))
    (guest.folder / "phase").write_text(text)


def test_a_phase_is_stamped_and_not_run_again(guest):
    program_of(guest, f'echo "$1" >>"{guest.folder}/ran"')
    guest.run("phase_run init; phase_run init")
    assert (guest.folder / "ran").read_text() == "init\n"
    assert guest.message("phase").split()[1:4] == ["2", "init", "done"]


def test_a_phase_is_tried_again_before_it_is_given_up(guest):
    program_of(guest, f'echo once more; echo >>"{guest.folder}/ran"; exit 9')
    guest.run("phase_run init", status=3)
    assert (guest.folder / "ran").read_text() == "\n" * 3
    assert guest.message("phase").split()[2:4] == ["init", "failed"]
    error = base64.b64decode(guest.message("error").split()[2]).decode()
    assert error == "phase init, exit code 9\nonce more\n"
    assert not (guest.state / "done.init").exists()


def test_a_failing_command_is_named(guest):
    done = subprocess.run(["/bin/bash", guest.program, "phase", "cni"], capture_output=True, text=True,
                          check=False, env={"PATH": f"{guest.bin}:/usr/bin:/bin", "CSE_STATE": guest.state,
                                            "CSE_PREPARED": guest.folder / "opt",
                                            "KUBECTL_SAYS": "no"})
    assert done.returncode == 127 or "kubectl" in done.stderr
    assert 'cse: failed: kubectl --request-timeout=30s apply -f "$(prepared_dir)/cni.yaml"' in done.stderr


def test_a_cut_phase_is_undone_first(guest):
    guest.run("facts_read; undo_begun init", PATH=f"{guest.bin}:{os.environ['PATH']}")
    assert "kubeadm reset" not in guest.calls()
    guest.run("""
        rm() { :; }
        facts_read
        undo_begun init""")
    assert "kubeadm reset -f --cri-socket /var/run/dockershim.sock" in guest.calls()


def test_joining_goes_on_until_the_deadline(guest):
    guest.run("""
        count=0
        join_once() { ((++count == 4)); }
        phase_join
        exit $count""", status=4)
    guest.data(**{**DATA, "deadline_s": "1"})
    guest.run("""
        join_once() { command sleep 0.3; return 1; }
        sleep() { command sleep 0.3; }
        phase_join""", status=1)


def stub(guest, argument):
    """Runs the customization script with its folders moved."""
    text = (GUEST / "stub.sh").read_text()
    for folder in ("/usr/local/sbin", "/etc/systemd/system"):
        (guest.folder / folder[1:]).mkdir(parents=True, exist_ok=True)
        text = re.sub(rf"^([pu]=){folder}", rf"\1{guest.folder}{folder}", text, flags=re.M)
    return subprocess.run(["/bin/sh", "-c", text, "customize.sh", argument], capture_output=True, text=True,
                          check=False, env={"PATH": f"{guest.bin}:/usr/bin:/bin"})


def packed(text):
    done = subprocess.run("gzip -9nc | base64 -w0", shell=True, input=text.encode(), check=True,
                          capture_output=True)
    return done.stdout.decode()


def test_the_stub_acts_only_after_customization(guest):
    guest.command("systemctl", ":")
    assert stub(guest, "precustomization").returncode == 0
    assert guest.calls() == ""
    (guest.box / "guestinfo.cse.program").write_text(packed("#!/bin/bash\nexit 0\n"))
    done = stub(guest, "postcustomization")
    assert done.returncode == 0, done.stderr
    program = guest.folder / "usr/local/sbin/cse-bootstrap"
    assert program.read_text() == "#!/bin/bash\nexit 0\n"
    assert program.stat().st_mode & 0o777 == 0o700
    assert "systemctl start --no-block cse-bootstrap.service" in guest.calls()
    # Customized again without the key: the program stays.
    (guest.box / "guestinfo.cse.program").unlink()
    assert stub(guest, "postcustomization").returncode == 0
    assert program.read_text() == "#!/bin/bash\nexit 0\n"


def test_the_stub_fails_without_a_program(guest):
    guest.command("systemctl", ":")
    assert stub(guest, "postcustomization").returncode != 0
    assert "systemctl" not in guest.calls()
