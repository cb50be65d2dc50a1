//! The cluster's network as a scene describes it: the proxy's mode, the cloud's load balancers, the plug-in that connects pods.

use crate::scene::format::DurationText;
use crate::time::{SimDuration, SimTime};
use bevy_ecs::resource::Resource;
use serde::de::Error;
use serde::{Deserialize, Deserializer};
use std::net::Ipv4Addr;

/// The network: `network: (proxy_mode: ipvs, load_balancers: (ready_after: "30s"))`. ECS resource.
#[derive(Debug, Clone, Deserialize, Resource)]
#[serde(deny_unknown_fields, default)]
pub struct NetworkSettings {
    /// Mode of every node's kube-proxy.
    pub proxy_mode: ProxyMode,
    /// The cloud's load balancers; without them Services of that type stay pending.
    pub load_balancers: Option<LoadBalancers>,
    /// The plug-in that connects pods.
    pub cni: Cni,
    /// How long answers of the name service may be kept.
    #[serde(deserialize_with = "span")]
    pub dns_ttl: SimDuration,
}

/// TTL of the cluster's zone as kubeadm sets it. Source: `spec/networking.md` §9.
const DNS_TTL: SimDuration = SimDuration::from_secs(30);

impl Default for NetworkSettings {
    fn default() -> NetworkSettings {
        NetworkSettings { proxy_mode: ProxyMode::default(), load_balancers: None, cni: Cni::default(), dns_ttl: DNS_TTL }
    }
}

/// How kube-proxy sends connections on. Source: `spec/networking.md` §6.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum ProxyMode {
    #[default]
    Iptables,
    Ipvs,
    Nftables,
    /// Of old: connections end in the proxy itself, which opens others, in turn to each endpoint.
    Userspace,
}

/// Plug-ins that connect pods. Source: `spec/networking.md` §12.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Cni {
    /// Routes without an overlay between nodes; enforces NetworkPolicies.
    #[default]
    Calico,
    /// VXLAN between nodes; ignores NetworkPolicies.
    Flannel,
}

/// What the cloud does for Services of the type LoadBalancer. Source: `spec/networking.md` §5.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LoadBalancers {
    /// How long the cloud needs for one.
    #[serde(deserialize_with = "span")]
    pub ready_after: SimDuration,
    /// How long the cloud needs to take one away.
    #[serde(deserialize_with = "span")]
    pub gone_after: SimDuration,
    /// Addresses that it gives, lowest first.
    pub addresses: Range,
    /// Calls that would end in one of these spans fail: `[("1m", "2m")]`.
    pub fails: Vec<Outage>,
    /// Most load balancers at a time.
    pub at_most: Option<u32>,
    /// It gives a name instead of an address, as some clouds do.
    pub hostnames: bool,
}

impl Default for LoadBalancers {
    fn default() -> LoadBalancers {
        LoadBalancers {
            ready_after: SimDuration::from_secs(30),
            gone_after: SimDuration::from_secs(10),
            addresses: Range { from: u32::from(Ipv4Addr::new(203, 0, 113, 1)), count: 254 },
            fails: Vec::new(),
            at_most: None,
            hostnames: false,
        }
    }
}

impl LoadBalancers {
    /// Whether a call that ends now fails.
    pub fn fails_at(&self, now: SimTime) -> bool {
        self.fails.iter().any(|outage| outage.from <= now && now < outage.until)
    }
}

/// A span in which the cloud does not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outage {
    /// Its beginning.
    pub from: SimTime,
    /// Its end.
    pub until: SimTime,
}

impl<'de> Deserialize<'de> for Outage {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Outage, D::Error> {
        let (from, until) = <(DurationText, DurationText)>::deserialize(deserializer)?;
        if until <= from {
            return Err(D::Error::custom(format!("found an outage from {} to {}, expected an end after its beginning", from.0, until.0)));
        }
        Ok(Outage { from: SimTime(from.0.0), until: SimTime(until.0.0) })
    }
}

/// Addresses one after the other, written as a CIDR; network and broadcast address are left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// The first, as a big-endian number.
    pub from: u32,
    /// How many.
    pub count: u32,
}

impl<'de> Deserialize<'de> for Range {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Range, D::Error> {
        let text = String::deserialize(deserializer)?;
        range(&text).ok_or_else(|| D::Error::custom(format!("found {text:?}, expected addresses such as \"203.0.113.0/24\"")))
    }
}

fn range(text: &str) -> Option<Range> {
    let (address, length) = text.split_once('/')?;
    let (address, length): (Ipv4Addr, u32) = (address.parse().ok()?, length.parse().ok()?);
    if !(8..=30).contains(&length) {
        return None;
    }
    let size = 1_u32 << (32 - length);
    Some(Range { from: (u32::from(address) & !(size - 1)) + 1, count: size - 2 })
}

fn span<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SimDuration, D::Error> {
    DurationText::deserialize(deserializer).map(|text| text.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        let first = |text| range(text).map(|range| (Ipv4Addr::from(range.from).to_string(), range.count));
        assert_eq!(first("203.0.113.0/24"), Some(("203.0.113.1".into(), 254)));
        assert_eq!(first("10.1.2.7/30"), Some(("10.1.2.5".into(), 2)));
        for wrong in ["10.0.0.0", "10.0.0.0/33", "10.0.0/24", "10.0.0.0/31", "x/8"] {
            assert_eq!(first(wrong), None, "{wrong}");
        }
    }
}
