# SPDX-License-Identifier: MIT
"""What the stand-ins of a simulated guest share: what the guest is, a small YAML reader, TLS calls.

Every connection leaves from the guest's own address, since the endpoints judge where a caller sits.
"""
import base64
import http.client
import json
import os
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import uuid

VM_FILE = '/etc/sim/vm.json'
ADDRESS_FILE = '/etc/sim/address'  # "ip prefix gateway", written by customization
KUBERNETES = '/etc/kubernetes'


def vm():
    with open(VM_FILE, encoding='utf-8') as file:
        return json.load(file)


def template(name, fallback):
    return vm()['template'].get(name, fallback)


def address():
    """This guest's (ip, prefix, gateway), or None before customization."""
    try:
        with open(ADDRESS_FILE, encoding='utf-8') as file:
            return tuple(file.read().split())
    except OSError:
        return None


def now():
    """Seconds since 1970 by this guest's clock, which a template may set wrong."""
    return time.time() + template('clock_skew_s', 0)


def write(path, text, mode=0o644):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path + '.tmp', 'w', encoding='utf-8') as file:
        os.fchmod(file.fileno(), mode)
        file.write(text)
    os.replace(path + '.tmp', path)


def read(path):
    with open(path, encoding='utf-8') as file:
        return file.read()


def run(*argv, stdin=None):
    result = subprocess.run(argv, input=stdin, capture_output=True, text=True, check=False)
    if result.returncode:
        fail(f'{argv[0]} {argv[1]}: {result.stderr.strip()[-300:]}')
    return result.stdout


def fail(text, status=1):
    print(text, file=sys.stderr)
    sys.exit(status)


def tell_simulator(text):
    """Sends an event through the same mailbox as vmtoolsd; no answer is waited for."""
    name = f'/run/vmtools/{{}}.{uuid.uuid4().hex}'
    with open(name.format('tmp'), 'w', encoding='utf-8') as file:
        file.write('sim-event ' + text)
    os.replace(file.name, file.name.replace('/tmp.', '/req.'))


# --- YAML: block maps and lists, quoted and plain scalars, flow lists of scalars. Nothing else. ---

def scalar(text):
    text = text.strip()
    if text.startswith('{') or (text.startswith('[') and text.endswith(']')):
        try:
            return json.loads(text)
        except ValueError:
            raise ValueError(f'not understood: {text}') from None
    if len(text) > 1 and text[0] == text[-1] and text[0] in '"\'':
        return text[1:-1]
    if text in ('', 'null', '~'):
        return None
    if text in ('true', 'false'):
        return text == 'true'
    return int(text) if text.isdigit() else text


def yaml_lines(text):
    for line in text.split('\n'):
        stripped = line.strip()
        if stripped and not stripped.startswith('#'):
            if '\t' in line:
                raise ValueError('a tab in the indentation')
            yield [len(line) - len(line.lstrip()), stripped]


def split_key(text):
    if text.endswith(':'):
        return text[:-1], ''
    key, colon, value = text.partition(': ')
    if not colon or key[:1] in '"\'[{':
        raise ValueError(f'not a mapping: {text}')
    return key, value


def parse_block(lines, indent):
    is_list = lines[0][1] == '-' or lines[0][1].startswith('- ')
    out = [] if is_list else {}
    while lines and lines[0][0] == indent:
        text = lines[0][1]
        if is_list != (text == '-' or text.startswith('- ')):
            break
        if is_list:
            item = text[1:].lstrip()
            inner = indent + len(text) - len(item)
            if item and item[0] not in '"\'[{' and (': ' in item or item.endswith(':')):
                lines[0] = [inner, item]
                out.append(parse_block(lines, inner))
            else:
                lines.pop(0)
                out.append(scalar(item))
            continue
        key, value = split_key(text)
        if key in out:
            raise ValueError(f'{key} stands twice')
        lines.pop(0)
        deeper = lines and (lines[0][0] > indent or
                            (lines[0][0] == indent and lines[0][1].startswith('- ')))
        out[key] = parse_block(lines, lines[0][0]) if not value and deeper else scalar(value)
    if lines and lines[0][0] > indent:
        raise ValueError(f'wrong indentation: {lines[0][1]}')
    return out


def yaml_documents(text):
    documents = []
    for part in ('\n' + text).split('\n---'):
        lines = list(yaml_lines(part))
        if lines:
            if lines[0][1].startswith('{'):
                documents.append(json.loads(part))
                continue
            documents.append(parse_block(lines, lines[0][0]))
            if lines:
                raise ValueError(f'wrong indentation: {lines[0][1]}')
    return documents


