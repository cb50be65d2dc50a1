//! ImageLocality: nodes that have large images of the pod already. Source: `spec/scheduler.md` §4, `plugins/imagelocality/image_locality.go`.

use crate::scheduler::cycle::Cycle;
use crate::scheduler::plugin::{MAX_SCORE, Plugin, Score};

/// Below this sum of image sizes a node scores 0. Unit: bytes.
const THRESHOLD_MIN: i64 = 23 << 20;
/// Above this for each container a node scores highest. Unit: bytes.
const THRESHOLD_MAX_PER_CONTAINER: i64 = 1000 << 20;

/// The score plugin.
pub struct ImageLocality;

impl Score for ImageLocality {
    fn plugin(&self) -> Plugin {
        Plugin::ImageLocality
    }

    fn scores(&self, cycle: &Cycle, feasible: &[u32]) -> Option<Vec<i64>> {
        Some(feasible.iter().map(|&number| score(cycle, number)).collect())
    }
}

fn score(cycle: &Cycle, number: u32) -> i64 {
    let (images, on_node) = (&cycle.pod.resident.class.images, &cycle.nodes.get(number).images);
    if on_node.is_empty() {
        return 0;
    }
    let there = images.iter().filter(|image| on_node.iter().any(|there| there.0 == **image));
    let scaled = |&image: &wavetank_engine::names::Sym| {
        let (size, nodes) = cycle.nodes.image(image);
        (size as f64 * (nodes as f64 / cycle.nodes.len() as f64)) as i64
    };
    let most = THRESHOLD_MAX_PER_CONTAINER * images.len() as i64;
    let sum = there.map(scaled).sum::<i64>().clamp(THRESHOLD_MIN, most);
    MAX_SCORE * (sum - THRESHOLD_MIN) / (most - THRESHOLD_MIN)
}

/// An image's name as nodes report it: `:latest` when it has no tag.
pub fn normalized(image: &str) -> String {
    let (colon, slash) = (image.rfind(':').map_or(-1, |at| at as i64), image.rfind('/').map_or(-1, |at| at as i64));
    if colon <= slash { format!("{image}:latest") } else { image.to_string() }
}
