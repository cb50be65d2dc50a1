//! Taints of nodes and the tolerations of pods.

use crate::model::quote::quote;
use k8s_openapi::api::core::v1;
use serde::{Deserialize, Serialize};

/// What a taint does to pods that do not tolerate it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum TaintEffect {
    /// No new pod is placed on the node.
    NoSchedule,
    /// The scheduler avoids the node.
    PreferNoSchedule,
    /// No new pod is placed, and running ones are evicted.
    NoExecute,
}

/// A mark on a node that keeps pods away.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Taint {
    /// What the taint is about.
    pub key: String,
    /// May be empty.
    pub value: String,
    /// What it does.
    pub effect: TaintEffect,
}

/// How a toleration compares values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub enum TolerationOperator {
    /// The values must be equal.
    #[default]
    Equal,
    /// Any value will do.
    Exists,
}

/// A pod's leave to be on nodes with certain taints.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct Toleration {
    /// Key of the taints tolerated; empty means any.
    pub key: String,
    /// How `value` is compared.
    pub operator: TolerationOperator,
    /// Value of the taints tolerated; means nothing with `Exists`.
    pub value: String,
    /// Effect tolerated; `None` means any.
    pub effect: Option<TaintEffect>,
    /// How long a `NoExecute` taint is tolerated. Unit: seconds; `None` means for ever, zero and less not at all.
    pub toleration_seconds: Option<i64>,
}

/// A word that is no effect or no operator.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown {what} {}", quote(.word))]
pub struct UnknownWord {
    /// `taint effect` or `toleration operator`.
    pub what: &'static str,
    /// The word found.
    pub word: String,
}

impl TaintEffect {
    /// The effect as Kubernetes writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            TaintEffect::NoSchedule => "NoSchedule",
            TaintEffect::PreferNoSchedule => "PreferNoSchedule",
            TaintEffect::NoExecute => "NoExecute",
        }
    }

    /// Reads an effect. The error names any other word.
    pub fn parse(word: &str) -> Result<TaintEffect, UnknownWord> {
        match word {
            "NoSchedule" => Ok(TaintEffect::NoSchedule),
            "PreferNoSchedule" => Ok(TaintEffect::PreferNoSchedule),
            "NoExecute" => Ok(TaintEffect::NoExecute),
            _ => Err(UnknownWord { what: "taint effect", word: word.to_owned() }),
        }
    }
}

impl Toleration {
    /// Whether a pod with this toleration may stand the taint.
    ///
    /// Source: kubernetes v1.36, `component-helpers/scheduling/corev1/helpers.go` and `api/core/v1/toleration.go`, `ToleratesTaint`.
    pub fn tolerates(&self, taint: &Taint) -> bool {
        self.effect.is_none_or(|effect| effect == taint.effect)
            && (self.key.is_empty() || self.key == taint.key)
            && match self.operator {
                TolerationOperator::Equal => self.value == taint.value,
                TolerationOperator::Exists => true,
            }
    }
}

/// Whether one of the tolerations stands the taint.
pub fn tolerated(taint: &Taint, tolerations: &[Toleration]) -> bool {
    tolerations.iter().any(|toleration| toleration.tolerates(taint))
}

/// For each taint, in order, the first toleration that stands it. `None` when a taint is not tolerated.
///
/// Source: kubernetes v1.36, `pkg/apis/core/v1/helper/helpers.go`, `GetMatchingTolerations`.
pub fn matching_tolerations<'a>(taints: &[Taint], tolerations: &'a [Toleration]) -> Option<Vec<&'a Toleration>> {
    taints.iter().map(|taint| tolerations.iter().find(|toleration| toleration.tolerates(taint))).collect()
}

impl TryFrom<&v1::Taint> for Taint {
    type Error = UnknownWord;

    fn try_from(taint: &v1::Taint) -> Result<Taint, UnknownWord> {
        Ok(Taint { key: taint.key.clone(), value: taint.value.clone().unwrap_or_default(), effect: TaintEffect::parse(&taint.effect)? })
    }
}

impl TryFrom<&v1::Toleration> for Toleration {
    type Error = UnknownWord;

    fn try_from(toleration: &v1::Toleration) -> Result<Toleration, UnknownWord> {
        let operator = match toleration.operator.as_deref().unwrap_or_default() {
            "" | "Equal" => TolerationOperator::Equal,
            "Exists" => TolerationOperator::Exists,
            word => return Err(UnknownWord { what: "toleration operator", word: word.to_owned() }),
        };
        let effect = toleration.effect.as_deref().filter(|effect| !effect.is_empty()).map(TaintEffect::parse).transpose()?;
        Ok(Toleration {
            key: toleration.key.clone().unwrap_or_default(),
            operator,
            value: toleration.value.clone().unwrap_or_default(),
            effect,
            toleration_seconds: toleration.toleration_seconds,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taint(key: &str, value: &str) -> Taint {
        Taint { key: key.to_owned(), value: value.to_owned(), effect: TaintEffect::NoExecute }
    }

    fn toleration(key: &str, operator: TolerationOperator, value: &str, effect: Option<TaintEffect>) -> Toleration {
        Toleration { key: key.to_owned(), operator, value: value.to_owned(), effect, toleration_seconds: None }
    }

    #[test]
    fn each_part_can_refuse() {
        use TolerationOperator::{Equal, Exists};
        let gpu = taint("gpu", "a");
        for (toleration, want) in [
            (toleration("gpu", Equal, "a", Some(TaintEffect::NoExecute)), true),
            (toleration("gpu", Equal, "b", None), false),
            (toleration("cpu", Exists, "", None), false),
            (toleration("gpu", Exists, "", Some(TaintEffect::NoSchedule)), false),
            (toleration("", Exists, "", None), true),
            (toleration("", Equal, "a", None), true),
        ] {
            assert_eq!(toleration.tolerates(&gpu), want, "{toleration:?}");
        }
    }

    #[test]
    fn first_match_for_each_taint() {
        let all = toleration("", TolerationOperator::Exists, "", None);
        let gpu = toleration("gpu", TolerationOperator::Exists, "", None);
        let tolerations = [gpu.clone(), all.clone()];
        let taints = [taint("cpu", ""), taint("gpu", "")];
        assert_eq!(matching_tolerations(&taints, &tolerations), Some(vec![&all, &gpu]));
        assert_eq!(matching_tolerations(&taints, &tolerations[..1]), None);
        assert_eq!(matching_tolerations(&[], &[]), Some(Vec::new()));
    }

    #[test]
    fn reads_api_objects() {
        let empty = v1::Toleration { operator: Some(String::new()), effect: Some(String::new()), ..Default::default() };
        assert_eq!(Toleration::try_from(&empty), Ok(Toleration::default()));
        let odd = v1::Taint { effect: "Never".to_owned(), ..Default::default() };
        assert_eq!(Taint::try_from(&odd).unwrap_err().to_string(), "unknown taint effect \"Never\"");
    }
}
