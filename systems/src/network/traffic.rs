//! Where requests go: each Service's rate is shared by its ready endpoints, as its EndpointSlices say.
//!
//! | | |
//! |---|---|
//! | reads  | `EndpointSlice`, `Flows` |
//! | writes | `Arrivals` |
//! | woken  | an EndpointSlice of a Service came, changed or went; a Service went |
//! | source | kubernetes v1.36, `pkg/proxy/topology.go`, `CategorizeEndpoints`; `spec/networking.md` §6 |
//!
//! Rates, not packets: nothing wakes when a rate changes, whoever reads a metric integrates the curve. Without a ready endpoint the
//! serving ones among those that are going away take the requests; without these the requests are lost. All endpoints get the same
//! share, whatever the zone: hints and `Local` policies do not steer here.

use crate::network::reach::{Candidate, Hint, Policies, categorize};
use bevy_ecs::prelude::{Res, ResMut};
use wavetank_engine::api::queue::Work;
use wavetank_engine::api::state::Changes;
use wavetank_engine::api::store::{Listing, View};
use wavetank_engine::ids::{Kind, ObjectKey, Uid};
use wavetank_engine::model::network::{Endpoint, EndpointSlice};
use wavetank_engine::names::Names;
use wavetank_engine::scene::arrivals::{Arrivals, Flow, Flows, Share};
use wavetank_engine::scene::targets::Target;
use wavetank_engine::scene::traffic::TrafficSources;
use wavetank_engine::simulation::Simulation;
use wavetank_engine::simulation::route::{Wake, Whom};

/// The work queue: Services.
pub struct TrafficQueue;

/// What changes who gets requests.
pub const WAKES: &[Wake] = &[
    Wake { kind: Kind::EndpointSlice, on: Changes::ADDED.or(Changes::SPEC).or(Changes::GONE), whom: Whom::Controller(Kind::Service) },
    Wake { kind: Kind::Service, on: Changes::GONE, whom: Whom::Itself },
];

/// Registers the sharing of requests. The scene's sources must be there, or there are none.
pub fn install(sim: &mut Simulation) {
    sim.ensure::<TrafficSources>();
    let sources = sim.get::<TrafficSources>().clone();
    let flows = flows(&mut sim.get_mut::<Names>(), &sources);
    sim.resource(flows);
    sim.keep(Arrivals::default());
    sim.behaviour::<TrafficQueue, _, _>("traffic", "kube-proxy", WAKES, sync);
}

/// The sources by where they come from and go to.
fn flows(names: &mut Names, sources: &TrafficSources) -> Flows {
    let mut flows = Flows::default();
    for source in &sources.0 {
        match flows.0.iter_mut().find(|flow| flow.to == source.to && flow.from == source.from) {
            Some(flow) => flow.rates.push(source.rate.clone()),
            None => {
                let service = Target::parse(&source.to).filter(|_| !source.to.starts_with("http://")).map(|target| ObjectKey {
                    kind: Kind::Service,
                    namespace: names.sym(&target.namespace),
                    name: names.name(&target.name),
                });
                flows.0.push(Flow { to: source.to.clone(), service, from: source.from.clone(), rates: vec![source.rate.clone()] });
            }
        }
    }
    flows
}

/// The pods among which requests are shared: those that a proxy uses for the policy Cluster, without hints.
pub fn receivers<'a>(endpoints: impl Iterator<Item = &'a Endpoint>) -> Vec<Uid> {
    let candidate = |endpoint: &Endpoint| Candidate {
        local: false,
        ready: endpoint.ready,
        serving: endpoint.serving,
        terminating: endpoint.terminating,
        node_hint: Hint::Absent,
        zone_hint: Hint::Absent,
    };
    let (pods, candidates): (Vec<Uid>, Vec<Candidate>) = endpoints.filter_map(|one| Some((one.pod_uid?, candidate(one)))).unzip();
    let reach = categorize(&candidates, Policies { internal_local: false, external_local: false, external: false });
    reach.cluster.into_iter().flatten().map(|place| pods[place]).collect()
}

fn sync(
    mut work: Work<TrafficQueue>,
    slices: View<TrafficQueue, EndpointSlice>,
    listing: Listing<TrafficQueue>,
    flows: Res<Flows>,
    mut arrivals: ResMut<Arrivals>,
) {
    while let Some(item) = work.pop() {
        let Some(key) = listing.answered(item.object).map(|row| row.key) else { continue };
        let Some(flow) = flows.0.iter().position(|flow| flow.service == Some(key)) else { continue };
        let lives = listing.knows(item.object);
        let present: Vec<&EndpointSlice> =
            listing.controlled(item.object.uid).filter_map(|slice| slices.get(slice)).filter(|_| lives).collect();
        let share = Share::among(receivers(present.iter().flat_map(|slice| &slice.endpoints)));
        arrivals.spread(&flows, flow, share, work.now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wavetank_engine::names::{Name, Sym};

    #[test]
    fn who_takes_requests() {
        // r: ready, t: serving though going away, n: neither; numbered from 1.
        for (endpoints, want) in [("", vec![]), ("rnr", vec![1, 3]), ("rt", vec![1]), ("ntt", vec![2, 3]), ("n", vec![])] {
            let endpoint = |(at, state): (usize, char)| Endpoint {
                ip: at as u32 + 1,
                node: Sym::EMPTY,
                zone: Sym::EMPTY,
                hostname: Sym::EMPTY,
                pod: Name::default(),
                pod_uid: Some(Uid(at as u64 + 1)),
                ready: state == 'r',
                serving: state != 'n',
                terminating: state == 't',
            };
            let list: Vec<Endpoint> = endpoints.chars().enumerate().map(endpoint).collect();
            let want: Vec<Uid> = want.into_iter().map(Uid).collect();
            assert_eq!(receivers(list.iter()), want, "{endpoints}");
        }
    }
}
