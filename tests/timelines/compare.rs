//! The comparator: a recorded timeline against a produced one.

use crate::difference::Difference;
use crate::history::{self, Vocabulary};
use crate::labels::Labels;
use crate::recording::{Entry, Recording};
use crate::{cuts, events, families, groups, laws};

/// How much earlier than its cause an effect may be seen in a recording, where each kind has a watch stream of its
/// own. Unit: microseconds. The largest gap in the recordings is 170 ms.
pub(crate) const RECORDED_SLACK: i64 = 200_000;

/// Compares what was produced with what was recorded. `slack` is how much earlier than its cause an effect may stand
/// in the produced timeline, in microseconds. The error is the difference that shows first.
pub(crate) fn compare(recording: &Recording, produced: &[Entry], slack: i64, vocabulary: &Vocabulary) -> Result<(), Difference> {
    let hide_nodes = !families::has_own_cluster(recording.family());
    let labels = (Labels::of(&recording.timeline, hide_nodes), Labels::of(produced, hide_nodes));
    let ours = history::histories(&recording.timeline, &labels.0, hide_nodes);
    let theirs = history::histories(produced, &labels.1, hide_nodes);
    let mut vocabulary = vocabulary.clone();
    for history in &ours {
        history::learn(history, &mut vocabulary);
    }
    let at_once = !recording.objects.iter().any(|object| object.to_string().contains("\"minReadySeconds\":"));
    let mut differences = groups::compare(&ours, &theirs, &vocabulary);
    differences.extend(events::compare(&recording.timeline, produced, (&labels.0, &labels.1)));
    differences.extend(own_faults(&recording.timeline, RECORDED_SLACK, at_once, "recorded"));
    differences.extend(own_faults(produced, slack, at_once, "produced"));
    differences.into_iter().min().map_or(Ok(()), Err)
}

/// What is wrong with a timeline taken alone: time runs back, or an effect is without its cause.
fn own_faults(timeline: &[Entry], slack: i64, at_once: bool, side: &str) -> Vec<Difference> {
    let mut faults = laws::broken(timeline, slack);
    faults.extend(cuts::broken(timeline, slack, at_once));
    for pair in timeline.windows(2) {
        if pair[1].at() < pair[0].at() {
            faults.push(Difference::new(pair[1].at(), "time runs back"));
        }
    }
    faults.into_iter().map(|fault| Difference { what: format!("{side}: {}", fault.what), ..fault }).collect()
}

/// The texts of recordings, for stages that one side may leave out.
pub(crate) fn vocabulary(recordings: &[Recording]) -> Vocabulary {
    let mut vocabulary = Vocabulary::new();
    for recording in recordings {
        let hide_nodes = !families::has_own_cluster(recording.family());
        let labels = Labels::of(&recording.timeline, hide_nodes);
        for history in history::histories(&recording.timeline, &labels, hide_nodes) {
            history::learn(&history, &mut vocabulary);
        }
    }
    vocabulary
}
