//! What a sync decides does not depend on the order in which its pods, nodes or sets are listed.

use super::daemon_set::plan as daemon;
use super::deployment::plan::{Step, plan as deployment_plan};
use super::deployment::rolling::SetFacts as DeploymentSet;
use super::deployment::snapshot::{SetSnapshot, Snapshot};
use super::replica_set::pass::{Belongs, Pass, PodFacts, SetFacts};
use super::replica_set::rank::{Candidate, victims};
use super::stateful_set::plan as stateful;
use super::texts::Texts;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use serde_json::json;
use wavetank_engine::ids::{ObjRef, Slot, Uid};
use wavetank_engine::model::labels::LabelSets;
use wavetank_engine::model::pod::PodPhase;
use wavetank_engine::model::select::Selectors;
use wavetank_engine::model::workload::{DeploymentStatus, IntOrPercent, Strategy as Rollout};
use wavetank_engine::names::{Name, Names, Sym};
use wavetank_engine::time::{SimDuration, SimTime};

const NOW: SimTime = SimTime::from_secs(5_000);
const PHASES: [PodPhase; 4] = [PodPhase::Pending, PodPhase::Running, PodPhase::Succeeded, PodPhase::Failed];

/// The same cases in every run, unless `PROPTEST_RNG_SEED` and `PROPTEST_CASES` ask for others.
pub(super) fn fixed(cases: u32) -> ProptestConfig {
    let given = ProptestConfig::default();
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { given.cases } else { cases };
    let rng_seed = if given.rng_seed == RngSeed::Random { RngSeed::Fixed(1) } else { given.rng_seed };
    ProptestConfig { cases, rng_seed, max_shrink_iters: 500, failure_persistence: None, ..given }
}

/// Another order of the same things.
fn turned<T: Clone>(list: &[T], by: usize) -> Vec<T> {
    let mut turned = list.to_vec();
    turned.rotate_left(by.min(list.len()));
    turned.reverse();
    turned
}

