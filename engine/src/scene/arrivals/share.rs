//! Who gets which part of a rate, and what becomes of it.

use super::pieces::Piece;
use super::queue::Line;
use super::{LOAD_MAX, area_below};
use crate::ids::{ObjectKey, Uid};
use serde::{Deserialize, Serialize};

/// Who gets which part of a rate.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Share {
    /// Pods that get a part each, sorted.
    pub pods: Vec<Uid>,
    /// How many parts each of the pods gets; empty: one each.
    pub weights: Vec<u32>,
    /// Parts that addresses get which are no pods: they are served.
    pub others: u64,
    /// Parts that nobody gets.
    pub lost_parts: u64,
    /// What becomes of what nobody gets. Where there are no pods all is lost.
    pub lost: Lost,
    /// Pods that need time for a request, or serve no more than so many. Those that are not named serve all that comes, at once.
    pub groups: Vec<Group>,
    /// The Service that gets what comes through an Ingress at present.
    pub backend: Option<ObjectKey>,
}

/// Pods that serve alike.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Group {
    /// What each can serve; 0: as much as comes. Unit: thousandths of a request per second.
    pub limit_milli: u64,
    /// How many parts each gets.
    pub weight: u32,
    /// Requests that wait in each at most; 0: none, and what is more than it can serve times out at once. Unit: requests.
    pub room: u64,
    /// How long one request takes where none is before it. Unit: microseconds.
    pub answer_us: u64,
    /// How many requests each serves at a time.
    pub at_a_time: u32,
    /// How many pods.
    pub pods: u32,
    /// The pods themselves, where they have a limit.
    pub members: Vec<Uid>,
}

impl Group {
    /// Pods of one part each that serve so much and let nothing wait.
    pub fn limited(limit_milli: u64, pods: u32) -> Group {
        Group { limit_milli, weight: 1, pods, at_a_time: 1, ..Group::default() }
    }

    /// What each can serve. Unit: billionths of a request per second.
    pub(super) fn limit(&self) -> u128 {
        u128::from(self.limit_milli) * 1_000_000
    }

    /// How many of the pods are in no line.
    pub(super) fn alone(&self, place: usize, lines: &[Line]) -> u128 {
        let lined: usize = lines.iter().filter(|line| line.group == place).map(|line| line.pods.len()).sum();
        u128::from(self.pods).saturating_sub(lined as u128)
    }
}

/// What becomes of requests that no pod gets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Lost {
    /// They are refused: by the proxy, by the name service, or with an error of the Ingress controller.
    #[default]
    Refused,
    /// They are dropped: the client waits in vain.
    Dropped,
    /// Their source is not there: nobody sends them.
    Unsent,
}

/// What became of requests. Unit: 10⁻¹⁸ of a request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    pub(super) sent: u128,
    pub(super) refused: u128,
    pub(super) dropped: u128,
    pub(super) timed_out: u128,
    /// The longest that a request waited in a pod. Unit: nanoseconds.
    pub(super) longest_wait_ns: u64,
}

/// One request in the unit of [`Counts`].
pub(super) const REQUEST: u128 = 1_000_000_000_000_000_000;

impl Counts {
    /// Requests that were sent: all others together.
    pub fn sent(&self) -> u64 {
        whole(self.sent)
    }

    /// Requests that nothing took.
    pub fn refused(&self) -> u64 {
        whole(self.refused)
    }

    /// Requests that got lost on their way.
    pub fn dropped(&self) -> u64 {
        whole(self.dropped)
    }

    /// Requests beyond what programs could do at that time.
    pub fn timed_out(&self) -> u64 {
        whole(self.timed_out)
    }

    /// Requests that were answered, or wait for their answer.
    pub fn served(&self) -> u64 {
        self.sent() - self.refused() - self.dropped() - self.timed_out()
    }

    /// The longest that a request waited in a pod before it was served. Unit: nanoseconds.
    pub fn longest_wait_ns(&self) -> u64 {
        self.longest_wait_ns
    }

    /// What was served, with its fraction.
    pub(super) fn served_exactly(&self) -> u128 {
        self.sent.saturating_sub(self.refused).saturating_sub(self.dropped).saturating_sub(self.timed_out)
    }

    /// By the word of an outcome: `sent`, `served`, `refused`, `timed out`, `dropped`.
    pub fn of(&self, outcome: &str) -> Option<u64> {
        match outcome {
            "sent" => Some(self.sent()),
            "served" => Some(self.served()),
            "refused" => Some(self.refused()),
            "timed out" => Some(self.timed_out()),
            "dropped" => Some(self.dropped()),
            _ => None,
        }
    }

