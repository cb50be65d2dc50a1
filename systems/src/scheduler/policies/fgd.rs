//! FGD, fragmentation gradient descent: the node and the GPU where placing the pod makes the fewest GPU shares useless to what is to come.
//!
//! Source: Weng et al., "Beware of Fragmentation: Scheduling GPU-Sharing Workloads with Fragmentation Gradient Descent" (USENIX ATC
//! 2023), §4 and §5. What is left of a node's GPUs is a fragment for a kind of task as far as that task cannot use it: all of it when the
//! task cannot run on the node (too little CPU, memory or GPU, the wrong model) or wants no GPU; otherwise those GPUs that have less
//! left than the task wants of each. A node's fragmentation is the expectation over the workload; FGD takes the steepest descent.
//!
//! Choice: the workload is that of the scene's tables, each kind of pod with its number; where a scene has no tables, it is the pods that
//! were to be placed so far. Numbers are whole (thousandths of a GPU times pods), so that no rounding decides. Of several GPUs, those
//! with the least left are taken.

use crate::scheduler::own::{Allotment, ClusterView, NodeView, PodView, Policy, least_first};
use crate::scheduler::policies::gpus::{Cards, Demand, REFUSAL};
use crate::scheduler::registry::Making;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use wavetank_engine::hash::LookupMap;

const MODEL: &str = "alibabacloud.com/gpu-card-model";

/// The policy.
pub struct Fgd {
    /// What is to come.
    workload: Workload,
    /// Whether it is learnt.
    learns: bool,
    memory: Mutex<Memory>,
    /// Number of states made so far: each gets another.
    states: AtomicU64,
}

/// Tasks that want as many GPUs and as much of each.
#[derive(Debug, Clone)]
struct Kind {
    gpus: u64,
    share: i64,
    tasks: Vec<Task>,
}

/// One kind of task.
#[derive(Debug, Clone)]
struct Task {
    cpu: i64,
    memory: i64,
    pods: i64,
    /// Place of its models in [`Workload::models`]; `None`: any model does.
    models: Option<usize>,
}

/// The expectation.
#[derive(Debug, Clone, Default)]
struct Workload {
    kinds: Vec<Kind>,
    models: Vec<Vec<String>>,
}

/// What FGD keeps of a node.
#[derive(Debug, Clone)]
pub struct FgdNode {
    cards: Cards,
    /// Which of the workload's lists of models hold that of the node.
    runs: Arc<[bool]>,
    /// Another one after every change.
    state: u64,
}

/// What was computed before, by pod and node.
#[derive(Default)]
struct Memory {
    numbers: LookupMap<Demand, usize>,
    /// By number of the pod's demand and of the node: the state that it was computed for, and the descent.
    known: Vec<Vec<(u64, i64)>>,
}

impl Workload {
    fn add(&mut self, demand: &Demand, models: &[String], pods: i64) {
        let models = (!models.is_empty()).then(|| {
            self.models.iter().position(|known| known == models).unwrap_or_else(|| {
                self.models.push(models.to_vec());
                self.models.len() - 1
            })
        });
        let share = if demand.gpus == 0 { 0 } else { demand.share };
        let at = self.kinds.iter().position(|kind| (kind.gpus, kind.share) == (demand.gpus, share)).unwrap_or_else(|| {
            self.kinds.push(Kind { gpus: demand.gpus, share, tasks: Vec::new() });
            self.kinds.len() - 1
        });
        let tasks = &mut self.kinds[at].tasks;
        match tasks.iter_mut().find(|task| (task.cpu, task.memory, task.models) == (demand.cpu, demand.memory, models)) {
            Some(task) => task.pods += pods,
            None => tasks.push(Task { cpu: demand.cpu, memory: demand.memory, pods, models }),
        }
    }

