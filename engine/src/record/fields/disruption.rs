//! PodDisruptionBudgets.

use super::{Cx, Fields, conditions, count};
use crate::model::disruption::{PodDisruptionBudget, PodDisruptionBudgetStatus};
use crate::model::workload::IntOrPercent;

fn limit(limit: Option<IntOrPercent>) -> String {
    match limit {
        None => String::new(),
        Some(IntOrPercent::Int(number)) => number.to_string(),
        Some(IntOrPercent::Percent(percent)) => format!("{percent}%"),
    }
}

pub(super) fn budget(budget: &PodDisruptionBudget) -> Fields {
    vec![("spec.minAvailable".into(), limit(budget.min_available)), ("spec.maxUnavailable".into(), limit(budget.max_unavailable))]
}

pub(super) fn budget_status(cx: &Cx, status: &PodDisruptionBudgetStatus) -> Fields {
    let disrupted = status.disrupted_pods.iter().map(|&(pod, _)| cx.names.render(pod)).collect::<Vec<_>>().join(",");
    let mut fields = vec![
        count("status.disruptionsAllowed", status.disruptions_allowed),
        count("status.currentHealthy", status.current_healthy),
        count("status.desiredHealthy", status.desired_healthy),
        count("status.expectedPods", status.expected_pods),
    ];
    fields.push(("status.disruptedPods".into(), disrupted));
    conditions(cx, &status.conditions, &mut fields);
    fields
}