# --- Images of the container runtime: one file per reference. ---

def image_file(reference):
    return '/var/lib/simruntime/' + reference.replace('/', '%')


def image_present(reference):
    return os.path.exists(image_file(reference))


def images():
    try:
        return sorted(name.replace('%', '/') for name in os.listdir('/var/lib/simruntime'))
    except OSError:
        return []


# --- Certificates and calls ---

def make_certificate(ca_crt, ca_key, key_file, crt_file, subject, extensions):
    """A key and a certificate signed by the CA, both as files."""
    with tempfile.TemporaryDirectory() as folder:
        with open(folder + '/ext', 'w', encoding='utf-8') as file:
            file.write('basicConstraints=critical,CA:FALSE\n' + extensions)
        os.makedirs(os.path.dirname(key_file), exist_ok=True)
        run('openssl', 'ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', key_file)
        os.chmod(key_file, 0o600)
        request = run('openssl', 'req', '-new', '-key', key_file, '-subj', subject,
                      '-config', '/sim/openssl.cnf')
        write(crt_file, sign_request(ca_crt, ca_key, request, folder + '/ext'))


def sign_request(ca_crt, ca_key, request, extensions_file):
    return run('openssl', 'x509', '-req', '-CA', ca_crt, '-CAkey', ca_key, '-days', '365',
               '-set_serial', str(uuid.uuid4().int >> 64), '-extfile', extensions_file,
               stdin=request)


class Api:
    """Calls to an API server from this guest's address, peer verified unless ca is None."""

    def __init__(self, server, ca=None, cert=None, token=None, timeout=10):
        self.host, port = server.replace('https://', '').split(':')
        self.port = int(port)
        self.token, self.timeout = token, timeout
        self.tls = ssl.create_default_context(ssl.Purpose.SERVER_AUTH)
        if ca is None:
            self.tls.check_hostname = False
            self.tls.verify_mode = ssl.CERT_NONE
        else:
            self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            self.tls.load_verify_locations(cadata=ca)
        if cert:
            self.tls.load_cert_chain(*cert)

    def call(self, method, path, body=None):
        """(status, parsed answer); OSError when there is none."""
        own = address()
        if not own:
            raise OSError('network is unreachable')
        connection = http.client.HTTPSConnection(
            self.host, self.port, timeout=self.timeout, context=self.tls, source_address=(own[0], 0))
        headers = {'Content-Type': 'application/json', 'Accept': 'application/json'}
        if self.token:
            headers['Authorization'] = 'Bearer ' + self.token
        try:
            connection.request(method, path, json.dumps(body) if body is not None else None, headers)
            answer = connection.getresponse()
            text = answer.read().decode()
        except http.client.HTTPException as error:
            raise OSError(f'no answer: {error!r}') from None
        finally:
            connection.close()
        try:
            return answer.status, json.loads(text)
        except ValueError:
            return answer.status, text


def kubeconfig_text(server, ca_pem, user, cert_pem, key_pem):
    data = {name: base64.b64encode(value.encode()).decode()
            for name, value in (('ca', ca_pem), ('cert', cert_pem), ('key', key_pem))}
    return f'''apiVersion: v1
clusters:
- cluster:
    certificate-authority-data: {data['ca']}
    server: {server}
  name: kubernetes
contexts:
- context:
    cluster: kubernetes
    user: {user}
  name: {user}@kubernetes
current-context: {user}@kubernetes
kind: Config
preferences: {{}}
users:
- name: {user}
  user:
    client-certificate-data: {data['cert']}
    client-key-data: {data['key']}
'''


def kubeconfig_api(path, timeout=10):
    """An Api for a kubeconfig file made by kubeconfig_text."""
    config = yaml_documents(read(path))[0]
    cluster, user = config['clusters'][0]['cluster'], config['users'][0]['user']
    ca = base64.b64decode(cluster['certificate-authority-data']).decode()
    with tempfile.NamedTemporaryFile('w', suffix='.pem') as file:
        for member in ('client-certificate-data', 'client-key-data'):
            file.write(base64.b64decode(user[member]).decode())
        file.flush()
        return Api(cluster['server'], ca, (file.name,), timeout=timeout)


def ask_init(command, unit):
    """Asks this guest's init to start or stop a unit; returns its answer."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.connect('/run/systemd.sock')
        client.sendall(f'{command} {unit}\n'.encode())
        return client.makefile().readline().strip()
