//! Nodes as JSON: what their kubelets would say now, heartbeat times and the machine among it.

use super::{Cx, map_of, put};
use crate::api::objects::{Objects, Row};
use crate::ids::{Kind, ObjectKey, uid_text};
use crate::model::meta::Condition;
use crate::model::node::{Node, NodeStatus};
use crate::names::Sym;
use crate::time::SimTime;
use serde_json::{Map, Value, json};
use std::net::Ipv4Addr;

/// The version that everything here is modelled on.
const KUBELET_VERSION: &str = "v1.36.2";
/// Where kubelets listen.
const KUBELET_PORT: u16 = 10250;

impl Cx<'_> {
    pub(super) fn node(&self, node: &Node) -> Value {
        let mut spec = map_of(node.rest.value());
        if node.pod_cidr.1 > 0 {
            let cidr = format!("{}/{}", Ipv4Addr::from(node.pod_cidr.0), node.pod_cidr.1);
            put(&mut spec, "podCIDRs", json!([cidr]));
            put(&mut spec, "podCIDR", cidr);
        }
        if node.unschedulable {
            put(&mut spec, "unschedulable", true);
        }
        if !node.taints.is_empty() {
            let taints = node.taints.iter().map(|taint| {
                let mut out = Map::new();
                put(&mut out, "key", self.text(taint.key));
                self.put_text(&mut out, "value", taint.value);
                put(&mut out, "effect", taint.effect.text());
                if let Some(at) = taint.added_at {
                    put(&mut out, "timeAdded", self.time(at));
                }
                Value::Object(out)
            });
            put(&mut spec, "taints", taints.collect::<Vec<_>>());
        }
        Value::Object(spec)
    }

    pub(super) fn node_status(&self, row: &Row, status: &NodeStatus) -> Value {
        let mut out = map_of(status.rest.value());
        put(&mut out, "capacity", self.resources(&status.capacity));
        put(&mut out, "allocatable", self.resources(&status.allocatable));
        let heartbeat = status.heartbeat_from.map(|from| {
            // Heartbeat times move every five minutes while nothing changes. Source: `spec/kubelet.md` §2.
            let span = self.sim.now().since(from).as_secs() / 300 * 300;
            SimTime(from.0 + span * 1_000_000_000)
        });
        let conditions: Vec<Value> = status
            .conditions
            .iter()
            .map(|condition| {
                let shown =
                    Condition { update_at: heartbeat.filter(|&at| at > condition.update_at).unwrap_or(condition.update_at), ..*condition };
                self.condition(&shown, Some("lastHeartbeatTime"))
            })
            .collect();
        if !conditions.is_empty() {
            put(&mut out, "conditions", conditions);
        }
        let name = self.names.render(row.key.name);
        if status.address != 0 {
            let address = Ipv4Addr::from(status.address).to_string();
            put(&mut out, "addresses", json!([{"type": "InternalIP", "address": address}, {"type": "Hostname", "address": name}]));
        }
        if let Some(from) = status.heartbeat_from {
            let given = out.get("nodeInfo").cloned().unwrap_or_default();
            put(&mut out, "nodeInfo", self.node_info(&name, from, &given));
            out.entry("daemonEndpoints").or_insert_with(|| json!({"kubeletEndpoint": {"Port": KUBELET_PORT}}));
        }
        Value::Object(out)
    }

    /// What a kubelet says of its machine: what the node's manifest or pool says of it, and for the rest one machine's words for all.
    /// The ids of machine and system follow from the node's name, that of the boot from when its kubelet began.
    fn node_info(&self, name: &str, began_at: SimTime, given: &Value) -> Value {
        let machine = uid_text(self.seed, "machine", "", name, SimTime::ZERO);
        let mut info = json!({
            "architecture": "amd64", "bootID": uid_text(self.seed, "boot", "", name, began_at),
            "containerRuntimeVersion": "containerd://2.2.1", "kernelVersion": "6.12.57-amd64", "kubeProxyVersion": "",
            "kubeletVersion": KUBELET_VERSION, "machineID": machine.replace('-', ""), "operatingSystem": "linux",
            "osImage": "Debian GNU/Linux 13 (trixie)", "systemUUID": machine,
        });
        for (field, value) in given.as_object().into_iter().flatten() {
            info[field] = value.clone();
        }
        info
    }

    /// The address of the node with a name; `None` when it has none, or is not there.
    pub(super) fn address_of(&self, node: Sym) -> Option<String> {
        if node.is_empty() {
            return None;
        }
        let key = ObjectKey { kind: Kind::Node, namespace: Sym::EMPTY, name: self.names.find_name(self.text(node))? };
        let status = self.sim.state::<NodeStatus>(self.sim.get::<Objects>().by_key(key)?)?;
        (status.address != 0).then(|| Ipv4Addr::from(status.address).to_string())
    }
}
