//! Nodes: how full each is over time, and all together.

use crate::report::series::Series;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use wavetank_engine::api::objects::Objects;
use wavetank_engine::hash::LookupMap;
use wavetank_engine::ids::{ObjRef, Uid};
use wavetank_engine::model::node::{Node, NodeStatus};
use wavetank_engine::names::{Names, Sym};
use wavetank_engine::simulation::Simulation;

/// Nodes whose own columns are kept; the others are only summed up.
pub const NODES_MAX: usize = 10_000;
/// Cells of all nodes together that are kept.
const CELLS_MAX: usize = 1_000_000;
const POINTS_MAX: usize = 2_000;
/// Numbers of [`Nodes::series`].
const SUMS: [&str; 6] = ["nodes", "ready", "cpu_allocatable_m", "cpu_requested_m", "memory_allocatable_b", "memory_requested_b"];

/// What a pod requests of its node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Load {
    /// The node's name.
    pub node: Sym,
    /// CPU. Unit: milli-cores.
    pub cpu_millicores: i64,
    /// Memory. Unit: bytes.
    pub memory_bytes: i64,
}

/// Present amounts of one node.
#[derive(Debug, Default, Clone)]
struct Standing {
    there: bool,
    ready: bool,
    cordoned: bool,
    allocatable: [i64; 2],
    requested: [i64; 2],
    pods: i64,
}

/// A cell of the heat map: percent of CPU and memory requested, pods, and 0 gone, 1 ready, 2 not ready, 3 cordoned.
type Cell = [u32; 4];

/// All nodes.
#[derive(Debug)]
pub struct Nodes {
    by_name: BTreeMap<String, usize>,
    by_uid: LookupMap<Uid, usize>,
    standing: Vec<Standing>,
    names: Vec<String>,
    touched: BTreeSet<usize>,
    sums: [i64; SUMS.len()],
    series: Series,
    /// For each node: the column of a change and the new cell.
    cells: Vec<Vec<(usize, Cell)>>,
    cells_kept: usize,
    cells_left_out: u64,
}

impl Default for Nodes {
    fn default() -> Nodes {
        Nodes {
            by_name: BTreeMap::new(),
            by_uid: LookupMap::default(),
            standing: Vec::new(),
            names: Vec::new(),
            touched: BTreeSet::new(),
            sums: [0; SUMS.len()],
            series: Series::new(SUMS.len(), POINTS_MAX),
            cells: Vec::new(),
            cells_kept: 0,
            cells_left_out: 0,
        }
    }
}

impl Nodes {
    /// Looks at a node that was written.
    pub fn look(&mut self, sim: &Simulation, object: ObjRef, gone: bool) {
        let found = self.by_uid.get(&object.uid).copied();
        if gone {
            let Some(at) = found else { return };
            self.change(at, |node| node.there = false);
            return;
        }
        let (Some(node), Some(status)) = (sim.state::<Node>(object), sim.state::<NodeStatus>(object)) else { return };
        let at = match found {
            Some(at) => at,
            None => {
                let Some(row) = sim.get::<Objects>().row(object) else { return };
                let name = sim.get::<Names>().render(row.key.name).to_string();
                let at = self.place(&name);
                self.by_uid.insert(object.uid, at);
                at
            }
        };
        let allocatable = [status.allocatable.cpu_millicores, status.allocatable.memory_bytes];
        let (ready, cordoned) = (status.ready(), node.unschedulable);
        self.change(at, |standing| *standing = Standing { there: true, ready, cordoned, allocatable, ..standing.clone() });
    }

    /// A pod's load changed.
    pub fn reload(&mut self, names: &Names, old: Option<Load>, new: Option<Load>) {
        if old == new {
            return;
        }
        for (load, times) in [(old, -1), (new, 1)] {
            let Some(load) = load else { continue };
            let at = self.place(names.text(load.node));
            self.change(at, |node| {
                node.requested[0] += load.cpu_millicores * times;
                node.requested[1] += load.memory_bytes * times;
                node.pods += times;
            });
        }
    }

    /// The place of the node of a name, which may come later than its pods.
    fn place(&mut self, name: &str) -> usize {
        if let Some(&at) = self.by_name.get(name) {
            return at;
        }
        self.by_name.insert(name.to_string(), self.names.len());
        self.standing.push(Standing::default());
        self.names.push(name.to_string());
        self.cells.push(Vec::new());
        self.names.len() - 1
    }

    fn change(&mut self, at: usize, change: impl FnOnce(&mut Standing)) {
        let node = &mut self.standing[at];
        let before = amounts(node);
        change(node);
        let after = amounts(node);
        for (sum, (before, after)) in self.sums.iter_mut().zip(before.into_iter().zip(after)) {
            *sum += after - before;
        }
        self.touched.insert(at);
    }

    /// The sums of an instant.
    pub fn summed(&mut self, at_ms: u64) {
        self.series.push(at_ms, &self.sums);
    }

    /// Enters the cells of the nodes that were touched since the last column.
    pub fn column(&mut self, column: usize) {
        for at in std::mem::take(&mut self.touched) {
            if at >= NODES_MAX {
                continue;
            }
            let cell = cell(&self.standing[at]);
            if self.cells[at].last().is_some_and(|(_, last)| *last == cell) {
                continue;
            }
            if self.cells_kept >= CELLS_MAX {
                self.cells_left_out += 1;
                continue;
            }
            self.cells[at].push((column, cell));
            self.cells_kept += 1;
        }
    }

    /// Sentences on what is not in the report.
    pub fn left_out(&self) -> Vec<String> {
        let more = self.names.len().saturating_sub(NODES_MAX);
        let nodes = (more > 0).then(|| format!("{more} more nodes than the first {NODES_MAX} in the heat map; they are in the sums"));
        let cells = (self.cells_left_out > 0).then(|| format!("{} later changes of nodes in the heat map", self.cells_left_out));
        nodes.into_iter().chain(cells).collect()
    }

    /// Sums over time, and for each node its cells as columns of numbers.
    pub fn json(&self) -> Value {
        let kept = self.names.len().min(NODES_MAX);
        let cells =
            |list: &Vec<(usize, Cell)>| list.iter().flat_map(|(at, cell)| [*at as u32, cell[0], cell[1], cell[2], cell[3]]).collect();
        let cells: Vec<Vec<u32>> = self.cells[..kept].iter().map(cells).collect();
        json!({"sums": SUMS, "series": self.series.json(), "names": self.names[..kept], "cells": cells})
    }
}

/// What a node adds to the sums. Pods of a node that is gone request nothing of anybody.
fn amounts(node: &Standing) -> [i64; SUMS.len()] {
    if !node.there {
        return [0; SUMS.len()];
    }
    [1, i64::from(node.ready), node.allocatable[0], node.requested[0], node.allocatable[1], node.requested[1]]
}

fn cell(node: &Standing) -> Cell {
    if !node.there {
        return [0; 4];
    }
    let percent = |at: usize| {
        let all = node.allocatable[at].max(1);
        u32::try_from(i128::from(node.requested[at].max(0)) * 100 / i128::from(all)).unwrap_or(u32::MAX).min(999)
    };
    let state = match (node.ready, node.cordoned) {
        (false, _) => 2,
        (true, true) => 3,
        (true, false) => 1,
    };
    [percent(0), percent(1), u32::try_from(node.pods).unwrap_or(0), state]
}
