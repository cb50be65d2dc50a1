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

/// A name and what makes its entry.
pub type Shipped = (&'static str, fn() -> Entry);

/// Shipped policies by name.
pub const SHIPPED: &[Shipped] = &[
    ("BestFit", || Entry::score(best_fit::BestFit::of)),
    ("CalculateNodeLabelPriority", || Entry::score(node_label::LabelScore::of)),
    ("CheckNodeLabelPresence", || Entry::filter(node_label::LabelFilter::of)),
    ("CheckServiceAffinity", || Entry::filter(service_affinity::ServiceAffinity::of)),
    ("DotProduct", || Entry::score(dot_product::DotProduct::of)),
    ("FGD", || Entry::score(fgd::Fgd::of)),
    ("GpuPacking", || Entry::score(gpu_packing::GpuPacking::of)),
    ("GpuShare", || Entry::filter(gpus::GpuShare::of)),
];
