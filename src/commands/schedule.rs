//! `schedule`: the phases of a round, the systems in order, and what wakes each.

use crate::exit::Outcome;
use crate::terminal;
use wavetank_engine::api::state::Changes;
use wavetank_engine::simulation::route::{Routes, Whom};
use wavetank_engine::simulation::{Settings, Simulation};

/// What every system has through its queue and its views.
const PLUMBING: &[&str] = &["Clock", "Cursors", "Objects", "QueueOf<", "Queues", "Requests", "Versions<"];

/// Prints phases and systems.
pub fn schedule() -> Outcome {
    let mut sim = Simulation::new(&Settings::default());
    wavetank_systems::install_all(&mut sim);
    let routes = sim.get::<Routes>();
    let mut text = String::from("A round: Wake, then Decide, then Commit; round after round until nobody asks for more.\n");
    text.push_str("A system sees parts of objects as of its cursor, reads and writes tables, and asks the API server for every change of an object.\n\n");
    text.push_str("Wake     route: replies, watch entries and timers fill work queues\n");
    for behaviour in sim.behaviours() {
        text.push_str(&format!("Decide   {}\n", behaviour.name));
        let parts = |name: &&String| name.strip_prefix("Obj<").and_then(|name| name.strip_suffix('>')).map(str::to_string);
        let tables = |name: &&String| !name.starts_with("Obj<") && !PLUMBING.iter().any(|known| name.starts_with(known));
        let access = &behaviour.access;
        let lists = [
            ("sees", access.reads.iter().filter_map(|name| parts(&name)).collect::<Vec<_>>()),
            ("reads", access.reads.iter().filter(tables).cloned().collect()),
            ("writes", access.writes.iter().filter(tables).cloned().collect()),
        ];
        for (what, list) in lists.iter().filter(|(_, list)| !list.is_empty()) {
            text.push_str(&format!("             {what:<7} {}\n", list.join(", ")));
        }
        let own = routes.rules().iter().filter(|(queue, _)| *queue == behaviour.queue);
        let rules = own.map(|(_, wake)| (format!("{:?}", wake.kind), wake.on, wake.whom));
        let any = routes
            .any_kind()
            .iter()
            .filter(|(queue, ..)| *queue == behaviour.queue)
            .map(|&(_, on, whom)| ("any object".to_string(), on, whom));
        for (kind, on, whom) in rules.chain(any) {
            text.push_str(&format!("             woken   {kind} {}: {}\n", changes(on), whom_text(whom)));
        }
    }
    text.push_str("Commit   the API server: each request becomes one version, one log entry and one reply\n");
    match terminal::print(&text) {
        Ok(()) => Outcome::Well,
        Err(_) => Outcome::BadInput,
    }
}

fn changes(on: Changes) -> String {
    if on == Changes::ANY {
        return "changed".to_string();
    }
    let words = [
        (Changes::ADDED, "added"),
        (Changes::GONE, "gone"),
        (Changes::SPEC, "spec"),
        (Changes::STATUS, "status"),
        (Changes::LABELS, "labels"),
        (Changes::ANNOTATIONS, "annotations"),
        (Changes::OWNERS, "owners"),
        (Changes::DELETION, "deletion"),
        (Changes::FINALIZERS, "finalizers"),
        (Changes::PLACEMENT, "placement"),
        (Changes::PHASE, "phase"),
        (Changes::READY, "ready"),
        (Changes::ADDRESS, "address"),
        (Changes::TAINTS, "taints"),
        (Changes::ALLOCATABLE, "allocatable"),
        (Changes::CONDITIONS, "conditions"),
    ];
    words.iter().filter(|(bit, _)| on.meets(*bit)).map(|(_, word)| *word).collect::<Vec<_>>().join("|")
}

fn whom_text(whom: Whom) -> String {
    match whom {
        Whom::Itself => "itself".to_string(),
        Whom::Controller(kind) => format!("its controller of kind {kind:?}"),
        Whom::Selecting(kind) => format!("every {kind:?} that selects it"),
        Whom::SelectingOrphan(kind) => format!("every {kind:?} that selects it, while it has no controller"),
        Whom::NodeOfPod => "the node that it is bound to".to_string(),
        Whom::SameName(kind) => format!("the {kind:?} of the same name"),
        Whom::Owner => "its controller".to_string(),
        Whom::Dependents => "every object that names it as an owner".to_string(),
        Whom::ItselfIfOrphaned => "itself, when an owner that it names is not there".to_string(),
        Whom::Single => "the behaviour's one key".to_string(),
        Whom::ItselfIfBound => "itself, when bound to a node".to_string(),
    }
}
