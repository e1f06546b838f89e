# SPDX-License-Identifier: MIT
"""Request bodies as the CLI sends them."""
import copy

import yaml

from cloud import ROOT
from cluster_body import complete, set_member

DEMO = yaml.safe_load((ROOT / "deploy" / "demo-cluster.yaml").read_text())


def cluster_body(name="tkg1", **changes):
    """The demo's cluster under another name; changes as spec__workers__count=2."""
    body = complete(copy.deepcopy(DEMO))
    body["metadata"]["cluster_name"] = name
    for path, value in changes.items():
        set_member(body, path.replace("__", "."), value)
    return copy.deepcopy(body)
