# SPDX-License-Identifier: MIT
"""A cloud with more in it than the demo's: things that do not fit, and another tenant's things."""
import copy
import json

from cloud import SEED

TENANT1, TENANT2 = 1, 2
SMALL_EDGE_RANGE = ("127.60.1.10", "127.60.1.10")
# Users of tenant1 who may do all that alice may, but for this.
LACKING = {
    "no-full": "cse:nativeCluster: Full Access",
    "no-compose": "vApp: Create / Reconfigure",
    "no-delete": "vApp: Delete",
    "no-gateway": "Organization vDC Gateway: View",
    "no-nat-view": "Organization vDC Gateway: View NAT",
    "no-nat": "Organization vDC Gateway: Configure NAT",
}


def urn(kind, prefix, number):
    return f"urn:vcloud:{kind}:{prefix}000000-0000-4000-8000-{number:012d}"


def user_urn(seed, name):
    return "urn:vcloud:user:" + next(user["id"] for user in seed["users"] if user["name"] == name)


def of_tenant(document, number):
    """The document moved to another tenant's org and VDC."""
    vdc = {"name": f"tenant{number}-vdc", "id": urn("vdc", "0d", number)}
    document.update(orgVdc=vdc, ownerRef=vdc,
                    orgRef={"name": f"tenant{number}", "id": urn("org", "0e", number)})
    return document


class Wide:
    def __init__(self):
        self.seed = json.loads(SEED.read_text())
        self.network_count, self.edge_count = len(self.seed["networks"]), len(self.seed["edges"])

    def edge(self, name, subnet, first, last, tenant=TENANT1, kind="NSXT_BACKED"):
        edge = of_tenant(copy.deepcopy(self.seed["edges"][0]), tenant)
        self.edge_count += 1
        edge.update(id=urn("gateway", "0b", self.edge_count), name=name)
        edge["gatewayBacking"].update(backingId=name, gatewayType=kind)
        uplink = edge["edgeGatewayUplinks"][0]
        uplink["uplinkId"] = urn("network", "0a", 90 + self.edge_count)
        uplink["subnets"]["values"][0].update(
            gateway=f"{subnet}.1", primaryIp=f"{subnet}.2",
            ipRanges={"values": [{"startAddress": first, "endAddress": last}]})
        self.seed["edges"].append(edge)
        return edge

    def network(self, name, subnet, last=99, tenant=TENANT1, edge=None, kind="NAT_ROUTED"):
        """A network whose static pool is <subnet>.10 to <subnet>.<last>."""
        network = of_tenant(copy.deepcopy(self.seed["networks"][0]), tenant)
        self.network_count += 1
        network.update(id=urn("network", "0a", self.network_count), name=name, networkType=kind,
                       backingNetworkId="segment-" + name)
        network["subnets"]["values"][0].update(
            gateway=f"{subnet}.1", dnsServer1=f"{subnet}.1",
            ipRanges={"values": [{"startAddress": f"{subnet}.10", "endAddress": f"{subnet}.{last}"}]})
        if edge:
            network["connection"]["routerRef"] = {"name": edge["name"], "id": edge["id"]}
        self.seed["networks"].append(network)
        return network

    def template(self, name, number, **metadata):
        template = copy.deepcopy(self.seed["templates"][0])
        item = f"{name}_rev{metadata.get('revision', '1')}"
        for index, key in enumerate(("id", "vm_id", "item_id")):
            template[key] = f"07000000-0000-4000-8000-{10 * number + index:012d}"
        template["name"] = item
        template["metadata"].update(name=name, catalog_item_name=item, **metadata)
        template["metadata"] = {k: v for k, v in template["metadata"].items() if v is not None}
        self.seed["templates"].append(template)

    def user(self, name, lacking):
        """One of tenant1 with a role of its own; password as for all."""
        number = len(self.seed["users"]) + 1
        role = copy.deepcopy(next(role for role in self.seed["roles"] if role["name"] == "Cluster Author"))
        role.update(name=f"Role {name}", id=f"0f000000-0000-4000-8000-{number:012d}")
        role["rights"] = [right for right in role["rights"] if right != lacking]
        self.seed["roles"].append(role)
        self.seed["users"].append({"name": name, "password": f"{name}-password", "org": "tenant1",
                                   "id": f"0a0a0000-0000-4000-8000-{number:012d}", "role": role["name"]})


def wide(folder):
    """Writes the seed; its path."""
    it = Wide()
    it.network("small-network", "127.50.3", last=11)
    it.network("far-network", "127.50.4", tenant=TENANT2)
    it.network("old-network", "127.50.5",
               edge=it.edge("old-edge", "127.60.5", "127.60.5.10", "127.60.5.19", kind="NSXV_BACKED"))
    it.network("tight-network", "127.50.6",
               edge=it.edge("tight-edge", "127.60.6", "127.60.6.10", "127.60.6.11"))
    it.network("far-routed", "127.50.7", tenant=TENANT2,
               edge=it.edge("far-edge", "127.60.7", "127.60.7.10", "127.60.7.19", tenant=TENANT2))
    it.template("plain", 2, kind="native", cse_prepared=None)
    it.template("other-kind", 3, kind="native")
    profile = {"name": "far-profile",
               "id": "urn:vcloud:vdcstorageProfile:0c0c0000-0000-4000-8000-000000000009"}
    it.seed["vdcs"][1]["storage_profiles"].append(profile)
    for name, right in LACKING.items():
        it.user(name, right)
    it.user("reader", None)
    path = folder / "seed.json"
    path.write_text(json.dumps(it.seed, indent=1))
    return path
