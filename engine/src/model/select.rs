//! Selectors over interned label sets, found by content and shared.

use crate::hash::LookupMap;
use crate::model::labels::{LabelSetId, LabelSets};
use crate::names::{Names, Sym};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Number of an interned selector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SelectorId(pub u32);

/// One requirement of a selector.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Requirement {
    /// The label's key.
    pub key: Sym,
    /// What is required of it.
    pub operator: Operator,
    /// Values, for the operators that have them.
    pub values: Vec<Sym>,
}

impl Requirement {
    /// Whether a label set meets the requirement.
    pub fn met_by(&self, labels: &LabelSets, set: LabelSetId) -> bool {
        let value = labels.get(set, self.key);
        match self.operator {
            Operator::In => value.is_some_and(|value| self.values.contains(&value)),
            Operator::NotIn => value.is_none_or(|value| !self.values.contains(&value)),
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
        }
    }
}

/// Operator of a requirement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum Operator {
    In,
    NotIn,
    Exists,
    DoesNotExist,
}

/// All selectors. ECS resource. A selector is the list of its requirements; the empty list matches everything.
#[derive(Default, bevy_ecs::resource::Resource)]
pub struct Selectors {
    list: Vec<Vec<Requirement>>,
    found: LookupMap<Vec<Requirement>, SelectorId>,
}

impl Selectors {
    /// The number of a selector.
    pub fn intern(&mut self, requirements: Vec<Requirement>) -> SelectorId {
        if let Some(&id) = self.found.get(&requirements) {
            return id;
        }
        let id = SelectorId(self.list.len() as u32);
        self.list.push(requirements.clone());
        self.found.insert(requirements, id);
        id
    }

    /// The selector of a `LabelSelector` in JSON (`matchLabels`, `matchExpressions`), validated before.
    pub fn of_label_selector(&mut self, names: &mut Names, selector: &Value) -> SelectorId {
        let requirements = requirements_of(names, selector);
        self.intern(requirements)
    }

    /// The selector of a map of equalities in JSON (of Services and ReplicationControllers).
    pub fn of_equalities(&mut self, names: &mut Names, map: &Value) -> SelectorId {
        let requirements = equalities(names, Some(map));
        self.intern(requirements)
    }

    /// The requirements of a selector.
    pub fn get(&self, id: SelectorId) -> &[Requirement] {
        &self.list[id.0 as usize]
    }

    /// The first label that a selector demands with one value, if it demands any so.
    pub fn demanded(&self, id: SelectorId) -> Option<(Sym, Sym)> {
        self.get(id).iter().find_map(|requirement| match (requirement.operator, &requirement.values[..]) {
            (Operator::In, &[value]) => Some((requirement.key, value)),
            _ => None,
        })
    }

    /// Whether a label set meets every requirement.
    pub fn matches(&self, id: SelectorId, labels: &LabelSets, set: LabelSetId) -> bool {
        self.get(id).iter().all(|requirement| requirement.met_by(labels, set))
    }

    pub(crate) fn dump(&self) -> Vec<Vec<Requirement>> {
        self.list.clone()
    }

    pub(crate) fn restore(list: Vec<Vec<Requirement>>) -> Selectors {
        let mut selectors = Selectors::default();
        for requirements in list {
            selectors.intern(requirements);
        }
        selectors
    }
}

/// The requirements of a `LabelSelector` in JSON (`matchLabels`, `matchExpressions`), validated before.
pub fn requirements_of(names: &mut Names, selector: &Value) -> Vec<Requirement> {
    let mut requirements = equalities(names, selector.get("matchLabels"));
    for expression in selector.get("matchExpressions").and_then(Value::as_array).into_iter().flatten() {
        let operator = match expression.get("operator").and_then(Value::as_str) {
            Some("In") => Operator::In,
            Some("NotIn") => Operator::NotIn,
            Some("Exists") => Operator::Exists,
            _ => Operator::DoesNotExist,
        };
        let values = expression.get("values").and_then(Value::as_array).into_iter().flatten();
        let values = values.filter_map(Value::as_str).map(|value| names.sym(value)).collect();
        let key = names.sym(expression.get("key").and_then(Value::as_str).unwrap_or(""));
        requirements.push(Requirement { key, operator, values });
    }
    requirements
}

fn equalities(names: &mut Names, map: Option<&Value>) -> Vec<Requirement> {
    let pairs = map.and_then(Value::as_object).into_iter().flatten();
    let pairs = pairs.filter_map(|(key, value)| value.as_str().map(|value| (key, value)));
    pairs.map(|(key, value)| Requirement { key: names.sym(key), operator: Operator::In, values: vec![names.sym(value)] }).collect()
}
