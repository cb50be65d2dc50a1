//! Gathers what the order of deletion looks at.

use super::pass::{Belongs, Pass};
use super::rank::{Candidate, deletion_cost, rank_by_node, victims};
use super::turn::{facts_of, pod_facts};
use super::{Reads, Sets, Tables};
use wavetank_engine::draw::draw;
use wavetank_engine::ids::{Kind, ObjRef, uid_text};
use wavetank_engine::model::meta::condition;
use wavetank_engine::model::pod::{ContainerStatus, PodStatus};
use wavetank_engine::names::Sym;
use wavetank_engine::time::SimTime;
use wavetank_engine::words;

/// The pods that a set deletes, first to die first.
///
/// Choice: the original begins from the order of its cache, which is that of a hash; we from the order of identity texts.
pub(super) fn choose<K: Sets>(reads: &Reads<K>, tables: &Tables, set: ObjRef, count: u32, now: SimTime) -> Vec<ObjRef> {
    let mut pods = active_pods(reads, tables, set, now);
    if (count as usize) < pods.len() {
        let mut candidates: Vec<(ObjRef, Candidate)> = pods.iter().map(|&pod| (pod, candidate(reads, tables, pod))).collect();
        match tables.shuffle.0 {
            None => candidates.sort_unstable_by_key(|(_, candidate)| candidate.uid),
            Some(seed) => candidates.sort_by_cached_key(|(pod, candidate)| draw(seed, "order of pods", candidate.uid, pod.uid.0)),
        }
        pods = candidates.iter().map(|&(pod, _)| pod).collect();
        let mut candidates: Vec<Candidate> = candidates.into_iter().map(|(_, candidate)| candidate).collect();
        rank_by_node(&mut candidates, related_nodes(reads, tables, set, now));
        return victims(&candidates, count as usize, now).into_iter().map(|at| pods[at]).collect();
    }
    pods
}

fn active_pods<K: Sets>(reads: &Reads<K>, tables: &Tables, set: ObjRef, now: SimTime) -> Vec<ObjRef> {
    let Some(facts) = facts_of(reads, tables, set) else { return Vec::new() };
    let mut pass = Pass::new(facts, &tables.labels, &tables.selectors, now);
    let is_active = |pod: &ObjRef| pod_facts(reads, *pod).is_some_and(|facts| pass.add(&facts) == Belongs::Active);
    reads.listing.controlled(set.uid).filter(is_active).collect()
}

/// Nodes of the active pods of all sets with the same controller. A set without a controller has no relatives.
///
/// The original finds the pods by the sets' selectors; we by their controllers, which differs only where sets with overlapping selectors
/// have different owners.
fn related_nodes<K: Sets>(reads: &Reads<K>, tables: &Tables, set: ObjRef, now: SimTime) -> Vec<Sym> {
    let Some(controller) = reads.metas.get(set).and_then(|meta| meta.controller_uid()) else { return Vec::new() };
    let is_set = |sibling: &ObjRef| reads.listing.row(*sibling).is_some_and(|row| row.key.kind == K::KIND);
    let siblings = reads.listing.controlled(controller).filter(is_set);
    let pods = siblings.flat_map(|sibling| active_pods(reads, tables, sibling, now));
    pods.filter_map(|pod| reads.pods.get(pod).map(|pod| pod.node)).collect()
}

fn candidate<K: Sets>(reads: &Reads<K>, tables: &Tables, pod: ObjRef) -> Candidate {
    let (meta, status) = (reads.metas.get(pod).expect("it was just counted"), reads.pod_statuses.get(pod).expect("pods have a status"));
    let ready = condition(&status.conditions, words::READY);
    let cost = tables.labels.get(meta.annotations, words::POD_DELETION_COST);
    let names = &tables.names;
    let uid = uid_text(tables.seed.0, &tables.kinds.word(Kind::Pod), names.text(meta.namespace), &names.render(meta.name), meta.created_at);
    Candidate {
        node: reads.pods.get(pod).map_or(Sym::EMPTY, |pod| pod.node),
        phase: status.phase,
        ready: status.ready(),
        deletion_cost: cost.map_or(0, |text| deletion_cost(names.text(text))),
        related: 0,
        ready_at: ready.map_or(SimTime::ZERO, |ready| ready.transition_at.cut_to_second()),
        restarts: restarts(status, tables, reads.pods.get(pod).map(|pod| pod.class)),
        created_at: meta.created_at.cut_to_second(),
        uid: u128::from_str_radix(&uid.replace('-', ""), 16).expect("an identity is 32 digits to base 16"),
    }
}

/// Most restarts of one container, and of one sidecar.
fn restarts(status: &PodStatus, tables: &Tables, class: Option<wavetank_engine::model::pod_class::ClassId>) -> (u32, u32) {
    let most = |containers: &mut dyn Iterator<Item = &ContainerStatus>| containers.map(|container| container.restarts).max().unwrap_or(0);
    let sidecars = class.map(|class| tables.classes.get(class)).into_iter().flat_map(|class| &class.init_containers);
    let mut of_sidecars =
        status.init_containers.iter().zip(sidecars).filter(|(_, container)| container.sidecar()).map(|(status, _)| status);
    (most(&mut status.containers.iter()), most(&mut of_sidecars))
}
