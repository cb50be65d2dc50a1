//! Policies that are shipped, one file each: used in research on GPU clusters, and three of kube-scheduler's old ones.

pub mod best_fit;
pub mod dot_product;
pub mod fgd;
pub mod gpu_packing;
pub mod gpus;
pub mod node_label;
pub mod service_affinity;
#[cfg(test)]
mod worlds;

use crate::scheduler::registry::Entry;
use gpus::Shares;

/// A name and what makes its entry.
pub type Shipped = (&'static str, fn() -> Entry);

/// Shipped policies by name.
pub const SHIPPED: &[Shipped] = &[
    ("BestFit", || Entry::score(|making| Shares::of(best_fit::BestFit, making))),
    ("CalculateNodeLabelPriority", || Entry::score(node_label::LabelScore::of)),
    ("CheckNodeLabelPresence", || Entry::filter(node_label::LabelFilter::of)),
    ("CheckServiceAffinity", || Entry::filter(service_affinity::ServiceAffinity::of)),
    ("DotProduct", || Entry::score(|making| Shares::of(dot_product::DotProduct, making))),
    ("FGD", || Entry::score(fgd::Fgd::of)),
    ("GpuPacking", || Entry::score(|making| Shares::of(gpu_packing::GpuPacking, making))),
    ("GpuShare", || Entry::filter(|making| Shares::of(gpus::GpuShare, making))),
];
