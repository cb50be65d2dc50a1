//! HorizontalPodAutoscaler: how many replicas a workload should have, from what its pods use.
//!
//! [`pods`] says what is to be known of each pod and which pods count, [`proposal`] turns metrics into a proposed number,
//! [`normalize`] holds it back by what was proposed and done before, with the rules that [`behavior`] reads.

pub mod behavior;
pub mod normalize;
pub mod pods;
pub mod proposal;
