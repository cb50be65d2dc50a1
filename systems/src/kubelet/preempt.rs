//! Room for a critical pod on its node: pods that it may displace are ended, as few and as small as possible, and it waits for that.
//!
//! Source: kubernetes v1.36, `pkg/kubelet/preemption/preemption.go`, `HandleAdmissionFailure`, `getPodsToPreempt`; `spec/kubelet.md` §6.

use crate::kubelet::pod_run::Stage;
use crate::kubelet::{Cluster, Heard, Kubelet};
use wavetank_engine::api::queue::{Item, Work};
use wavetank_engine::api::request::Verb;
use wavetank_engine::ids::{Kind, ObjRef, ObjectKey};
use wavetank_engine::model::meta::{Condition, ConditionStatus};
use wavetank_engine::model::pod_class::Qos;
use wavetank_engine::model::resources::Resources;
use wavetank_engine::names::{Names, Sym};
use wavetank_engine::record::events::Report;
use wavetank_engine::words;

/// What a pod that goes is told.
const MESSAGE: &str = "Preempted in order to admit critical pod";
/// The same in its condition.
const CONDITION: &str = "Pod was preempted by Kubelet to accommodate a critical pod.";

/// How much of a resource is wanting.
pub type Want = (Sym, i64);

/// A pod that may be displaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Quality of service.
    pub qos: Qos,
    /// What it requests.
    pub requests: Resources,
}

impl Candidate {
    fn gives(&self, resource: Sym) -> i64 {
        if resource == words::PODS { 1 } else { self.requests.get(resource) }
    }

    /// How far its requests are from what is wanting: squares of the shares that remain.
    fn distance(&self, wants: &[Want]) -> f64 {
        let share = |&(resource, amount): &Want| (amount - self.gives(resource)).max(0) as f64 / amount as f64;
        wants.iter().map(|want| share(want) * share(want)).sum()
    }

    /// Whether it requests less memory than another, or else less CPU.
    fn smaller(&self, than: &Candidate) -> bool {
        let ours = (self.gives(words::MEMORY), self.gives(words::CPU));
        ours <= (than.gives(words::MEMORY), than.gives(words::CPU))
    }
}

/// What is still wanting when these pods are gone.
fn without<'c>(wants: &[Want], gone: impl Iterator<Item = &'c Candidate> + Clone) -> Vec<Want> {
    let left = wants.iter().map(|&(resource, amount)| (resource, amount - gone.clone().map(|pod| pod.gives(resource)).sum::<i64>()));
    left.filter(|want| want.1 > 0).collect()
}

/// Those of a class of pods that bring what is wanting, nearest first.
fn by_distance(mut pods: Vec<usize>, all: &[Candidate], mut wants: Vec<Want>) -> Vec<usize> {
    let mut chosen = Vec::new();
    while !wants.is_empty() && !pods.is_empty() {
        let mut best = (wants.len() as f64 + 1.0, 0);
        for (place, &at) in pods.iter().enumerate() {
            let distance = all[at].distance(&wants);
            if distance < best.0 || distance == best.0 && all[at].smaller(&all[pods[best.1]]) {
                best = (distance, place);
            }
        }
        let at = pods.swap_remove(best.1);
        wants = without(&wants, std::iter::once(&all[at]));
        chosen.push(at);
    }
    chosen
}

/// Places of the pods that go: Guaranteed ones only for what all others cannot give, Burstable ones for what BestEffort ones cannot.
///
/// # Errors
/// What is wanting though all of them went.
pub fn choose(all: &[Candidate], wants: &[Want]) -> Result<Vec<usize>, Vec<Want>> {
    let of = |qos: Qos| (0..all.len()).filter(|&at| all[at].qos == qos).collect::<Vec<_>>();
    let (best_effort, burstable, guaranteed) = (of(Qos::BestEffort), of(Qos::Burstable), of(Qos::Guaranteed));
    let left = without(wants, all.iter());
    if !left.is_empty() {
        return Err(left);
    }
    let after = |gone: &[&[usize]]| {
        let places: Vec<usize> = gone.iter().flat_map(|list| list.iter().copied()).collect();
        without(wants, places.iter().map(|&at| &all[at]))
    };
    let from_guaranteed = by_distance(guaranteed, all, after(&[&best_effort, &burstable]));
    let from_burstable = by_distance(burstable, all, after(&[&best_effort, &from_guaranteed]));
    let from_best_effort = by_distance(best_effort, all, after(&[&from_burstable, &from_guaranteed]));
    Ok([from_best_effort, from_burstable, from_guaranteed].concat())
}

