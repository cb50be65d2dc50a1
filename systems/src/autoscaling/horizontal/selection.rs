//! Which pods a selector matches, without a look at every pod of the namespace: pods share label sets, and sets are few.

use wavetank_engine::hash::LookupMap;
use wavetank_engine::model::labels::{LabelSetId, LabelSets};
use wavetank_engine::model::select::{SelectorId, Selectors};

/// The label sets that each selector matches. Follows from the tables of both, so a checkpoint leaves it out.
#[derive(Debug, Default)]
pub struct Matching {
    by_selector: LookupMap<SelectorId, Matched>,
}

#[derive(Debug, Default)]
struct Matched {
    /// Sets looked at.
    seen: u32,
    sets: Vec<LabelSetId>,
}

impl Matching {
    /// The label sets that a selector matches, in order of their first appearance. Looks only at sets that came since the last call.
    pub fn sets(&mut self, selectors: &Selectors, labels: &LabelSets, selector: SelectorId) -> &[LabelSetId] {
        let matched = self.by_selector.entry(selector).or_default();
        let all = u32::try_from(labels.len()).unwrap_or(u32::MAX);
        let new = (matched.seen..all).map(LabelSetId);
        matched.sets.extend(new.filter(|&set| selectors.matches(selector, labels, set)));
        matched.seen = all;
        &matched.sets
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use wavetank_engine::names::Names;

    #[test]
    fn sets_that_come_later_are_found_too() {
        let (mut names, mut labels, mut selectors) = (Names::new(), LabelSets::default(), Selectors::default());
        let mut matching = Matching::default();
        let selector = selectors.of_equalities(&mut names, &json!({"app": "web"}));
        let set = |labels: &mut LabelSets, names: &mut Names, pairs: &[(&str, &str)]| {
            let pairs: Vec<_> = pairs.iter().map(|(key, value)| (names.sym(key), names.sym(value))).collect();
            labels.intern(names, pairs)
        };
        let first = set(&mut labels, &mut names, &[("app", "web")]);
        set(&mut labels, &mut names, &[("app", "db")]);
        assert_eq!(matching.sets(&selectors, &labels, selector), [first]);
        let second = set(&mut labels, &mut names, &[("app", "web"), ("tier", "front")]);
        assert_eq!(matching.sets(&selectors, &labels, selector), [first, second]);
    }
}
