//! A sync's answer does not depend on the order in which its pods are listed.

use super::assess::Snapshot;
use super::backoff::BackoffRecord;
use super::manage::{Action, NewPod, decide};
use super::pods::PodFacts;
use super::texts::JobTexts;
use super::track::{Outcome, track};
use proptest::prelude::*;
use serde_json::json;
use smallvec::SmallVec;
use wavetank_engine::api::json_in::Tables;
use wavetank_engine::ids::Uid;
use wavetank_engine::model::batch::JobStatus;
use wavetank_engine::model::kinds::Kinds;
use wavetank_engine::model::labels::LabelSets;
use wavetank_engine::model::pod::PodPhase;
use wavetank_engine::model::pod_class::Classes;
use wavetank_engine::model::select::Selectors;
use wavetank_engine::names::Names;
use wavetank_engine::time::SimTime;

const NOW: SimTime = SimTime::from_secs(5_000);

fn pod(number: u64, (phase, deleting, index, ended): (u8, bool, u32, u64)) -> PodFacts {
    let phase = [PodPhase::Pending, PodPhase::Running, PodPhase::Succeeded, PodPhase::Failed][usize::from(phase) % 4];
    PodFacts {
        uid: Uid(number + 1),
        name: Default::default(),
        phase,
        assigned: phase != PodPhase::Pending,
        deleting,
        ready: phase == PodPhase::Running,
        ready_at: SimTime::from_secs(4_000 + number),
        tracked: true,
        index: Some(index),
        index_failures: (0, 0),
        restarts: 0,
        restarts_max: 0,
        created_at: SimTime::from_secs(3_000 + number),
        finished_at: SimTime::from_secs(4_500 + ended),
        exits: SmallVec::new(),
        conditions: SmallVec::new(),
    }
}

/// What a sync in which everything is granted does and writes, as far as the order of pods may not matter.
fn answer(indexed: bool, (parallelism, completions): (u32, u32), pods: Vec<PodFacts>) -> (Vec<Uid>, Vec<NewPod>, JobStatus) {
    let mut names = Names::new();
    let texts = JobTexts::new(&mut names);
    let (mut labels, mut selectors) = (LabelSets::default(), Selectors::default());
    let (mut classes, mut kinds) = (Classes::default(), Kinds::default());
    let tables = (&mut names, &mut labels, &mut selectors, &mut classes, &mut kinds);
    let mode = if indexed { "Indexed" } else { "NonIndexed" };
    let spec = json!({"parallelism": parallelism, "completions": completions, "completionMode": mode, "backoffLimit": 4});
    let job =
        Tables { names: tables.0, labels: tables.1, selectors: tables.2, classes: tables.3, kinds: tables.4, epoch_unix_s: 0 }.job(&spec);
    let snapshot = Snapshot {
        job,
        status: JobStatus::default(),
        namespace: names.sym("default"),
        deleting: false,
        on_failure: false,
        satisfied: true,
        record: BackoffRecord::default(),
        pods,
    };
    let found = snapshot.assess(&texts, &mut names, NOW);
    let (action, managed) = decide(&snapshot, &found, NOW);
    let (places, created) = match &action {
        Action::Nothing | Action::Wait(_) => (Vec::new(), Vec::new()),
        Action::End(places) | Action::Delete(places) => (places.clone(), Vec::new()),
        Action::Create(pods) => (Vec::new(), pods.clone()),
    };
    let mut deleted: Vec<Uid> = places.iter().map(|&at| snapshot.pods[at].uid).collect();
    deleted.sort_unstable();
    let ready = places.iter().filter(|&&at| snapshot.pods[at].ready).count() as i32;
    let outcome = Outcome { removed: places.len() as i32, removed_ready: ready, created: created.len() as i32 };
    let mut status = track(&snapshot, &found, (&action, managed), outcome, &texts, NOW).status;
    status.uncounted_succeeded.sort_unstable();
    status.uncounted_failed.sort_unstable();
    (deleted, created, status)
}

proptest! {
    #![proptest_config(crate::workloads::properties::fixed(256))]
    #[test]
    fn the_order_of_pods_does_not_matter(
        indexed in any::<bool>(),
        size in (0u32..5, 1u32..6),
        drawn in proptest::collection::vec((0u8..4, proptest::bool::weighted(0.2), 0u32..6, 0u64..400), 0..9),
        turn in 0usize..9,
    ) {
        let pods: Vec<PodFacts> = drawn.iter().enumerate().map(|(number, &facts)| pod(number as u64, facts)).collect();
        let mut turned = pods.clone();
        let middle = turn.min(turned.len());
        turned.rotate_left(middle);
        turned.reverse();
        prop_assert_eq!(answer(indexed, size, pods), answer(indexed, size, turned));
    }
}