proptest! {
    #![proptest_config(fixed(256))]

    #[test]
    fn a_replica_set_counts_and_claims_the_same(
        drawn in prop::collection::vec((0usize..4, any::<bool>(), 0u64..3, any::<bool>(), prop::option::of(4_980u64..5_000)), 0..9),
        (min_ready_s, deleting, by) in (0u64..20, any::<bool>(), 0usize..9),
    ) {
        let (mut names, mut labels, mut selectors) = (Names::new(), LabelSets::default(), Selectors::default());
        let selector = selectors.of_equalities(&mut names, &json!({"app": "web"}));
        let (app, tier) = ((names.sym("app"), names.sym("web")), (names.sym("tier"), names.sym("a")));
        let (other, full) = (labels.intern(&names, [tier]), labels.intern(&names, [app, tier]));
        let set = SetFacts { uid: Uid(1), selector, template_labels: full, min_ready: SimDuration::from_secs(min_ready_s), deleting };
        let pod = |&(phase, deleting, controller, selected, ready_s): &PodDrawn| PodFacts {
            controller: Uid(controller),
            labels: if selected { full } else { other },
            phase: PHASES[phase],
            deleting,
            ready_at: ready_s.map(SimTime::from_secs),
        };
        let answer = |drawn: &[(usize, PodDrawn)]| {
            let mut pass = Pass::new(set, &labels, &selectors, NOW);
            let mut belongs: Vec<(usize, Belongs)> = drawn.iter().map(|(number, drawn)| (*number, pass.add(&pod(drawn)))).collect();
            belongs.sort_by_key(|pair| pair.0);
            (pass.counts, belongs)
        };
        let numbered: Vec<_> = drawn.into_iter().enumerate().collect();
        prop_assert_eq!(answer(&numbered), answer(&turned(&numbered, by)));
    }

    /// Where one of the keys tells every pod from every other; the original leaves the rest to the order of its cache.
    #[test]
    fn a_replica_set_deletes_the_same_pods(
        drawn in prop::collection::vec((any::<bool>(), any::<bool>(), 0u64..4_000, 0u32..3), 0..20),
        (share, by) in (0usize..20, 0usize..20),
    ) {
        let pod = |(number, &(bound, ready, at_s, restarts)): (usize, &(bool, bool, u64, u32))| Candidate {
            node: if bound { Sym(7) } else { Sym::EMPTY },
            phase: if bound { PodPhase::Running } else { PodPhase::Pending },
            ready: bound && ready,
            deletion_cost: number as i32 / 2 * 2,
            related: number as u32 % 2,
            ready_at: SimTime::from_secs(at_s),
            restarts: (restarts, 0),
            created_at: SimTime::from_secs(at_s / 2),
            uid: number as u128,
        };
        let pods: Vec<Candidate> = drawn.iter().enumerate().map(pod).collect();
        let deleted = |pods: &[Candidate]| {
            let mut uids: Vec<u128> = victims(pods, share.min(pods.len()), NOW).into_iter().map(|at| pods[at].uid).collect();
            if share >= pods.len() {
                uids.sort_unstable();
            }
            uids
        };
        prop_assert_eq!(deleted(&pods), deleted(&turned(&pods, by)));
    }

    #[test]
    fn a_deployment_takes_the_same_steps(
        sets in prop::collection::vec((0i32..8, 0i32..8, prop::option::of(0i32..9), prop::option::of(0i32..12), 0u64..4, any::<bool>()), 1..6),
        (replicas, surge, unavailable, recreate) in (0i32..9, 0i32..4, 0i32..4, any::<bool>()),
        (has_new, paused, deleting, limit, by) in (any::<bool>(), prop::bool::weighted(0.2), prop::bool::weighted(0.1), 0i32..4, 0usize..6),
    ) {
        let strategy = if recreate {
            Rollout::Recreate
        } else {
            Rollout::RollingUpdate { max_surge: IntOrPercent::Int(surge), max_unavailable: IntOrPercent::Int(unavailable) }
        };
        let set = |(number, &(replicas, available, desired, max, created_s, unobserved)): (usize, &SetDrawn)| SetSnapshot {
            facts: DeploymentSet {
                replicas,
                available: available.min(replicas),
                desired,
                max,
                created_at: SimTime::from_secs(created_s),
                by_name: number as u32,
            },
            revision: Sym::EMPTY,
            revision_number: number as i64 + 1,
            status_replicas: replicas,
            ready: available.min(replicas),
            terminating: 0,
            unobserved,
            deleting: false,
            failure: None,
        };
        let sets: Vec<SetSnapshot> = sets.iter().enumerate().map(set).collect();
        let (old, new) = sets.split_at(sets.len() - usize::from(has_new));
        let answer = |old: Vec<SetSnapshot>| {
            let mut names = Names::new();
            let texts = Texts::new(&mut names);
            let sets: Vec<SetSnapshot> = old.into_iter().chain(new.iter().cloned()).collect();
            let snapshot = Snapshot {
                name: names.sym("web"),
                generation: 1,
                deleting,
                replicas,
                paused,
                strategy,
                history_limit: limit,
                deadline: Some(SimDuration::from_secs(600)),
                status: DeploymentStatus::default(),
                revision: Sym::EMPTY,
                next_revision: names.sym("9"),
                sets: sets.clone(),
                has_new,
                new_stale: false,
                new_name: names.sym("web-x"),
                old_pods: false,
            };
            let plan = deployment_plan(&snapshot, &mut names, &texts, NOW);
            let which = |set: usize| sets.get(set).map_or(u32::MAX, |set| set.facts.by_name);
            let mut steps: Vec<String> = plan.steps.iter().map(|step| match step {
                Step::Resize { set, from, to, up } => format!("resize {} from {from} to {to} {up}", which(*set)),
                Step::Delete { set } => format!("delete {}", which(*set)),
                Step::SyncNew | Step::Create { .. } | Step::Write { .. } => format!("{step:?}"),
            }).collect();
            // Recreate takes the sets down as they are listed; what it writes is the same.
            steps.sort();
            (steps, plan.after)
        };
        prop_assert_eq!(answer(old.to_vec()), answer(turned(old, by)));
    }

    #[test]
    fn a_stateful_set_does_the_same(
        drawn in prop::collection::btree_map(0u32..9, (0usize..4, prop::option::of(4_980u64..5_000), prop::bool::weighted(0.2), any::<bool>()), 0..9),
        (replicas, start, min_ready_s, parallel, on_delete) in (0u32..7, 0u32..3, 0u64..20, any::<bool>(), any::<bool>()),
        (partition, deleting, current_replicas, by) in (prop::option::of(0i32..5), prop::bool::weighted(0.1), 0i32..5, 0usize..9),
    ) {
        let (current, update) = (Sym(1), Sym(2));
        let min_ready = SimDuration::from_secs(min_ready_s);
        let set =
            stateful::SetFacts { replicas, start, min_ready, parallel, on_delete, partition, deleting, current, update, current_replicas };
        let pods: Vec<stateful::PodFacts> = drawn.iter().map(|(&ordinal, &(phase, ready_s, terminating, new))| stateful::PodFacts {
            ordinal,
            phase: PHASES[phase],
            ready_at: ready_s.map(SimTime::from_secs),
            terminating,
            revision: if new { update } else { current },
        }).collect();
        prop_assert_eq!(stateful::plan(&set, &pods, NOW), stateful::plan(&set, &turned(&pods, by), NOW));
    }

    /// Nodes go in the order given, as the original walks a map: how much is done does not depend on it, and pods of one node have none.
    #[test]
    fn a_daemon_set_does_as_much(
        drawn in prop::collection::vec(
            ((any::<bool>(), any::<bool>()), prop::collection::vec((0usize..4, any::<bool>(), prop::option::of(4_980u64..5_000), any::<bool>()), 0..4)),
            0..6,
        ),
        (unavailable, surge, min_ready_s, by) in (0usize..3, 0usize..3, 0u64..20, 0usize..6),
    ) {
        let min_ready = SimDuration::from_secs(min_ready_s);
        let on = |(node, ((runs, stays), pods)): (usize, &NodeDrawn)| daemon::OnNode {
            node: Sym(node as u32),
            wanted: (*runs, *runs || *stays),
            pods: pods.iter().enumerate().map(|(at, &(phase, terminating, ready_s, updated))| daemon::PodFacts {
                pod: ObjRef { uid: Uid((node * 10 + at) as u64 + 1), slot: Slot((node * 10 + at) as u32) },
                name: Name::default(),
                node: Sym(node as u32),
                assigned: true,
                phase: PHASES[phase],
                terminating,
                ready_at: ready_s.map(SimTime::from_secs),
                created_at: SimTime::from_secs(at as u64 / 2),
                updated,
            }).collect(),
        };
        let nodes: Vec<daemon::OnNode> = drawn.iter().enumerate().map(on).collect();
        let pods_turned: Vec<daemon::OnNode> =
            nodes.iter().map(|on| daemon::OnNode { pods: turned(&on.pods, by), ..on.clone() }).collect();
        let sorted = |mut plan: daemon::Plan| {
            plan.create.sort();
            plan.delete.sort_by_key(|(pod, _)| pod.uid);
            plan
        };
        let managed = |nodes: &[daemon::OnNode]| sorted(daemon::manage(nodes, &[], surge > 0, min_ready, NOW));
        prop_assert_eq!(managed(&nodes), managed(&pods_turned));
        prop_assert_eq!(managed(&nodes), managed(&turned(&nodes, by)));
        let bounds = daemon::Bounds { unavailable, surge };
        let rolled = |nodes: &[daemon::OnNode]| sorted(daemon::roll(nodes, bounds, min_ready, NOW));
        prop_assert_eq!(rolled(&nodes), rolled(&pods_turned));
        let much = |plan: daemon::Plan| (plan.create.len(), plan.delete.len());
        prop_assert_eq!(much(rolled(&nodes)), much(rolled(&turned(&nodes, by))));
        prop_assert_eq!(daemon::counts(&nodes, min_ready, NOW), daemon::counts(&turned(&pods_turned, by), min_ready, NOW));
    }
}

/// Phase, whether it is being deleted, controller, whether it is selected, second of readiness.
type PodDrawn = (usize, bool, u64, bool, Option<u64>);
/// Replicas, available ones, the annotations desired-replicas and max-replicas, second of creation, whether the status is behind.
type SetDrawn = (i32, i32, Option<i32>, Option<i32>, u64, bool);
/// Whether a node wants a pod and lets one stay; of each pod its phase, whether it terminates, when it became ready, whether it is new.
type NodeDrawn = ((bool, bool), Vec<(usize, bool, Option<u64>, bool)>);