    pub(super) fn add(&mut self, other: Counts) {
        let Counts { sent, refused, dropped, timed_out, longest_wait_ns } = self;
        let sums = [(sent, other.sent), (refused, other.refused), (dropped, other.dropped), (timed_out, other.timed_out)];
        sums.into_iter().for_each(|(sum, more)| *sum = sum.saturating_add(more));
        *longest_wait_ns = other.longest_wait_ns.max(*longest_wait_ns);
    }
}

/// The outcomes of requests, in words.
pub const OUTCOMES: [&str; 5] = ["sent", "served", "refused", "timed out", "dropped"];

fn whole(requests: u128) -> u64 {
    u64::try_from(requests / REQUEST).unwrap_or(u64::MAX)
}

impl Share {
    /// These pods get all.
    pub fn among(mut pods: Vec<Uid>) -> Share {
        pods.sort_unstable();
        pods.dedup();
        Share { pods, ..Share::default() }
    }

    /// Nobody gets any.
    pub fn lost(lost: Lost) -> Share {
        Share { lost, ..Share::default() }
    }

    fn served_parts(&self) -> u128 {
        let of_pods = if self.weights.is_empty() { self.pods.len() as u128 } else { self.weights.iter().map(|&one| u128::from(one)).sum() };
        of_pods + u128::from(self.others)
    }

    /// Into how many parts the rate is divided.
    pub(super) fn parts(&self) -> u128 {
        (self.served_parts() + u128::from(self.lost_parts)).max(1)
    }

    /// How many parts a pod gets.
    pub(super) fn weight(&self, pod: Uid) -> Option<u32> {
        let place = self.pods.binary_search(&pod).ok()?;
        Some(self.weights.get(place).copied().unwrap_or(1))
    }

    /// So many parts of a rate.
    pub(super) fn part(&self, piece: Piece, weight: u32) -> Piece {
        piece.part(weight, self.parts())
    }

    /// Pods with a limit.
    pub(super) fn limited(&self) -> impl Iterator<Item = Uid> {
        self.groups.iter().filter(|group| group.limit_milli > 0).flat_map(|group| group.members.iter().copied())
    }

    /// Groups with a limit, with how many of their pods are in no line.
    fn free_groups(&self, lines: &[Line]) -> impl Iterator<Item = (&Group, u128)> {
        let groups = self.groups.iter().enumerate().filter(|(_, group)| group.limit_milli > 0);
        groups.map(move |(place, group)| (group, group.alone(place, lines)))
    }

    /// What becomes of the requests of a rate, but for those that pass through lines and find no room.
    pub(super) fn count(&self, pieces: &[Piece], lines: &[Line]) -> Counts {
        let mut counts = Counts::default();
        if self.lost == Lost::Unsent {
            return counts;
        }
        for &piece in pieces {
            let width = u128::from(piece.until.since(piece.from).0);
            let below = |piece: Piece, limit: u128| area_below(piece.start, piece.end, limit, width);
            let sent = below(piece, LOAD_MAX);
            let mut excess = 0_u128;
            for (group, pods) in self.free_groups(lines).filter(|&(_, pods)| pods > 0) {
                let part = self.part(piece, group.weight);
                excess = excess.saturating_add((below(part, LOAD_MAX) - below(part, group.limit())).saturating_mul(pods));
            }
            let offered = below(self.part(piece, 1), LOAD_MAX);
            // What the division by parts cuts off goes with the greater part.
            let lost = match (self.served_parts(), self.lost_parts) {
                (0, _) => sent,
                (_, 0) => 0,
                (served, _) => sent.saturating_sub(offered.saturating_mul(served)),
            };
            let (refused, dropped) = if self.lost == Lost::Dropped { (0, lost) } else { (lost, 0) };
            counts.add(Counts { sent, refused, dropped, timed_out: excess, longest_wait_ns: 0 });
        }
        counts
    }

    /// What is served of a rate, but for what passes through lines. Unit: billionths of a request per second.
    pub(super) fn served(&self, rate: u128, lines: &[Line]) -> u128 {
        let parts = self.parts();
        let (mut held, mut full) = (0, 0);
        for (group, pods) in self.free_groups(lines) {
            held += u128::from(group.weight) * u128::from(group.pods);
            full += (rate * u128::from(group.weight) / parts).min(group.limit()) * pods;
        }
        let free = self.served_parts().saturating_sub(held);
        let all = held == 0 && self.lost_parts == 0 && free > 0;
        if all { rate } else { rate / parts * free + full }
    }

    /// Rates at which a group of pods is at its limit, for a rate of all.
    pub(super) fn limits(&self, lines: &[Line]) -> impl Iterator<Item = u128> {
        let parts = self.parts();
        let groups = self.free_groups(lines).filter(|&(_, pods)| pods > 0);
        groups.map(move |(group, _)| group.limit() * parts / u128::from(group.weight.max(1)))
    }
}
