//! Defaults of PriorityClasses.
//!
//! Source: kubernetes v1.36, `pkg/apis/scheduling/v1/defaults.go`, `SetDefaults_PriorityClass`.

use super::fill::{self, Object};

/// Fills in a priority class.
pub(super) fn apply(class: &mut Object) {
    fill::absent(class, "preemptionPolicy", "PreemptLowerPriority");
}
