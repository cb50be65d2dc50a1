//! Pod failure policy and success policy of Jobs.
//!
//! Source: kubernetes v1.36, `pkg/controller/job/pod_failure_policy.go`, `matchPodFailurePolicy`; `success_policy.go`,
//! `matchSuccessPolicy`.

use super::indexes::Indexes;
use super::pods::PodFacts;
use wavetank_engine::model::batch::{FailureAction, FailureMatch, Job, SuccessRule};
use wavetank_engine::names::Sym;

/// The rule of a failure policy that a pod matched, and by what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Matched {
    /// Place of the rule.
    pub rule: usize,
    /// Its action.
    pub action: FailureAction,
    /// The container with its exit code, or the condition.
    pub by: MatchedBy,
}

/// What a rule matched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MatchedBy {
    /// A container's exit code.
    Exit(Sym, i32),
    /// A condition of the pod.
    Condition(Sym),
}

/// The first rule that a failed pod matches.
pub fn matched(job: &Job, pod: &PodFacts) -> Option<Matched> {
    let rules = job.failure_policy.as_ref()?;
    rules.iter().enumerate().find_map(|(place, rule)| {
        let by = match &rule.matches {
            FailureMatch::ExitCodes { container, not_in, values } => {
                let exit = pod
                    .exits
                    .iter()
                    .find(|&&(name, code)| code != 0 && (container.is_empty() || *container == name) && values.contains(&code) != *not_in);
                exit.map(|&(name, code)| MatchedBy::Exit(name, code))
            }
            FailureMatch::Conditions(patterns) => {
                let found = pod.conditions.iter().find(|condition| patterns.contains(condition));
                found.map(|&(kind, _)| MatchedBy::Condition(kind))
            }
        };
        by.map(|by| Matched { rule: place, action: rule.action, by })
    })
}

/// Whether a failed pod counts towards the back-off limits.
pub fn counts(job: &Job, pod: &PodFacts) -> bool {
    matched(job, pod).is_none_or(|matched| matched.action != FailureAction::Ignore)
}

/// Place of the first rule of the success policy that is met.
pub fn succeeded_by(rules: &[SuccessRule], completions: u32, succeeded: &Indexes) -> Option<usize> {
    rules.iter().position(|rule| match (&rule.indexes, rule.count) {
        (Some(text), count) => {
            let wanted = Indexes::parse(text, completions);
            let both = wanted.total() + succeeded.total() - wanted.union(succeeded).total();
            wanted.total() > 0 && count.map_or(both == wanted.total(), |count| both >= i64::from(count))
        }
        (None, Some(count)) => succeeded.total() >= i64::from(count),
        (None, None) => false,
    })
}
