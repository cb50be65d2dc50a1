//! A run watched for its report: what changed of pods, nodes, workloads, autoscalers, traffic and events, kept small.
//!
//! Reading order: [`series`] (numbers over time that never grow without bound), [`pods`], [`nodes`], [`workloads`], [`events`],
//! [`traffic`], [`why`] and [`explain`] (chains of causes and decisions of a small run), [`data`] (all of it as JSON).
//!
//! The watch log says which objects an instant has touched; only those are looked at again. What is taken once for each stretch of
//! the run (nodes, traffic, events) is taken by [`Collector::stretch`]. Nothing here changes the run.

pub mod data;
pub mod events;
pub mod explain;
pub mod nodes;
pub mod pods;
pub mod series;
pub mod texts;
pub mod traffic;
pub mod why;
pub mod workloads;

use std::collections::BTreeMap;
use wavetank_engine::api::log::Log;
use wavetank_engine::api::objects::Objects;
use wavetank_engine::api::state::Changes;
use wavetank_engine::ids::{Kind, ObjRef, ObjectKey, Revision, Uid};
use wavetank_engine::model::kinds::Kinds;
use wavetank_engine::names::Names;
use wavetank_engine::record::events::Events;
use wavetank_engine::record::journal::object_text;
use wavetank_engine::simulation::Simulation;
use wavetank_engine::time::SimTime;

/// Everything that a report needs, collected while the run goes on.
#[derive(Debug)]
pub struct Collector {
    cursor: Option<Revision>,
    /// Where the report begins: later than zero of a resumed run.
    pub(crate) begun_ms: u64,
    /// Ends of the stretches.
    pub(crate) columns_ms: Vec<u64>,
    pub(crate) texts: texts::Texts,
    pub(crate) pods: pods::Pods,
    pub(crate) nodes: nodes::Nodes,
    pub(crate) workloads: workloads::Workloads,
    pub(crate) events: events::EventRows,
    pub(crate) traffic: traffic::Traffic,
}

/// Milliseconds of a moment: what a report counts in.
pub(crate) fn millis(at: SimTime) -> u64 {
    at.0 / 1_000_000
}

impl Collector {
    /// Begins to watch. Events keep every writing from now on.
    pub fn new(sim: &mut Simulation) -> Collector {
        sim.get_mut::<Events>().keep_trail();
        Collector {
            cursor: None,
            begun_ms: millis(sim.now()),
            columns_ms: Vec::new(),
            texts: texts::Texts::default(),
            pods: pods::Pods::default(),
            nodes: nodes::Nodes::default(),
            workloads: workloads::Workloads::default(),
            events: events::EventRows::default(),
            traffic: traffic::Traffic::default(),
        }
    }

    /// Looks at what the present instant has touched.
    pub fn look(&mut self, sim: &Simulation) {
        let head = sim.get::<Objects>().head();
        if self.cursor == Some(head) {
            return;
        }
        let mut touched: BTreeMap<Uid, (ObjRef, ObjectKey, bool)> = BTreeMap::new();
        match self.cursor.and_then(|cursor| sim.get::<Log>().since(cursor).ok()) {
            Some(entries) => {
                for entry in entries.filter(|entry| watched(entry.key.kind)) {
                    touched.insert(entry.object.uid, (entry.object, entry.key, entry.changes.meets(Changes::GONE)));
                }
            }
            None => {
                let rows = sim.get::<Objects>().living().into_iter().filter(|row| watched(row.key.kind));
                touched.extend(rows.map(|row| (row.object.uid, (row.object, row.key, false))));
            }
        }
        self.cursor = Some(head);
        let at_ms = millis(sim.now());
        for (object, key, gone) in touched.into_values() {
            match key.kind {
                Kind::Pod => self.pods.look(sim, object, gone, at_ms, &mut self.texts, &mut self.nodes),
                Kind::Node => self.nodes.look(sim, object, gone),
                _ => self.workloads.look(sim, object, gone, at_ms),
            }
        }
        self.pods.counted(at_ms);
        self.nodes.summed(at_ms);
    }

    /// Takes what is taken once for each stretch of the run.
    pub fn stretch(&mut self, sim: &mut Simulation) {
        let trail = sim.get_mut::<Events>().take_trail();
        self.events.take(sim, trail, &mut self.texts);
        let at_ms = millis(sim.now());
        self.nodes.column(self.columns_ms.len());
        self.traffic.column(sim);
        self.columns_ms.push(at_ms);
    }
}

fn watched(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Pod
            | Kind::Node
            | Kind::Deployment
            | Kind::ReplicaSet
            | Kind::ReplicationController
            | Kind::StatefulSet
            | Kind::DaemonSet
            | Kind::Job
            | Kind::HorizontalPodAutoscaler
    )
}

/// An object as messages name it.
pub(crate) fn named(sim: &Simulation, key: ObjectKey) -> String {
    object_text(sim.get::<Names>(), sim.get::<Kinds>(), key)
}
