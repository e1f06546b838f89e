# SPDX-License-Identifier: MIT
"""Answers to single requests: status codes, Accept rules, error bodies, refusals before any effect."""
import pytest
from bodies import cluster_body
from model import check_error, check_system, check_templates

MISSING = "urn:vcloud:entity:cse:nativeCluster:1.0.0:00000000-0000-4000-8000-00000000dead"


def refused(answer, status, *words):
    assert answer.status == status, answer
    text = check_error(answer)
    for word in words:
        assert word in text, text


# What may be given as Accept, and what comes back.
ACCEPTED = ["application/json;version=35.0", "*/*;version=35.0", "*;version=35.0",
            "application/*+json;version=35.0", "APPLICATION/JSON;VERSION=35.0",
            "application/json; version=35.0",
            "text/xml;version=35.0,application/json;version=35.0"]
REFUSED = ["application/json", "application/*+xml;version=35.0", "text/plain"]


@pytest.mark.parametrize("accept", ACCEPTED)
def test_accept_is_understood(alice, accept):
    answer = alice.request("GET", "/api/cse/templates", accept=accept)
    assert answer.status == 200, answer
    check_templates(answer.json)


@pytest.mark.parametrize("accept", REFUSED)
def test_other_accepts_are_406(alice, accept):
    refused(alice.request("GET", "/api/cse/system", accept=accept), 406)


@pytest.mark.parametrize("version", ["33.0", "34.0", "35.0", "36.0"])
def test_system_answers_every_version(alice, version):
    answer = alice.request("GET", "/api/cse/system", accept=f"application/json;version={version}")
    assert answer.status == 200, answer
    check_system(answer.json)


def test_system_tells_administrators_more(cloud, alice):
    admin = cloud.tenant("administrator@System").request("GET", "/api/cse/system").json
    tenant = alice.request("GET", "/api/cse/system").json
    check_system(admin)
    for key in ("python", "all_consumer_threads", "all_threads", "requests_in_progress", "config_file",
                "status"):
        assert key in admin and key not in tenant


@pytest.mark.parametrize("method, path, status", [
    ("GET", "/api/cse", 404),
    ("GET", "/api/cse/nothing", 404),
    ("GET", "/api/cse/3.0/cluster/a/b/c/d", 404),
    ("GET", "/api/cse/3.0/clusters/x/y", 404),
    ("GET", "/api/cse/clusters", 404),  # of the API before 35.0
    ("DELETE", "/api/cse/system", 405),
    ("PUT", "/api/cse/3.0/clusters", 405),
    ("POST", "/api/cse/templates", 405),
    ("GET", "/api/cse/3.0/nativeclusters", 400),
    ("GET", "/api/cse/3.0/ovdcs", 400),
])
def test_paths_and_methods(alice, method, path, status):
    refused(alice.request(method, path, {} if method in ("PUT", "POST") else None), status)


@pytest.mark.parametrize("path", ["/api/cse/template", "/api/cse/TEMPLATES", "/api/cse/templates"])
def test_singular_plural_and_case_are_one(alice, path):
    assert alice.request("GET", path).status == 200


def test_clusters_need_35(alice):
    answer = alice.request("POST", "/api/cse/3.0/clusters", cluster_body(),
                           accept="application/json;version=34.0")
    refused(answer, 404)


@pytest.mark.parametrize("body, words", [
    (b"{", ()),
    (b"[]", ()),
    ({}, ()),
    (cluster_body(kind=None) | {"surprise": 1}, ("surprise",)),
    (cluster_body(metadata={"cluster_name": "x"}), ("org_name",)),
    (cluster_body(spec__settings=None), ("settings",)),
    (cluster_body(spec__k8_distribution=None), ("k8_distribution",)),
    (cluster_body("9starts-with-a-digit"), ("9starts-with-a-digit",)),
    (cluster_body("a" * 26), ("a" * 26,)),
    (cluster_body("under_score"), ("under_score",)),
    (cluster_body(spec__k8_distribution={"template_name": "none", "template_revision": 1}), ("none",)),
    (cluster_body(spec__k8_distribution__template_revision=2), ("2",)),
    (cluster_body(spec__workers__count=-1), ("-1",)),
    (cluster_body(spec__nfs__count=1), ("not supported",)),
    (cluster_body(spec__control_plane__count=3), ("3",)),
    (cluster_body(spec__workers__storage_profile="gold"), ("gold",)),
    (cluster_body(spec__workers__sizing_class="huge"), ("huge",)),
    (cluster_body(spec__settings__network="nowhere"), ("nowhere",)),
    (cluster_body(spec__settings__network="isolated-network"), ("isolated-network",)),
    (cluster_body(spec__settings__network="dhcp-network"), ("dhcp-network",)),
    (cluster_body(metadata__ovdc_name="other-vdc"), ("other-vdc",)),
    (cluster_body(kind="native"), ("kind",)),
])
def test_bad_creates_are_refused_and_leave_nothing(cloud, alice, body, words):
    state = cloud.vcd.state()
    answer = alice.request("POST", "/api/cse/3.0/clusters", body)
    assert 400 <= answer.status < 500 and answer.status != 401, answer
    text = check_error(answer)
    for word in words:
        assert word in text, text
    assert cloud.vcd.state() == state


@pytest.mark.parametrize("user, words", [
    ("bob@tenant1", ()),            # may not create
    ("carol@tenant1", ("expose",)),  # may not touch the edge
])
def test_missing_rights_are_403(cloud, user, words):
    state = cloud.vcd.state()
    answer = cloud.tenant(user).request("POST", "/api/cse/3.0/clusters", cluster_body())
    refused(answer, 403, *words)
    assert cloud.vcd.state() == state


def test_another_orgs_network_is_not_found(cloud):
    answer = cloud.tenant("dave@tenant2").request("POST", "/api/cse/3.0/clusters", cluster_body())
    assert answer.status in (400, 403, 404), answer
    check_error(answer)


@pytest.mark.parametrize("method, suffix", [
    ("GET", ""), ("PUT", ""), ("DELETE", ""), ("GET", "/config"),
])
def test_unknown_clusters(alice, method, suffix):
    answer = alice.request(method, f"/api/cse/3.0/cluster/{MISSING}{suffix}",
                           cluster_body() if method == "PUT" else None)
    assert answer.status in (403, 404), answer
    check_error(answer)


def test_system_can_be_switched_by_administrators_only(alice):
    answer = alice.request("PUT", "/api/cse/system", {"server_action": "disable"})
    refused(answer, 403)


def test_an_expired_token_is_401(cloud):
    stranger = cloud.tenant("alice@tenant1")
    stranger.token = stranger.token[:-8] + "AAAAAAAA"
    assert stranger.request("GET", "/api/cse/templates").status == 401


def test_large_bodies_are_refused(alice):
    body = cluster_body(spec__settings__ssh_key="x" * 600_000)
    answer = alice.request("POST", "/api/cse/3.0/clusters", body)
    assert 400 <= answer.status < 500, answer
    check_error(answer)
    assert alice.request("GET", "/api/cse/system").status == 200