    /// Fragmentation of a node, times the number of pods of the workload. Unit: thousandths of a GPU.
    fn fragments(&self, cards: &Cards, runs: &[bool], cpu: i64, memory: i64) -> i64 {
        let all = cards.left();
        let mut sum = 0;
        for kind in &self.kinds {
            let (mut fitting, mut too_small) = (0, 0);
            for &left in &cards.0 {
                if left >= kind.share {
                    fitting += 1;
                } else {
                    too_small += left;
                }
            }
            let possible = kind.gpus > 0 && fitting >= kind.gpus;
            for task in &kind.tasks {
                let can = possible && task.cpu <= cpu && task.memory <= memory && task.models.is_none_or(|models| runs[models]);
                sum += task.pods * if can { too_small } else { all };
            }
        }
        sum
    }

    /// The best GPUs for a pod on a node, and by how much they raise its fragmentation.
    fn steepest(&self, pod: &Demand, node: &FgdNode, cpu: i64, memory: i64) -> (i64, Allotment) {
        let before = self.fragments(&node.cards, &node.runs, cpu, memory);
        let with = |allotted: Allotment| {
            let mut cards = node.cards.clone();
            cards.count(pod, &allotted, true);
            (self.fragments(&cards, &node.runs, cpu - pod.cpu, memory - pod.memory) - before, allotted)
        };
        if pod.gpus != 1 {
            return with(node.cards.tightest(pod));
        }
        let lefts = &node.cards.0;
        let fits = |&card: &usize| lefts[card] >= pod.share && !lefts[..card].contains(&lefts[card]);
        let found = (0..lefts.len()).filter(fits).map(|card| with(vec![card as u32])).min_by_key(|found| found.0);
        found.unwrap_or((i64::MAX, Vec::new()))
    }
}

impl Fgd {
    /// Makes it; it takes no arguments.
    ///
    /// # Errors
    /// When there are arguments.
    pub fn of(making: &Making) -> Result<Fgd, String> {
        making.only(&[])?;
        let mut workload = Workload::default();
        for shape in making.workload {
            let demand = Demand { cpu: shape.cpu_millicores, memory: shape.memory_bytes, gpus: shape.gpus, share: shape.gpu_milli as i64 };
            workload.add(&demand, &shape.models, shape.pods as i64);
        }
        Ok(Fgd { workload, learns: making.workload.is_empty(), memory: Mutex::default(), states: AtomicU64::new(1) })
    }

    fn next_state(&self) -> u64 {
        self.states.fetch_add(1, Ordering::Relaxed)
    }

