#!/usr/bin/python3 -sE
# SPDX-License-Identifier: MIT
"""Stand-in for kubectl inside a guest: apply -f, get as table or jsonpath, delete secret."""
import os
import re
import sys

sys.path.insert(0, '/sim')
from simlib import fail, kubeconfig_api, read, yaml_documents  # noqa: E402

PATHS = {'nodes': '/api/v1/nodes', 'node': '/api/v1/nodes',
         'deployment': '/apis/apps/v1/namespaces/{}/deployments',
         'secret': '/api/v1/namespaces/{}/secrets'}


CONFIG = [os.environ.get('KUBECONFIG')]


def call(method, path, body=None):
    try:
        api = kubeconfig_api(CONFIG[0])
        return api.call(method, path, body)
    except OSError as error:
        return fail(f'Unable to connect to the server: {error}')


def apply(path):
    for document in yaml_documents(read(path)):
        kind, meta = document['kind'], document['metadata']
        group = 'api/v1' if document['apiVersion'] == 'v1' else 'apis/' + document['apiVersion']
        status, body = call('POST', f"/{group}/namespaces/{meta['namespace']}/{kind.lower()}s", document)
        if status not in (201, 409):
            fail(f'Error from server: {body}')
        print(f"{kind.lower()}/{meta['name']} {'created' if status == 201 else 'configured'}")


def jsonpath(value, expression):
    """Evaluates {.a.b[*].c} to the list of what it finds."""
    found = [value]
    for key, star in re.findall(r'\.([A-Za-z]+)(\[\*\])?', expression):
        found = [one[key] for one in found if isinstance(one, dict) and key in one]
        if star:
            found = [inner for one in found for inner in one]
    return ' '.join(str(one) for one in found)


def get(words, options):
    path = PATHS[words[0]].format(options['namespace'])
    if len(words) > 1:
        path += '/' + words[1]
    status, body = call('GET', path)
    if status != 200:
        fail(f'Error from server: {body}')
    if options['o'].startswith('jsonpath='):
        sys.stdout.write(jsonpath(body, options['o'][9:]))
        return
    for node in body.get('items', [body]):
        ready = {c['type']: c['status'] for c in node['status']['conditions']}['Ready']
        print(f"{node['metadata']['name']}  {'Ready' if ready == 'True' else 'NotReady'}  <none>  1m")


def delete(words, options):
    status, body = call('DELETE', PATHS[words[0]].format(options['namespace']) + '/' + words[1])
    if status != 200 and not (status == 404 and options['ignore-not-found']):
        fail(f'Error from server: {body}')


def main():
    words, options = [], {'namespace': 'default', 'o': '', 'ignore-not-found': False, 'f': None}
    arguments = sys.argv[1:]
    while arguments:
        word = arguments.pop(0)
        if word in ('-n', '-o', '-f'):
            options[{'-n': 'namespace', '-o': 'o', '-f': 'f'}[word]] = arguments.pop(0)
        elif word.startswith('--kubeconfig='):
            CONFIG[0] = word.partition('=')[2]
        elif word == '--ignore-not-found':
            options['ignore-not-found'] = True
        elif not word.startswith('--request-timeout=') and word != '--no-headers':
            words.append(word)
    if words == ['apply'] and options['f']:
        apply(options['f'])
    elif words[0] == 'get':
        get(words[1:], options)
    elif words[0] == 'delete':
        delete(words[1:], options)
    else:
        fail('kubectl: not simulated: ' + ' '.join(words))


main()
