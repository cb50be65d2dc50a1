//! What happens to nodes as far as their pods care: one joins, one has failed or been cut off and is back.
//!
//! Source: kubernetes v1.36, `pkg/kubelet/kubelet.go`, `HandlePodAdditions`; `spec/kubelet.md` §3, §8, `spec/nodes.md` §6.

use crate::kubelet::{Cluster, Kubelet, add_node, pressure, shutdown, statics, with_cx};
use wavetank_engine::api::queue::{Item, Work};
use wavetank_engine::ids::ObjRef;
use wavetank_engine::names::Sym;
use wavetank_engine::scene::faults::Fault;

/// One turn of a node.
pub(super) fn turn(work: &mut Work<Kubelet>, cluster: &mut Cluster, item: &Item) {
    let object = item.object;
    let Some(meta) = cluster.metas.get(object) else { return };
    let sym = cluster.names.whole(meta.name);
    let (number, known) = match cluster.kubelets.by_name.get(&sym) {
        Some(&number) => (number, true),
        None => (add_node(cluster, sym, object), false),
    };
    let same = cluster.kubelets.nodes[number as usize].object == object;
    cluster.kubelets.nodes[number as usize].object = object;
    match cluster.faults.of(sym).map(|(fault, _)| fault) {
        Some(Fault::Failed) => cluster.kubelets.nodes[number as usize].failed = true,
        Some(Fault::CutOff) => statics::turn(work, cluster, item, number, true),
        None => {
            let rebooted = std::mem::take(&mut cluster.kubelets.nodes[number as usize].failed);
            if rebooted {
                reboot(work, cluster, sym);
                statics::rebooted(work, cluster, number);
            }
            if !known || !same || rebooted || !item.cause.is_write() {
                let pods: Vec<ObjRef> = cluster.listing.on_node(sym).collect();
                pods.into_iter().for_each(|pod| work.wake(pod, item.cause));
            }
            if cluster.faults.shuts_down(sym) {
                shutdown::turn(work, cluster, item, number);
            } else if !cluster.kubelets.shutdowns.is_empty() {
                cluster.kubelets.shutdowns.remove(&number);
            }
            statics::turn(work, cluster, item, number, false);
            pressure::filled(cluster, number, work.now());
            pressure::turn(work, cluster, item, number);
        }
    }
}

/// All containers of the node are lost.
fn reboot(work: &mut Work<Kubelet>, cluster: &mut Cluster, node: Sym) {
    let pods: Vec<ObjRef> = cluster.listing.on_node(node).collect();
    for pod in pods {
        let Some(mut run) = cluster.kubelets.take(pod) else { continue };
        if let Some(heard) = cluster.heard(pod) {
            with_cx(cluster, work, &mut run, &heard, |run, cx| run.rebooted(cx));
        }
        cluster.kubelets.put(run);
    }
}
