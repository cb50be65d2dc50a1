//! Node selectors: terms over a node's labels and name. Source: `spec/scheduler.md` §5; `component-helpers/scheduling/corev1/nodeaffinity`.

use crate::model::labels::{LabelSetId, LabelSets};
use crate::names::{Names, Sym};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A node selector term: all its expressions and fields must match. One without any matches nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Term {
    /// `matchExpressions` over labels.
    pub expressions: Vec<Expression>,
    /// `matchFields` over `metadata.name`.
    pub names: Vec<Expression>,
}

/// One requirement of a term.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expression {
    /// The label's key.
    pub key: Sym,
    /// What is required.
    pub operator: NodeOperator,
}

/// Operator of a node selector requirement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum NodeOperator {
    In(Vec<Sym>),
    NotIn(Vec<Sym>),
    Exists,
    DoesNotExist,
    Gt(i64),
    Lt(i64),
    /// A number was expected and not found: matches nothing.
    Never,
}

impl Term {
    /// Whether a node with these labels and this name matches. A term without requirements matches nothing.
    pub fn matches(&self, labels: &LabelSets, names: &Names, node_labels: LabelSetId, node: Sym) -> bool {
        if self.expressions.is_empty() && self.names.is_empty() {
            return false;
        }
        self.expressions.iter().all(|expression| expression.matches(names, labels.get(node_labels, expression.key)))
            && self.names.iter().all(|expression| expression.matches(names, Some(node)))
    }
}

/// The required terms of a `nodeAffinity`; `None` when it has none.
pub fn node_terms(names: &mut Names, affinity: &Value) -> Option<Vec<Term>> {
    terms_of(names, affinity.get("requiredDuringSchedulingIgnoredDuringExecution")?)
}

/// The terms of a node selector; `None` when it has no list of them.
pub fn terms_of(names: &mut Names, selector: &Value) -> Option<Vec<Term>> {
    let terms = selector.get("nodeSelectorTerms").and_then(Value::as_array)?;
    Some(terms.iter().map(|term| self::term(names, term)).collect())
}

/// The preferred terms of a `nodeAffinity`, with their weights.
pub fn preferred_terms(names: &mut Names, affinity: &Value) -> Vec<(i64, Term)> {
    let terms = affinity.get("preferredDuringSchedulingIgnoredDuringExecution").and_then(Value::as_array).into_iter().flatten();
    let weight = |term: &Value| term.get("weight").and_then(Value::as_i64).unwrap_or(1);
    terms.map(|t| (weight(t), term(names, t.get("preference").unwrap_or(&Value::Null)))).collect()
}

fn term(names: &mut Names, term: &Value) -> Term {
    let mut expressions = |field: &str| -> Vec<Expression> {
        let list = term.get(field).and_then(Value::as_array).into_iter().flatten();
        list.map(|expression| self::expression(names, expression)).collect()
    };
    Term { expressions: expressions("matchExpressions"), names: expressions("matchFields") }
}

fn expression(names: &mut Names, expression: &Value) -> Expression {
    let values: Vec<&str> = expression.get("values").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    let number = || values.first().and_then(|text| text.parse::<i64>().ok());
    let operator = match expression.get("operator").and_then(Value::as_str) {
        Some("In") => NodeOperator::In(values.iter().map(|value| names.sym(value)).collect()),
        Some("NotIn") => NodeOperator::NotIn(values.iter().map(|value| names.sym(value)).collect()),
        Some("Exists") => NodeOperator::Exists,
        Some("DoesNotExist") => NodeOperator::DoesNotExist,
        Some("Gt") => number().map_or(NodeOperator::Never, NodeOperator::Gt),
        Some("Lt") => number().map_or(NodeOperator::Never, NodeOperator::Lt),
        _ => NodeOperator::Never,
    };
    Expression { key: names.sym(expression.get("key").and_then(Value::as_str).unwrap_or("")), operator }
}

impl Expression {
    /// Whether a label's value meets the requirement.
    pub fn matches(&self, names: &Names, value: Option<Sym>) -> bool {
        let number = || value.and_then(|value| names.text(value).parse::<i64>().ok());
        match &self.operator {
            NodeOperator::In(values) => value.is_some_and(|value| values.contains(&value)),
            NodeOperator::NotIn(values) => value.is_none_or(|value| !values.contains(&value)),
            NodeOperator::Exists => value.is_some(),
            NodeOperator::DoesNotExist => value.is_none(),
            NodeOperator::Gt(bound) => number().is_some_and(|number| number > *bound),
            NodeOperator::Lt(bound) => number().is_some_and(|number| number < *bound),
            NodeOperator::Never => false,
        }
    }
}
