# SPDX-License-Identifier: MIT
"""What the CLI's own classes accept: an unknown key, or a missing one, breaks every tenant's list."""

KINDS = ("native", "TKG+", "TKGm", "TanzuKubernetesCluster")
MINOR_CODES = {-1, *range(4000, 4030)}


def keys(value, needed, optional=(), where=""):
    assert isinstance(value, dict), f"{where} is {value!r}, expected an object"
    unknown = set(value) - set(needed) - set(optional)
    missing = set(needed) - set(value)
    assert not unknown, f"{where} has unknown keys {unknown}"
    assert not missing, f"{where} lacks {missing}"


def check_node(node, where, nfs=False):
    keys(node, ("name", "ip"), ("sizing_class", "exports") if nfs else ("sizing_class",), where)


def check_status(status):
    keys(status, (), ("phase", "cni", "task_href", "kubernetes", "docker_version", "os", "nodes",
                      "exposed"), "status")
    assert status["phase"].count(":") == 1
    operation, state = status["phase"].split(":")
    assert operation in ("CREATE", "DELETE", "UPDATE", "UPGRADE", "UNKNOWN")
    assert state in ("IN_PROGRESS", "SUCCEEDED", "FAILED", "UNKNOWN")
    nodes = status.get("nodes")
    if nodes is None:
        return
    keys(nodes, ("workers", "nfs"), ("control_plane",), "nodes")
    assert isinstance(nodes["workers"], list) and isinstance(nodes["nfs"], list)
    if nodes.get("control_plane") is not None:
        check_node(nodes["control_plane"], "control_plane")
    for node in nodes["workers"]:
        check_node(node, "worker")
    for node in nodes["nfs"]:
        check_node(node, "nfs node", nfs=True)


def check_spec(spec):
    keys(spec, ("settings", "k8_distribution"),
         ("control_plane", "workers", "nfs", "expose"), "spec")
    keys(spec["k8_distribution"], ("template_name", "template_revision"), (), "k8_distribution")
    assert isinstance(spec["k8_distribution"]["template_revision"], int)
    keys(spec["settings"], ("network",), ("ssh_key", "rollback_on_failure"), "settings")
    for role in ("control_plane", "workers", "nfs"):
        if spec.get(role) is not None:
            keys(spec[role], (), ("sizing_class", "storage_profile", "count"), role)


def check_entity(entity):
    keys(entity, ("metadata", "spec", "kind"), ("status", "api_version"), "entity")
    keys(entity["metadata"], ("cluster_name", "org_name", "ovdc_name"), (), "metadata")
    assert entity["kind"] in KINDS, entity["kind"]
    check_spec(entity["spec"])
    if "status" in entity:
        check_status(entity["status"])


def no_nulls(value, where="entity"):
    """Stored entities hold no null: readers differ in what they make of one."""
    assert value is not None, f"{where} is null"
    if isinstance(value, dict):
        for key, member in value.items():
            no_nulls(member, f"{where}.{key}")
    elif isinstance(value, list):
        for index, member in enumerate(value):
            no_nulls(member, f"{where}[{index}]")


def check_def_entity(reply):
    keys(reply, ("entity",), ("name", "id", "entityType", "externalId", "state", "owner", "org"),
         "cluster")
    for member in ("owner", "org"):
        if reply.get(member) is not None:
            keys(reply[member], (), ("name", "id"), member)
    check_entity(reply["entity"])


def check_mutation(reply):
    check_def_entity(reply)
    assert "/task/" in reply["entity"]["status"]["task_href"]


def check_list(reply):
    for key in ("resultTotal", "pageCount", "values"):
        assert key in reply
    for value in reply["values"]:
        for key in ("name", "org", "entity", "owner"):
            assert key in value, f"list entry lacks {key}"
        check_entity(value["entity"])


def check_entity_type(reply):
    keys(reply, (), ("name", "description", "schema", "interfaces", "vendor", "nss", "version", "id",
                     "externalId", "readonly"), "entity type")


def check_system(reply):
    assert reply["cse_server_api_version"] in ("33.0", "34.0", "35.0")
    for key in ("product", "description", "version"):
        assert isinstance(reply[key], str)


def check_templates(reply):
    assert isinstance(reply, list) and reply
    for template in reply:
        for key in ("name", "revision", "is_default", "catalog", "catalog_item", "description"):
            assert key in template, f"template lacks {key}"


def check_message(reply):
    keys(reply, ("message",), (), "reply")
    assert isinstance(reply["message"], str)


def check_error(answer):
    """An error body as the CLI parses it; returns its text."""
    assert "json" in answer.headers["Content-Type"]
    reply = answer.json
    keys(reply, ("message",), (), "error")
    keys(reply["message"], ("minor error code", "error description"), (), "error")
    assert reply["message"]["minor error code"] in MINOR_CODES
    assert reply["message"]["error description"]
    return reply["message"]["error description"]


MODELS = {
    "def_entity": check_def_entity,
    "mutation": check_mutation,
    "list": check_list,
    "entity_type": check_entity_type,
    "system": check_system,
    "templates": check_templates,
    "message": check_message,
}
