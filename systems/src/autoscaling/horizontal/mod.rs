//! HorizontalPodAutoscaler: how many replicas a workload should have, from what its pods use.
//!
//! Reading order: [`controller`] registers the behaviour and `turn` takes its turns; [`scale`] reads the target, [`metric`] an entry of the
//! spec, [`selection`] and [`reads`] which pods there are and what is to be known of them. [`pods`] says which pods count, [`proposal`] turns metrics into a proposed number,
//! [`answer`] puts it into words, [`normalize`] holds it back by what was proposed and done before, with the rules that [`behavior`]
//! reads, and [`verdict`] decides.

pub mod answer;
pub mod behavior;
pub mod controller;
pub mod metric;
pub mod normalize;
pub mod pods;
pub mod proposal;
pub mod reads;
pub mod scale;
pub mod selection;
pub mod series;
mod turn;
pub mod verdict;
