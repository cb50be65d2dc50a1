//! Why a pod stays for long after its deletion was asked for.
//!
//! Source: `spec/kubelet.md` §13, long "Terminating" causes.

use crate::kubelet::Kubelets;
use crate::kubelet::pod_run::Stage;
use wavetank_engine::api::objects::Objects;
use wavetank_engine::ids::ObjRef;
use wavetank_engine::model::meta::Meta;
use wavetank_engine::model::pod::Pod;
use wavetank_engine::model::pod_class::Classes;
use wavetank_engine::names::Names;
use wavetank_engine::scene::faults::{BrokenVolumes, Fault, NodeFaults};
use wavetank_engine::simulation::Simulation;

/// What a pod in Terminating waits for, in sentences; empty for every other.
pub fn waits_for(sim: &Simulation, pod: ObjRef) -> Vec<String> {
    let (Some(meta), Some(spec)) = (sim.state::<Meta>(pod), sim.state::<Pod>(pod)) else { return Vec::new() };
    let (names, classes) = (sim.get::<Names>(), sim.get::<Classes>());
    let Some(deletion) = meta.deletion else { return Vec::new() };
    let mut waits = Vec::new();
    let node = names.text(spec.node);
    match sim.get::<NodeFaults>().of(spec.node) {
        _ if deletion.grace_s == 0 => {}
        Some((Fault::Failed, since)) => {
            waits.push(format!("node {node} is down since {since}: nobody confirms that its containers have ended"))
        }
        Some((Fault::CutOff, since)) => waits.push(format!("the kubelet of node {node} is cut off from the API server since {since}")),
        None => waits.extend(on_its_kubelet(sim, pod, names, classes)),
    }
    waits.extend(meta.finalizers.iter().map(|&finalizer| format!("finalizer {}", names.text(finalizer))));
    waits
}

/// What the kubelet of a node that is well waits for.
fn on_its_kubelet(sim: &Simulation, pod: ObjRef, names: &Names, classes: &Classes) -> Vec<String> {
    let Some(run) = sim.get::<Kubelets>().run(pod) else { return Vec::new() };
    let class = classes.get(run.class);
    if run.stage != Stage::Finished {
        let specs = class.init_containers.iter().chain(&class.containers);
        let running = run.containers.iter().zip(specs).filter(|(container, _)| container.running_since().is_some());
        let said = running.map(|(container, spec)| match container.exit.filter(|_| container.killing) {
            Some(exit) => format!("container {} still runs: the grace is not over, it ends at {}", names.text(spec.name), exit.at),
            None => format!("container {} still runs: its turn to end comes after the others", names.text(spec.name)),
        });
        return said.collect();
    }
    let broken = sim.get::<BrokenVolumes>();
    let volumes = class.raw.at(&["volumes"]).and_then(|list| list.as_array()).into_iter().flatten();
    let held = volumes.filter_map(|volume| volume.get("name")?.as_str()).filter(|name| broken.is_broken(name));
    let wait = sim.get::<Kubelets>().waits.get(&pod.uid);
    let again = wait.map_or(String::new(), |wait| format!("; it is tried again at {}", wait.next_at()));
    held.map(|name| format!("volume {name} is still mounted and cannot be unmounted{again}")).collect()
}

/// The same for a pod with a namespace and a name.
pub fn waits_for_named(sim: &Simulation, namespace: &str, name: &str) -> Vec<String> {
    let names = sim.get::<Names>();
    let (Some(namespace), Some(name)) = (names.find(namespace), names.find_name(name)) else { return Vec::new() };
    let key = wavetank_engine::ids::ObjectKey { kind: wavetank_engine::ids::Kind::Pod, namespace, name };
    sim.get::<Objects>().by_key(key).map_or(Vec::new(), |pod| waits_for(sim, pod))
}
