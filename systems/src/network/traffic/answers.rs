//! What clients keep of the name service's answers: who asked for a headless Service goes on with the addresses until their TTL is over.
//!
//! Source: `spec/networking.md` §9. Choice: a client asks anew the moment its answer is too old, and keeps none that says that there is no
//! such name, as CoreDNS' cache does for the cluster's zone.

use bevy_ecs::resource::Resource;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use wavetank_engine::ids::Uid;
use wavetank_engine::model::network::Endpoint;
use wavetank_engine::time::{SimDuration, SimTime};

/// Answers that clients keep, by the place of their flow. ECS resource.
#[derive(Debug, Clone, Default, Serialize, Deserialize, Resource)]
pub(super) struct Answers(BTreeMap<u64, Kept>);

/// An answer, renewed whenever its time is over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Kept {
    /// The pod that asked; `None`: any of a Service.
    source: Option<Uid>,
    /// When it asked first.
    since: SimTime,
    endpoints: Vec<(Endpoint, u16)>,
}

impl Answers {
    /// The endpoints that a client uses now, where the name service would tell of `fresh`, and when it will ask again if that makes a
    /// difference.
    pub(super) fn used(
        &mut self,
        flow: usize,
        source: Option<Uid>,
        fresh: Vec<(Endpoint, u16)>,
        (now, ttl): (SimTime, SimDuration),
    ) -> (Vec<(Endpoint, u16)>, Option<SimTime>) {
        let addresses =
            |list: &[(Endpoint, u16)]| -> Vec<(u32, Option<Uid>)> { list.iter().map(|(one, _)| (one.ip, one.pod_uid)).collect() };
        let kept = self.0.get_mut(&(flow as u64)).filter(|kept| kept.source == source && !kept.endpoints.is_empty());
        if let Some(kept) = kept.filter(|_| ttl > SimDuration::ZERO) {
            if addresses(&kept.endpoints) == addresses(&fresh) {
                return (fresh, None);
            }
            // It has asked each time that its answer was over.
            let age = now.since(kept.since).0 % ttl.0;
            if age > 0 {
                return (kept.endpoints.clone(), Some(SimTime(now.0 + ttl.0 - age)));
            }
            kept.endpoints.clone_from(&fresh);
            return (fresh, None);
        }
        self.0.insert(flow as u64, Kept { source, since: now, endpoints: fresh.clone() });
        (fresh, None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wavetank_engine::names::{Name, Sym};

    /// A time, the addresses that there are and those that are used, and when to look again.
    type Row = (u64, &'static [u32], &'static [u32], Option<u64>);

    #[test]
    fn answers_are_kept_until_they_are_too_old() {
        let list = |ips: &[u32]| -> Vec<(Endpoint, u16)> {
            let of = |&ip: &u32| Endpoint {
                ip,
                node: Sym::EMPTY,
                zone: Sym::EMPTY,
                hostname: Sym::EMPTY,
                pod: Name::default(),
                pod_uid: None,
                ready: true,
                serving: true,
                terminating: false,
            };
            ips.iter().map(|ip| (of(ip), 80)).collect()
        };
        let ttl = SimDuration::from_secs(30);
        let mut answers = Answers::default();
        // At a time in seconds the name service would tell of some addresses; the client uses others and asks again at a time.
        let table: [Row; 9] = [
            (5, &[], &[], None),
            (7, &[1, 2], &[1, 2], None),
            (7, &[1, 2, 3], &[1, 2, 3], None),
            (50, &[1, 2], &[1, 2, 3], Some(67)),
            (55, &[4], &[1, 2, 3], Some(67)),
            (67, &[4], &[4], None),
            // It asked at 97 and at 127 and was told the same.
            (130, &[], &[4], Some(157)),
            (157, &[], &[], None),
            (158, &[5], &[5], None),
        ];
        for (at, fresh, used, again) in table {
            let got = answers.used(0, None, list(fresh), (SimTime::from_secs(at), ttl));
            let ips: Vec<u32> = got.0.iter().map(|(endpoint, _)| endpoint.ip).collect();
            assert_eq!((ips.as_slice(), got.1), (used, again.map(SimTime::from_secs)), "at {at} s");
        }
        let at = (SimTime::from_secs(159), ttl);
        assert_eq!(answers.used(0, Some(Uid(7)), list(&[6]), at).0, list(&[6]), "another client asks for itself");
        assert_eq!(answers.used(0, Some(Uid(7)), list(&[8]), (at.0, SimDuration::ZERO)).0, list(&[8]), "a TTL of nothing");
    }
}