    fn with_memory<T>(&self, run: impl FnOnce(&mut Memory) -> T) -> T {
        run(&mut self.memory.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// CPU and memory left.
fn room<N>(node: &NodeView<N>) -> (i64, i64) {
    (node.free("cpu"), node.free("memory"))
}

impl Policy for Fgd {
    type Node = FgdNode;
    type Pod = Demand;

    fn node(&self, node: &NodeView<()>) -> FgdNode {
        let model = node.label(MODEL);
        let runs = |models: &Vec<String>| model.is_some_and(|model| models.iter().any(|known| known == model));
        let runs = self.workload.models.iter().map(runs).collect();
        FgdNode { cards: Cards::of(node), runs, state: self.next_state() }
    }

    fn pod(&self, pod: &PodView, _: &ClusterView) -> Demand {
        Demand::of(pod)
    }

    fn learns(&self) -> bool {
        self.learns
    }

    fn learn(&mut self, pod: &PodView) {
        self.workload.add(&Demand::of(pod), &[], 1);
        self.memory = Mutex::default();
    }

    fn refusal(&self, pod: &Demand, node: &NodeView<FgdNode>) -> Option<String> {
        (!node.state.cards.fit(pod)).then(|| REFUSAL.to_string())
    }

    fn refuses_by_node(&self) -> bool {
        true
    }

    fn scores(&self, pod: &Demand, nodes: &[NodeView<FgdNode>]) -> Option<Vec<i64>> {
        let values = self.with_memory(|memory| {
            let Memory { numbers, known } = memory;
            let number = *numbers.entry(*pod).or_insert(known.len());
            if number == known.len() {
                known.push(Vec::new());
            }
            let row = &mut known[number];
            let value = |node: &NodeView<FgdNode>| {
                let at = node.number as usize;
                if row.len() <= at {
                    row.resize(at + 1, (0, 0));
                }
                if row[at].0 != node.state.state {
                    let (cpu, memory) = room(node);
                    row[at] = (node.state.state, self.workload.steepest(pod, node.state, cpu, memory).0);
                }
                row[at].1
            };
            nodes.iter().map(value).collect::<Vec<i64>>()
        });
        Some(least_first(&values))
    }

    fn allot(&self, pod: &Demand, node: &NodeView<FgdNode>) -> Option<Allotment> {
        let (cpu, memory) = room(node);
        let found = self.workload.steepest(pod, node.state, cpu, memory);
        (pod.gpus > 0).then_some(found.1)
    }

    fn count(&self, node: &mut FgdNode, pod: &PodView, allotted: &[u32], add: bool) {
        node.cards.count(&Demand::of(pod), allotted, add);
        node.state = self.next_state();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use smallvec::SmallVec;

    fn demand(cpu: i64, gpus: u64, share: i64) -> Demand {
        Demand { cpu, memory: 0, gpus, share }
    }

    fn workload(tasks: &[(i64, Demand, &[&str])]) -> Workload {
        let mut workload = Workload::default();
        for (pods, demand, models) in tasks {
            workload.add(demand, &models.iter().map(|model| model.to_string()).collect::<Vec<_>>(), *pods);
        }
        workload
    }

    fn cards(left: &[i64]) -> Cards {
        Cards(SmallVec::from_slice(left))
    }

    #[test]
    fn fragments_by_hand() {
        let half = workload(&[(1, demand(2, 1, 500), &[])]);
        for (left, cpu, want) in [
            (&[1000, 300][..], 4, 300),
            (&[400, 300], 4, 700),
            (&[500, 1000], 4, 0),
            // Too little CPU: all of it.
            (&[500, 1000], 1, 1500),
        ] {
            assert_eq!(half.fragments(&cards(left), &[], cpu, 0), want, "{left:?} {cpu}");
        }
        // Two whole GPUs, and no GPU at all: 3 pods times 300 and 2 pods times all.
        let mixed = workload(&[(3, demand(1, 2, 1000), &[]), (2, demand(1, 0, 0), &[])]);
        assert_eq!(mixed.fragments(&cards(&[1000, 1000, 300]), &[], 8, 0), 3 * 300 + 2 * 2300);
        assert_eq!(mixed.fragments(&cards(&[1000, 300]), &[], 8, 0), 3 * 1300 + 2 * 1300);
        // The wrong model: all of it.
        let picky = workload(&[(1, demand(1, 1, 500), &["T4"])]);
        assert_eq!(picky.fragments(&cards(&[1000, 300]), &[true], 8, 0), 300);
        assert_eq!(picky.fragments(&cards(&[1000, 300]), &[false], 8, 0), 1300);
    }

    #[test]
    fn the_steepest_descent() {
        // Half of the pods want half a GPU, half of them a whole one.
        let workload = workload(&[(1, demand(1, 1, 500), &[]), (1, demand(1, 1, 1000), &[])]);
        let node = |left: &[i64]| FgdNode { cards: cards(left), runs: Arc::from([]), state: 1 };
        let pod = demand(1, 1, 500);
        for (left, want) in [
            // Onto the half GPU: before 0 + 500, after 0 + 0. Onto the whole one: after 0 + all 1000, as no whole one is left.
            (&[1000, 500][..], (-500, vec![1])),
            // Before 0 + 0; after 0 + the 500 that are left of it.
            (&[1000, 1000], (500, vec![0])),
            (&[1000], (500, vec![0])),
            // Onto 0.7: before 200 + all 900, after all 400 twice.
            (&[200, 700], (-300, vec![1])),
            (&[200], (i64::MAX, vec![])),
        ] {
            assert_eq!(workload.steepest(&pod, &node(left), 8, 0), want, "{left:?}");
        }
        // A pod without GPUs that takes the last CPU leaves 1500 twice.
        assert_eq!(workload.steepest(&demand(8, 0, 0), &node(&[1000, 500]), 8, 0), (3000 - 500, vec![]));
    }
}
