//! What the pods of a Service can serve, and into which parts a rate is divided.

use super::sharing::Sharing;
use wavetank_engine::ids::{ObjRef, Uid};
use wavetank_engine::scene::arrivals::Group;
use wavetank_engine::scene::program::Programs;

impl Sharing<'_, '_, '_> {
    /// How a pod's containers serve requests; `None`: as many as come, at once.
    pub(super) fn group(&self, pod: ObjRef, programs: &mut Programs) -> Option<Group> {
        let class_id = self.reads.pods.get(pod)?.class;
        let class = self.reads.classes.get(class_id);
        let mut group = Group { weight: 1, at_a_time: 1, ..Group::default() };
        for (at, container) in class.containers.iter().enumerate() {
            let program = programs.of(&self.reads.names, class_id, class, false, at);
            if program.cpu_us_per_request == 0 {
                continue;
            }
            let limit = u64::try_from(container.limits.cpu_millicores).unwrap_or(0);
            // On less than a core a request takes longer.
            let answer_us = if limit > 0 && limit < 1000 { program.cpu_us_per_request * 1000 / limit } else { program.cpu_us_per_request };
            group.answer_us += answer_us;
            let can = limit.saturating_sub(program.cpu_millicores).saturating_mul(1_000_000) / program.cpu_us_per_request;
            if limit > 0 && (group.limit_milli == 0 || can < group.limit_milli) {
                let cores = u32::try_from(limit / 1000).unwrap_or(u32::MAX).clamp(1, CORES_MAX);
                group = Group { limit_milli: can.max(1), room: program.queue, at_a_time: cores, ..group };
            }
        }
        (group.answer_us > 0).then_some(group)
    }
}

/// Into so many parts a rate is divided at most for the endpoints of one node; beyond that they are rounded.
const PARTS_MAX: u32 = 720_720;

/// The least common multiple, up to [`PARTS_MAX`].
pub(super) fn common_multiple(one: u32, other: u32) -> u32 {
    let (mut a, mut b) = (one, other);
    while b > 0 {
        (a, b) = (b, a % b);
    }
    u32::try_from(u64::from(one / a.max(1)) * u64::from(other)).map_or(PARTS_MAX, |whole| whole.min(PARTS_MAX))
}

/// Most servers by which chance is reckoned.
const CORES_MAX: u32 = 1000;

/// A group with its pods.
pub(super) fn grouped(group: Group, mut members: Vec<Uid>) -> Group {
    let pods = members.len() as u32;
    members.sort_unstable();
    let members = if group.limit_milli > 0 { members } else { Vec::new() };
    Group { pods, members, ..group }
}
