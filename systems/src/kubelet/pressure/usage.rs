//! What the pods of a node use of it.

use crate::kubelet::Cluster;
use crate::kubelet::pod_run::{PodRun, Stage};
use wavetank_engine::ids::ObjRef;
use wavetank_engine::model::resources::Resources;
use wavetank_engine::names::Sym;
use wavetank_engine::scene::kubelet_config::Signal;
use wavetank_engine::time::SimTime;

/// What a container uses. Unit: bytes, processes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct ContainerUse {
    pub memory: u64,
    /// On the container's own disk.
    pub disk: u64,
    pub processes: u64,
    /// Files, each of which takes an inode.
    pub files: u64,
}

/// What a pod uses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct PodUse {
    /// By place; init containers first.
    pub containers: Vec<ContainerUse>,
    /// What is in its `emptyDir` volumes. Unit: bytes.
    pub volumes: Vec<(String, u64)>,
}

impl PodUse {
    pub(super) fn memory(&self) -> u64 {
        self.containers.iter().map(|container| container.memory).sum()
    }

    pub(super) fn disk(&self) -> u64 {
        let own: u64 = self.containers.iter().map(|container| container.disk).sum();
        own + self.volumes.iter().map(|volume| volume.1).sum::<u64>()
    }

    pub(super) fn processes(&self) -> u64 {
        self.containers.iter().map(|container| container.processes).sum()
    }

    pub(super) fn files(&self) -> u64 {
        self.containers.iter().map(|container| container.files).sum()
    }

    /// What one container uses of what is measured, and requests of it. Nobody requests processes.
    pub(super) fn of(&self, at: usize, signal: Signal, requests: &Resources) -> Option<(i64, i64)> {
        let container = self.containers.get(at)?;
        let (used, request) = match signal {
            Signal::Memory => (container.memory, requests.memory_bytes),
            Signal::NodeFs | Signal::ImageFs => (container.disk, requests.ephemeral_storage_bytes),
            Signal::Pid | Signal::NodeFsInodes | Signal::ImageFsInodes => return None,
        };
        Some((i64::try_from(used).unwrap_or(i64::MAX), request))
    }
}

/// What the pods of a node use.
#[derive(Debug, Clone, Default)]
pub(super) struct NodeUse {
    /// In order of creation.
    pub pods: Vec<(ObjRef, PodUse)>,
    /// Images of their containers, sorted.
    pub images: Vec<Sym>,
    /// When some program uses another amount next.
    pub changes_at: Option<SimTime>,
}

impl Cluster<'_, '_> {
    /// What the pods of a node use now.
    pub(super) fn node_use(&mut self, number: u32, now: SimTime) -> NodeUse {
        let name = self.kubelets.nodes[number as usize].name;
        let mut pods: Vec<ObjRef> = self.listing.on_node(name).collect();
        pods.sort_by_key(|pod| pod.uid);
        let mut node = NodeUse::default();
        for pod in pods {
            let Some(run) = self.kubelets.take(pod) else { continue };
            if run.stage != Stage::Finished {
                let used = self.pod_use(&run, now, &mut node);
                node.pods.push((pod, used));
            }
            self.kubelets.put(run);
        }
        node.images.sort_unstable();
        node.images.dedup();
        node
    }

    fn pod_use(&mut self, run: &PodRun, now: SimTime, node: &mut NodeUse) -> PodUse {
        let class = self.classes.get(run.class);
        let init = run.init as usize;
        let mut used = PodUse::default();
        for (at, container) in run.containers.iter().enumerate() {
            let (is_init, index) = if at < init { (true, at) } else { (false, at - init) };
            let spec = if is_init { class.init_containers.get(index) } else { class.containers.get(index) };
            node.images.extend(spec.map(|spec| spec.image));
            let Some(since) = container.running_since() else {
                used.containers.push(ContainerUse::default());
                continue;
            };
            let program = self.programs.of(&self.names, run.class, class, is_init, index);
            let age = now.since(since);
            let mut disk = program.disk_bytes.at(age);
            if let Some(volume) = &program.disk_volume {
                match used.volumes.iter_mut().find(|known| known.0 == *volume) {
                    Some(known) => known.1 += disk,
                    None => used.volumes.push((volume.clone(), disk)),
                }
                disk = 0;
            }
            used.containers.push(ContainerUse {
                memory: program.memory_bytes.at(age),
                disk,
                processes: program.processes,
                files: program.files,
            });
            let next = program.memory_bytes.next(age).into_iter().chain(program.disk_bytes.next(age)).min().map(|age| since + age);
            node.changes_at = node.changes_at.into_iter().chain(next).min();
        }
        used
    }
}
