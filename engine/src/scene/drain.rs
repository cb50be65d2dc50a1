//! Drains of nodes, as `kubectl drain` does them: cordon, look at the pods, evict, try again every five seconds what a budget refuses.
//!
//! Source: `spec/nodes.md` §10; kubernetes v1.36, `staging/src/k8s.io/kubectl/pkg/drain/drain.go`, `filters.go`.

use crate::api::objects::Objects;
use crate::api::request::{Refusal, Reply, Verb};
use crate::ids::{ObjRef, Revision};
use crate::model::kinds::Kinds;
use crate::model::meta::Meta;
use crate::model::pod::{Pod, PodStatus};
use crate::model::pod_class::Classes;
use crate::names::{Names, Sym};
use crate::record::causes::Origin;
use crate::record::refusals::Refusals;
use crate::scene::format::DrainOptions;
use crate::simulation::Simulation;
use crate::time::{SimDuration, SimTime};
use bevy_ecs::resource::Resource;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// How long a refused eviction waits before it is tried again.
const RETRY_AFTER: SimDuration = SimDuration::from_secs(5);
/// Under which name drains ask.
const ACTOR: &str = "kubectl";

/// Drains under way. ECS resource.
#[derive(Debug, Clone, Default, Serialize, Deserialize, Resource)]
pub struct Drains {
    list: Vec<Drain>,
}

/// Evictions of one drain that have to be tried again.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Drain {
    due_at: SimTime,
    /// `--timeout`: no more tries from then on.
    ends_at: Option<SimTime>,
    grace_s: Option<u32>,
    pods: Vec<ObjRef>,
    /// What began it.
    cause: Revision,
}

impl Drains {
    /// When the next evictions are tried again.
    pub(crate) fn next(&self) -> Option<SimTime> {
        self.list.iter().map(|drain| drain.due_at).min()
    }
}

/// What becomes of a pod in a drain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Evict,
    Leave,
    Refuse(&'static str),
}

/// What a drain looks at in a pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Facts {
    finished: bool,
    of_daemon_set: bool,
    mirror: bool,
    empty_dir: bool,
    controlled: bool,
}

/// The first filter that does not let a pod pass decides.
fn verdict(pod: Facts, options: &DrainOptions) -> Verdict {
    if pod.of_daemon_set && !pod.finished {
        let refusal = "cannot delete DaemonSet-managed Pods (use --ignore-daemonsets to ignore)";
        return if options.ignore_daemonsets { Verdict::Leave } else { Verdict::Refuse(refusal) };
    }
    if pod.mirror {
        return Verdict::Leave;
    }
    if pod.empty_dir && !pod.finished && !options.delete_emptydir_data {
        return Verdict::Refuse("cannot delete Pods with local storage (use --delete-emptydir-data to override)");
    }
    if !pod.controlled && !pod.finished && !options.force {
        return Verdict::Refuse("cannot delete Pods that declare no controller (use --force to override)");
    }
    Verdict::Evict
}

fn facts(sim: &Simulation, pod: ObjRef) -> Option<Facts> {
    let (meta, spec, status) = (sim.state::<Meta>(pod)?, sim.state::<Pod>(pod)?, sim.state::<PodStatus>(pod)?);
    let class = sim.get::<Classes>().get(spec.class);
    let volumes = class.raw.at(&["volumes"]).and_then(Value::as_array);
    let annotations = sim.get::<crate::model::labels::LabelSets>().pairs(meta.annotations);
    let mirror = |key: Sym| sim.get::<Names>().text(key) == "kubernetes.io/config.mirror";
    Some(Facts {
        finished: status.phase.terminal(),
        of_daemon_set: meta.controller().is_some_and(|owner| sim.get::<Kinds>().info(owner.kind).kind == "DaemonSet"),
        mirror: annotations.iter().any(|pair| mirror(pair.0)),
        empty_dir: volumes.is_some_and(|volumes| volumes.iter().any(|volume| volume.get("emptyDir").is_some())),
        controlled: meta.controller().is_some(),
    })
}

