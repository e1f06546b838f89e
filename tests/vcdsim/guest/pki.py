# SPDX-License-Identifier: MIT
"""Certificates of a simulated cluster, all real, by the openssl command."""
import base64
import calendar
import hashlib
import hmac
import ipaddress
import json
import os
import ssl
import tempfile
import time

from simlib import make_certificate, read, run


def decode(text):
    return base64.b64decode(text).decode()


def not_valid_reason(crt, key, now):
    """Why kubeadm would refuse this CA, or None."""
    dates = run('openssl', 'x509', '-in', crt, '-noout', '-startdate', '-enddate').split('\n')
    begin, end = (calendar.timegm(time.strptime(line.split('=')[1], '%b %d %H:%M:%S %Y %Z'))
                  for line in dates[:2])
    if now < begin:
        return 'failure loading ca certificate: the certificate is not valid yet'
    if now > end:
        return 'failure loading ca certificate: the certificate has expired'
    if run('openssl', 'x509', '-in', crt, '-noout', '-pubkey') != \
            run('openssl', 'pkey', '-in', key, '-pubout'):
        return 'the certificate does not belong to the key'
    if 'CA:TRUE' not in run('openssl', 'x509', '-in', crt, '-noout', '-ext', 'basicConstraints'):
        return 'the certificate is not a CA'
    return None


def make_ca(folder):
    os.makedirs(folder, exist_ok=True)
    run('openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '3650', '-subj',
        '/CN=kubernetes', '-keyout', folder + '/ca.key', '-out', folder + '/ca.crt', '-config',
        '/sim/openssl.cnf', '-addext', 'basicConstraints=critical,CA:TRUE')


def server_names(init, cluster):
    """SANs as kubeadm makes them."""
    services = ipaddress.ip_network(cluster['networking']['serviceSubnet'])
    names = [init['nodeRegistration']['name'], 'kubernetes', 'kubernetes.default',
             'kubernetes.default.svc', 'kubernetes.default.svc.cluster.local']
    addresses = [str(services[1]), init['localAPIEndpoint']['advertiseAddress'],
                 cluster['controlPlaneEndpoint'].split(':')[0]]
    addresses += (cluster.get('apiServer') or {}).get('certSANs') or []
    return ['DNS:' + name for name in names] + \
        ['IP:' + text for text in dict.fromkeys(addresses)]


def make_server(folder, names):
    make_certificate(
        folder + '/ca.crt', folder + '/ca.key', folder + '/apiserver.key', folder + '/apiserver.crt',
        '/CN=kube-apiserver',
        'extendedKeyUsage=serverAuth\nsubjectAltName=' + ','.join(names) + '\n')


def make_client(folder, name, subject):
    make_certificate(folder + '/ca.crt', folder + '/ca.key', f'{folder}/{name}.key',
                     f'{folder}/{name}.crt', subject, 'extendedKeyUsage=clientAuth\n')


def take_client(folder, name):
    """(certificate, key) as text; kubeadm keeps these in kubeconfig files only."""
    texts = read(f'{folder}/{name}.crt'), read(f'{folder}/{name}.key')
    os.unlink(f'{folder}/{name}.crt')
    os.unlink(f'{folder}/{name}.key')
    return texts


def make_request(name):
    """(signing request, key) of a node."""
    key = run('openssl', 'ecparam', '-name', 'prime256v1', '-genkey', '-noout')
    with tempfile.NamedTemporaryFile('w') as file:
        file.write(key)
        file.flush()
        request = run('openssl', 'req', '-new', '-key', file.name, '-subj',
                      '/O=system:nodes/CN=system:node:' + name, '-config', '/sim/openssl.cnf')
    return request, key


def public_key_hash(pem):
    key = run('openssl', 'x509', '-noout', '-pubkey', stdin=pem)
    der = ssl.PEM_cert_to_DER_cert(key.replace('PUBLIC KEY', 'CERTIFICATE'))
    return 'sha256:' + hashlib.sha256(der).hexdigest()


def base64url(data):
    return base64.urlsafe_b64encode(data).decode().rstrip('=')


def jws_sign(payload, token_id, token_secret):
    """Detached JWS (HS256), as the bootstrap signer adds it to cluster-info."""
    header = base64url(json.dumps({'alg': 'HS256', 'kid': token_id}).encode())
    text = f'{header}.{base64url(payload.encode())}'.encode()
    key = f'{token_id}.{token_secret}'.encode()
    return f'{header}..{base64url(hmac.new(key, text, "sha256").digest())}'


def jws_is_right(signature, payload, token):
    wanted = jws_sign(payload, *token.split('.'))
    return hmac.compare_digest(signature.encode(), wanted.encode())
