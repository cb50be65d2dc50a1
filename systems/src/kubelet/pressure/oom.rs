//! A node whose memory is used up before its kubelet looks: the kernel kills the process that it likes least.
//!
//! Source: the kernel's `oom_badness`; kubernetes v1.36, `pkg/kubelet/oom/oom_watcher_linux.go`; `spec/kubelet.md` §15.

use crate::kubelet::pod_run::Exit;
use crate::kubelet::terminate::KILLED;
use crate::kubelet::{Cluster, Kubelet};
use wavetank_engine::api::queue::Work;
use wavetank_engine::draw::draw_below;
use wavetank_engine::ids::ObjRef;
use wavetank_engine::ids::Revision;
use wavetank_engine::model::pod_resources::oom_score_adjustment;
use wavetank_engine::words;

/// Process numbers in messages are below this.
const PID_BELOW: u64 = 32_768;

/// Kills containers until those left fit into the node's memory.
pub(super) fn check(work: &mut Work<Kubelet>, cluster: &mut Cluster, number: u32) {
    let node = &cluster.kubelets.nodes[number as usize];
    let (object, bound) = (node.object, node.pressure.memory_bound);
    let capacity = cluster.node_statuses.get(object).map_or(0, |status| status.capacity.memory_bytes);
    let Some(capacity) = u64::try_from(capacity).ok().filter(|&capacity| capacity > 0 && bound > capacity) else { return };
    let now = work.now();
    let used = cluster.node_use(number, now);
    // (badness, memory, pod, place): the first of the worst.
    let mut processes: Vec<(i128, u64, ObjRef, usize)> = Vec::new();
    for (pod, usage) in &used.pods {
        let Some(run) = cluster.kubelets.run(*pod) else { continue };
        let class = cluster.classes.get(run.class);
        let spec = class.raw.value();
        for (at, container) in usage.containers.iter().enumerate().filter(|(_, container)| container.memory > 0) {
            let init = class.init_containers.len();
            let (list, index) = if at < init { ("initContainers", at) } else { ("containers", at - init) };
            let adjustment =
                spec.get(list).and_then(|list| list.get(index)).map_or(0, |one| oom_score_adjustment(spec, one, capacity as i64));
            let badness = i128::from(container.memory) * 1000 / i128::from(capacity) + i128::from(adjustment);
            processes.push((badness, container.memory, *pod, at));
        }
    }
    let mut total: u64 = processes.iter().map(|process| process.1).sum();
    while total > capacity {
        let worst = processes.iter().enumerate().max_by_key(|(place, process)| (process.0, std::cmp::Reverse(*place))).map(|pair| pair.0);
        let Some((_, memory, pod, at)) = worst.map(|worst| processes.remove(worst)) else { break };
        total -= memory;
        kill(work, cluster, object, pod, at);
    }
    cluster.kubelets.nodes[number as usize].pressure.memory_bound = total;
}

fn kill(work: &mut Work<Kubelet>, cluster: &mut Cluster, node: ObjRef, pod: ObjRef, at: usize) {
    let Some(mut run) = cluster.kubelets.take(pod) else { return };
    let now = work.now();
    run.containers[at].exit = Some(Exit { at: now, code: KILLED, reason: words::OOM_KILLED });
    let class = cluster.classes.get(run.class);
    let container = class.init_containers.iter().chain(&class.containers).nth(at);
    let name = container.map_or(String::new(), |container| cluster.names.text(container.name).to_string());
    cluster.kubelets.put(run);
    let pid = 1 + draw_below(cluster.seed.0, "pid of a victim", (pod.uid.0, at), now.0, PID_BELOW - 1);
    super::say(cluster, now, node, (true, "SystemOOM"), &format!("System OOM encountered, victim process: {name}, pid: {pid}"));
    work.wake(pod, Revision(0));
}
