//! Annotations that a Deployment writes on its ReplicaSets.
//!
//! Source: kubernetes v1.36, `pkg/controller/deployment/util/deployment_util.go`, `SetNewReplicaSetAnnotations`,
//! `SetReplicasAnnotations`.

use crate::workloads::texts::Texts;
use wavetank_engine::model::labels::{LabelSetId, LabelSets};
use wavetank_engine::names::{Names, Sym};
use wavetank_engine::words;

/// Longest text of the annotation revision-history. Unit: bytes.
const HISTORY_LEN_MAX: usize = 2000;

/// The tables of texts and sets.
pub struct Sets<'a> {
    /// Texts.
    pub names: &'a mut Names,
    /// Label sets.
    pub labels: &'a mut LabelSets,
}

impl Sets<'_> {
    fn number<N: std::str::FromStr>(&self, set: LabelSetId, key: Sym) -> Option<N> {
        self.labels.get(set, key).and_then(|text| self.names.text(text).parse().ok())
    }

    /// The number in the annotation revision, and 0 where there is none.
    pub fn revision(&self, set: LabelSetId) -> i64 {
        self.number(set, words::REVISION).unwrap_or(0)
    }

    /// The numbers in desired-replicas and max-replicas.
    pub fn replicas(&self, set: LabelSetId) -> (Option<i32>, Option<i32>) {
        (self.number(set, words::DESIRED_REPLICAS), self.number(set, words::MAX_REPLICAS))
    }

    fn put(&mut self, set: LabelSetId, key: Sym, text: &str) -> LabelSetId {
        let value = self.names.sym(text);
        self.labels.with(self.names, set, key, value)
    }

    /// Sets desired-replicas and max-replicas.
    pub fn with_replicas(&mut self, set: LabelSetId, desired: i32, max: i32) -> LabelSetId {
        let set = self.put(set, words::DESIRED_REPLICAS, &desired.to_string());
        self.put(set, words::MAX_REPLICAS, &max.to_string())
    }

    /// The annotations of the new set: the Deployment's own (nothing is ever taken away), and the revision, raised if it is lower; the
    /// revision that it had before goes into the history.
    pub fn of_new_set(&mut self, texts: &Texts, deployment: LabelSetId, set: LabelSetId, revision: i64) -> LabelSetId {
        let own =
            [words::REVISION, words::DESIRED_REPLICAS, words::MAX_REPLICAS, texts.revision_history, texts.rollback_to, texts.last_applied];
        let copied: Vec<(Sym, Sym)> = self.labels.pairs(deployment).iter().copied().filter(|pair| !own.contains(&pair.0)).collect();
        let had = self.labels.get(set, words::REVISION);
        let mut new = if copied.is_empty() {
            set
        } else {
            let pairs: Vec<(Sym, Sym)> = self.labels.pairs(set).iter().copied().chain(copied).collect();
            self.labels.intern(self.names, pairs)
        };
        let before = match had.map(|text| self.names.text(text).parse::<i64>()) {
            None => 0,
            Some(Ok(number)) => number,
            Some(Err(_)) => return new,
        };
        if before < revision {
            new = self.put(new, words::REVISION, &revision.to_string());
            if let Some(had) = had {
                let history = self.labels.get(new, texts.revision_history).unwrap_or(Sym::EMPTY);
                let history = lengthen(self.names.text(history), self.names.text(had));
                if let Some(history) = history {
                    new = self.put(new, texts.revision_history, &history);
                }
            }
        }
        new
    }
}

/// The history with one more revision; the oldest go where it would be too long. `None`: it cannot be made short enough.
fn lengthen(history: &str, revision: &str) -> Option<String> {
    if history.is_empty() {
        return Some(revision.to_owned());
    }
    let mut kept = history;
    let mut len = history.len() + revision.len() + 1;
    while len > HISTORY_LEN_MAX && !kept.is_empty() {
        let (first, rest) = kept.split_once(',').unwrap_or((kept, ""));
        len -= first.len() + 1;
        kept = rest;
    }
    let joined = if kept.is_empty() { revision.to_owned() } else { format!("{kept},{revision}") };
    (len <= HISTORY_LEN_MAX).then_some(joined)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(sets: &Sets, set: LabelSetId) -> String {
        let pairs = sets.labels.pairs(set).iter().map(|&(key, value)| format!("{}={}", sets.names.text(key), sets.names.text(value)));
        pairs.collect::<Vec<_>>().join(" ").replace("deployment.kubernetes.io/", "")
    }

    #[test]
    fn a_set_takes_over_annotations_and_a_higher_revision() {
        let (mut names, mut labels) = (Names::new(), LabelSets::default());
        let texts = Texts::new(&mut names);
        let mut sets = Sets { names: &mut names, labels: &mut labels };
        let (note, a, b) = (sets.names.sym("note"), sets.names.sym("a"), sets.names.sym("1"));
        let deployment = sets.labels.intern(sets.names, [(note, a), (words::REVISION, b), (texts.last_applied, a)]);
        let first = sets.of_new_set(&texts, deployment, LabelSetId::EMPTY, 1);
        let first = sets.with_replicas(first, 3, 4);
        assert_eq!(text(&sets, first), "desired-replicas=3 max-replicas=4 revision=1 note=a");
        assert_eq!(sets.of_new_set(&texts, deployment, first, 1), first, "a second time changes nothing");
        let third = sets.of_new_set(&texts, deployment, first, 3);
        assert_eq!(text(&sets, third), "desired-replicas=3 max-replicas=4 revision=3 revision-history=1 note=a");
        let fifth = sets.of_new_set(&texts, LabelSetId::EMPTY, third, 5);
        assert!(text(&sets, fifth).contains("revision=5 revision-history=1,3 note=a"));
    }

    #[test]
    fn the_history_forgets_the_oldest() {
        let long = vec!["1234567"; 250].join(",");
        let longer = lengthen(&long, "8").unwrap();
        assert!(longer.len() <= HISTORY_LEN_MAX && longer.ends_with(",1234567,8"), "{}", longer.len());
    }
}