/// Ends the pods that are in the way of a critical one, which waits until they have ended.
///
/// # Errors
/// The original's words when there are not enough of them.
pub(super) fn make_room(
    work: &mut Work<Kubelet>,
    cluster: &mut Cluster,
    item: &Item,
    (heard, critical): (&Heard, bool),
    wants: &[Want],
) -> Result<(), String> {
    let priority = cluster.classes.get(heard.class).priority;
    let mut pods: Vec<ObjRef> = cluster.listing.on_node(heard.node).collect();
    pods.sort_by_key(|pod| pod.uid);
    pods.retain(|pod| {
        let run = cluster.kubelets.run(*pod).filter(|run| run.counted && run.stage == Stage::Syncing);
        let yields = |other: i32, kept: bool| critical && !kept || priority > other;
        run.is_some_and(|run| yields(cluster.classes.get(run.class).priority, cluster.kubelets.critical(&cluster.classes, run)))
    });
    let candidate = |pod: &ObjRef| {
        let run = cluster.kubelets.run(*pod).expect("it was found above");
        let allocated = cluster.kubelets.resizes.get(&pod.uid).map_or(run.class, |resize| resize.allocated);
        Candidate { qos: cluster.classes.get(run.class).qos, requests: cluster.classes.get(allocated).requests.clone() }
    };
    let candidates: Vec<Candidate> = pods.iter().map(candidate).collect();
    let chosen = choose(&candidates, wants).map_err(|left| {
        let list: String = left.iter().map(|&(resource, amount)| wanting(&cluster.names, resource, amount)).collect();
        format!("preemption: error finding a set of pods to preempt: no set of running pods found to reclaim resources: [{list}]")
    })?;
    let victims: Vec<ObjRef> = chosen.into_iter().map(|at| pods[at]).collect();
    for &victim in &victims {
        displace(work, cluster, item, victim);
    }
    cluster.kubelets.preempting.insert(item.object.uid, (item.object, victims));
    Ok(())
}

/// Source: `preemption.go`, `admissionRequirementList.toString`.
fn wanting(names: &Names, resource: Sym, amount: i64) -> String {
    format!("(res: {}, q: {amount}), ", names.text(resource))
}

/// Ends a pod for good, with its own grace.
fn displace(work: &mut Work<Kubelet>, cluster: &mut Cluster, item: &Item, pod: ObjRef) {
    let Some(mut run) = cluster.kubelets.take(pod) else { return };
    let now = work.now();
    let (reason, message) = (cluster.names.sym("Preempting"), cluster.names.sym(MESSAGE));
    run.begin_ending(now, cluster.classes.get(run.class).grace_s, Some((reason, message)));
    cluster.kubelets.put(run);
    let condition = Condition {
        kind: words::DISRUPTION_TARGET,
        status: ConditionStatus::True,
        reason: cluster.names.sym("TerminationByKubelet"),
        message: cluster.names.sym(CONDITION),
        transition_at: now,
        update_at: now,
    };
    work.tell(item.cause, Verb::PatchPod { pod, condition: Some(Box::new(condition)), nominated_node: None });
    if let Some(meta) = cluster.metas.get(pod) {
        let about = ObjectKey { kind: Kind::Pod, namespace: meta.namespace, name: meta.name };
        let report = Report { about, uid: pod.uid, source: cluster.texts.kubelet, warning: true, reason, words: message, args: &[] };
        cluster.events.report(now, report);
    }
    work.wake(pod, item.cause);
}

/// Whether a pod still waits for others to end.
pub(super) fn waits(cluster: &mut Cluster, pod: ObjRef) -> bool {
    if cluster.kubelets.preempting.is_empty() {
        return false;
    }
    let Some((_, victims)) = cluster.kubelets.preempting.get(&pod.uid) else { return false };
    let ends = |victim: &ObjRef| cluster.kubelets.run(*victim).is_some_and(|run| run.stage != Stage::Finished);
    let waits = victims.iter().any(ends);
    if !waits {
        cluster.kubelets.preempting.remove(&pod.uid);
    }
    waits
}

/// A pod has ended: those that waited for it are looked at again.
pub(super) fn ended(work: &mut Work<Kubelet>, cluster: &mut Cluster, item: &Item) {
    if cluster.kubelets.preempting.is_empty() {
        return;
    }
    cluster.kubelets.preempting.remove(&item.object.uid);
    let waiting = cluster.kubelets.preempting.values().filter(|(_, victims)| victims.contains(&item.object));
    let waiting: Vec<ObjRef> = waiting.map(|(pod, _)| *pod).collect();
    waiting.into_iter().for_each(|pod| work.wake(pod, item.cause));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_few_and_as_small_pods_go_as_suffice() {
        let pod =
            |qos, cpu, memory| Candidate { qos, requests: Resources { cpu_millicores: cpu, memory_bytes: memory, ..Resources::default() } };
        use Qos::{BestEffort, Burstable, Guaranteed};
        let all = [pod(Guaranteed, 900, 9), pod(Burstable, 500, 5), pod(Burstable, 200, 2), pod(BestEffort, 0, 0), pod(Burstable, 500, 4)];
        for (wants, go) in [
            (vec![(words::CPU, 200)], Ok(vec![2])),
            (vec![(words::CPU, 300)], Ok(vec![4])),
            (vec![(words::CPU, 700)], Ok(vec![4, 2])),
            (vec![(words::PODS, 1)], Ok(vec![3])),
            (vec![(words::PODS, 1), (words::CPU, 100)], Ok(vec![2])),
            (vec![(words::CPU, 1300)], Ok(vec![4, 0])),
            (vec![(words::CPU, 5000)], Err(vec![(words::CPU, 2900)])),
        ] {
            let mut chosen = choose(&all, &wants);
            if let (Ok(chosen), Ok(go)) = (&mut chosen, &go) {
                assert_eq!(chosen.len(), go.len(), "{wants:?}: {chosen:?}");
            }
            assert_eq!(chosen, go, "{wants:?}");
        }
    }
}