/// Begins a drain of a node that is cordoned already.
///
/// # Errors
/// What kubectl says when a filter refuses a pod: then none is evicted.
pub(crate) fn begin(sim: &mut Simulation, node: &str, options: &DrainOptions) -> Result<(), Refusal> {
    let Some(node) = sim.get::<Names>().find(node) else { return Ok(()) };
    let objects = sim.get::<Objects>();
    let mut pods: Vec<ObjRef> = objects.on_node(node).filter(|row| row.gone == Revision::HEAD).map(|row| row.object).collect();
    pods.sort();
    let (mut evict, mut refused) = (Vec::new(), Vec::new());
    for pod in pods {
        let Some(facts) = facts(sim, pod) else { continue };
        match verdict(facts, options) {
            Verdict::Evict => evict.push(pod),
            Verdict::Leave => {}
            Verdict::Refuse(why) => refused.push((why, shown(sim, pod))),
        }
    }
    if let Some((why, _)) = refused.first() {
        let names: Vec<&str> = refused.iter().filter(|other| other.0 == *why).map(|other| other.1.as_str()).collect();
        return Err(Refusal { code: 0, reason: "Drain".into(), message: format!("{why}: {}", names.join(", ")) });
    }
    let ends_at = options.timeout.map(|timeout| sim.now() + timeout.0);
    if options.disable_eviction {
        for object in evict {
            let _ = ask(sim, Verb::Delete { object, grace_s: options.grace_s, propagation: None });
        }
    } else {
        try_all(sim, Drain { due_at: sim.now(), ends_at, grace_s: options.grace_s, pods: evict, cause: sim.origin() });
    }
    Ok(())
}

/// Tries again what is due.
pub(crate) fn go_on(sim: &mut Simulation) {
    let now = sim.now();
    let all = std::mem::take(&mut sim.get_mut::<Drains>().list);
    let (due, later) = all.into_iter().partition(|drain: &Drain| drain.due_at <= now);
    sim.get_mut::<Drains>().list = later;
    let due: Vec<Drain> = due;
    for drain in due {
        sim.begin(|at| Origin::Client { what: "kubectl drain", at, told_by: drain.cause });
        try_all(sim, drain);
    }
}

/// Asks for all evictions of a drain; those that a budget refuses come up again.
fn try_all(sim: &mut Simulation, mut drain: Drain) {
    let pods = std::mem::take(&mut drain.pods);
    for pod in pods {
        let refusal = ask(sim, Verb::Evict { pod, grace_s: drain.grace_s }).err();
        if refusal.is_some_and(|refusal| refusal.code == 429) {
            drain.pods.push(pod);
        }
    }
    drain.due_at = sim.now() + RETRY_AFTER;
    if !drain.pods.is_empty() && drain.ends_at.is_none_or(|end| drain.due_at < end) {
        sim.get_mut::<Drains>().list.push(drain);
    }
}

/// Asks as kubectl; what is refused is counted, but for a pod that is gone.
fn ask(sim: &mut Simulation, verb: Verb) -> Result<Reply, Refusal> {
    let actor = sim.get_mut::<Names>().sym(ACTOR);
    let outcome = match sim.ask(actor, verb) {
        Ok(Reply::Refused(refusal)) => Err(*refusal),
        other => other,
    };
    if let Err(refusal) = outcome.as_ref().map_err(Clone::clone)
        && refusal.code != 404
    {
        sim.get_mut::<Refusals>().note(actor, &refusal);
    }
    outcome
}

fn shown(sim: &Simulation, pod: ObjRef) -> String {
    let names = sim.get::<Names>();
    sim.state::<Meta>(pod).map_or_else(String::new, |meta| format!("{}/{}", names.text(meta.namespace), names.render(meta.name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_decide_in_their_order() {
        let pod = Facts { finished: false, of_daemon_set: false, mirror: false, empty_dir: false, controlled: true };
        let plain = DrainOptions::default();
        let refused = |facts: Facts, options: &DrainOptions| matches!(verdict(facts, options), Verdict::Refuse(_));
        assert_eq!(verdict(pod, &plain), Verdict::Evict);
        assert!(refused(Facts { of_daemon_set: true, ..pod }, &plain));
        let ignore = DrainOptions { ignore_daemonsets: true, ..DrainOptions::default() };
        assert_eq!(verdict(Facts { of_daemon_set: true, ..pod }, &ignore), Verdict::Leave);
        assert_eq!(verdict(Facts { mirror: true, controlled: false, ..pod }, &plain), Verdict::Leave);
        assert!(refused(Facts { empty_dir: true, ..pod }, &plain));
        assert!(refused(Facts { controlled: false, ..pod }, &plain));
        assert_eq!(verdict(Facts { controlled: false, finished: true, ..pod }, &plain), Verdict::Evict);
    }
}
