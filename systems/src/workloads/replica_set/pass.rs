//! One pass over the pods of a set: who belongs to it, and how many are in which state.

use super::status::Counts;
use wavetank_engine::ids::Uid;
use wavetank_engine::model::labels::{LabelSetId, LabelSets};
use wavetank_engine::model::pod::PodPhase;
use wavetank_engine::model::select::{SelectorId, Selectors};
use wavetank_engine::time::{SimDuration, SimTime};

/// What the pass looks at in a pod.
#[derive(Debug, Clone, Copy)]
pub struct PodFacts {
    /// Its controller, or `Uid(0)`.
    pub controller: Uid,
    /// Its labels.
    pub labels: LabelSetId,
    /// Its phase.
    pub phase: PodPhase,
    /// Whether it is being deleted.
    pub deleting: bool,
    /// When it became ready, uncut, if it is.
    pub ready_at: Option<SimTime>,
}

/// What a pod is to a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Belongs {
    /// Nothing.
    No,
    /// One of its active pods.
    Active,
    /// One of its pods that are being deleted and have not ended.
    Terminating,
    /// An active orphan that it selects.
    Adopt,
    /// An active pod that it controls and no longer selects.
    Release,
}

/// What the pass knows of the set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SetFacts {
    /// Who it is.
    pub uid: Uid,
    /// `selector`.
    pub selector: SelectorId,
    /// Labels of the template.
    pub template_labels: LabelSetId,
    /// `minReadySeconds`.
    pub min_ready: SimDuration,
    /// Whether it is being deleted.
    pub deleting: bool,
}

/// A pass in progress. Answers for a label set are remembered from pod to pod.
pub struct Pass<'a> {
    set: SetFacts,
    labels: &'a LabelSets,
    selectors: &'a Selectors,
    now: SimTime,
    last: Option<(LabelSetId, bool, bool)>,
    /// The sums so far.
    pub counts: Counts,
}

impl<'a> Pass<'a> {
    /// Begins a pass.
    pub fn new(set: SetFacts, labels: &'a LabelSets, selectors: &'a Selectors, now: SimTime) -> Pass<'a> {
        Pass { set, labels, selectors, now, last: None, counts: Counts::default() }
    }

    /// Takes in a pod that the set controls or that nobody does; says what it is to the set. Pods to be adopted or released are not
    /// counted: the sync begins anew once they are.
    pub fn add(&mut self, pod: &PodFacts) -> Belongs {
        let (selected, fully_labeled) = self.match_labels(pod.labels);
        let ours = pod.controller == self.set.uid;
        if pod.phase.terminal() || !ours && (pod.controller != Uid(0) || !selected || pod.deleting || self.set.deleting) {
            return Belongs::No;
        }
        if pod.deleting {
            self.counts.terminating += i32::from(selected);
            return if selected { Belongs::Terminating } else { Belongs::No };
        }
        match (ours, selected) {
            (true, true) => {
                let ready_at = pod.ready_at.map(SimTime::cut_to_second);
                self.counts.add_active(fully_labeled, ready_at, self.set.min_ready, self.now);
                Belongs::Active
            }
            (true, false) if self.set.deleting => Belongs::No,
            (true, false) => Belongs::Release,
            (false, _) => Belongs::Adopt,
        }
    }

    fn match_labels(&mut self, labels: LabelSetId) -> (bool, bool) {
        if let Some((known, selected, full)) = self.last
            && known == labels
        {
            return (selected, full);
        }
        let selected = self.selectors.matches(self.set.selector, self.labels, labels);
        let wanted = self.labels.pairs(self.set.template_labels);
        let full = labels == self.set.template_labels || wanted.iter().all(|&(key, value)| self.labels.get(labels, key) == Some(value));
        self.last = Some((labels, selected, full));
        (selected, full)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use wavetank_engine::names::Names;

    #[test]
    fn pods_are_sorted_into_what_they_are_to_the_set() {
        let (mut names, mut labels, mut selectors) = (Names::new(), LabelSets::default(), Selectors::default());
        let selector = selectors.of_label_selector(&mut names, &json!({"matchLabels": {"app": "web"}}));
        let pair = |names: &mut Names, key: &str, value: &str| (names.sym(key), names.sym(value));
        let (app, tier) = (pair(&mut names, "app", "web"), pair(&mut names, "tier", "a"));
        let (web, full) = (labels.intern(&names, [app]), labels.intern(&names, [app, tier]));
        let set = SetFacts { uid: Uid(9), selector, template_labels: full, min_ready: SimDuration::from_secs(5), deleting: false };
        let now = SimTime::from_secs(100);
        let pod = PodFacts { controller: Uid(9), labels: full, phase: PodPhase::Running, deleting: false, ready_at: None };
        let ready = |second: u64| Some(SimTime(second * 1_000_000_000 + 700_000_000));
        let rows = [
            (PodFacts { ready_at: ready(95), ..pod }, Belongs::Active),
            (PodFacts { ready_at: ready(96), labels: web, ..pod }, Belongs::Active),
            (PodFacts { phase: PodPhase::Failed, ..pod }, Belongs::No),
            (PodFacts { deleting: true, ..pod }, Belongs::Terminating),
            (PodFacts { deleting: true, phase: PodPhase::Succeeded, ..pod }, Belongs::No),
            (PodFacts { labels: LabelSetId::EMPTY, ..pod }, Belongs::Release),
            (PodFacts { labels: LabelSetId::EMPTY, deleting: true, ..pod }, Belongs::No),
            (PodFacts { controller: Uid(0), ..pod }, Belongs::Adopt),
            (PodFacts { controller: Uid(0), labels: LabelSetId::EMPTY, ..pod }, Belongs::No),
            (PodFacts { controller: Uid(0), deleting: true, ..pod }, Belongs::No),
            (PodFacts { controller: Uid(8), ..pod }, Belongs::No),
        ];
        let mut pass = Pass::new(set, &labels, &selectors, now);
        for (nth, (pod, expected)) in rows.iter().enumerate() {
            assert_eq!(pass.add(pod), *expected, "row {nth}");
        }
        let next_available_at = Some(SimTime::from_secs(101));
        assert_eq!(pass.counts, Counts { active: 2, fully_labeled: 1, ready: 2, available: 1, terminating: 1, next_available_at });
        let mut deleted = Pass::new(SetFacts { deleting: true, ..set }, &labels, &selectors, now);
        for (pod, belongs) in rows.iter().filter(|row| matches!(row.1, Belongs::Adopt | Belongs::Release)) {
            assert_eq!(deleted.add(pod), Belongs::No, "a set that is being deleted claims nothing: {belongs:?}");
        }
    }
}
