#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Turns a tenant's cluster file (YAML) into the JSON body that the CLI sends: every default filled.

usage: cluster_body.py FILE [member.path=json value]...
"""
import json
import sys

import yaml

NODES = {"sizing_class": None, "storage_profile": None, "count": 1}
STATUS = {"phase": None, "cni": None, "task_href": None, "kubernetes": None, "docker_version": None,
          "os": None, "nodes": None, "exposed": False}


def complete(given):
    """The body for what the file gives; a KeyError names what it must give."""
    spec = given["spec"]
    return {
        "metadata": {key: given["metadata"][key] for key in ("cluster_name", "org_name", "ovdc_name")},
        "spec": {
            "control_plane": NODES | (spec.get("control_plane") or {}),
            "workers": NODES | (spec.get("workers") or {}),
            "nfs": NODES | {"count": 0} | (spec.get("nfs") or {}),
            "k8_distribution": spec["k8_distribution"],
            "settings": {"network": spec["settings"]["network"],
                         "ssh_key": spec["settings"].get("ssh_key"),
                         "rollback_on_failure": spec["settings"].get("rollback_on_failure", True)},
            "expose": spec.get("expose", False),
        },
        "status": dict(STATUS),
        "kind": given.get("kind", "k8s"),
        "api_version": given.get("api_version", ""),
    }


def set_member(body, path, value):
    """Sets body[a][b] for the path a.b."""
    *parents, last = path.split(".")
    for key in parents:
        body = body[key]
    body[last] = value


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        body = complete(yaml.safe_load(file))
    for change in sys.argv[2:]:
        path, value = change.split("=", 1)
        set_member(body, path, json.loads(value))
    json.dump(body, sys.stdout)


if __name__ == "__main__":
    main()
