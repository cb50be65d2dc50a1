//! Defaults of Deployments.
//!
//! Source: kubernetes v1.36, `pkg/apis/apps/v1/defaults.go`, `SetDefaults_Deployment`.

use super::fill::{self, Object};
use super::pod_spec;

/// Old replica sets kept for rollback. Unit: replica sets.
const REVISION_HISTORY: i64 = 10;
/// Time without progress after which a rollout counts as stuck. Unit: seconds.
const PROGRESS_DEADLINE_S: i64 = 600;

/// Fills in a deployment.
pub(super) fn apply(deployment: &mut Object) {
    fill::with_object(deployment, "spec", |spec| {
        fill::absent(spec, "replicas", 1);
        fill::with_object(spec, "strategy", |strategy| {
            fill::zero(strategy, "type", "RollingUpdate");
            if fill::text(strategy, "type") == "RollingUpdate" {
                fill::with_object(strategy, "rollingUpdate", |rolling| {
                    fill::absent(rolling, "maxUnavailable", "25%");
                    fill::absent(rolling, "maxSurge", "25%");
                });
            }
        });
        fill::absent(spec, "revisionHistoryLimit", REVISION_HISTORY);
        fill::absent(spec, "progressDeadlineSeconds", PROGRESS_DEADLINE_S);
        fill::with_object(spec, "template", pod_spec::apply_to_template);
        fill::drop_zeros(spec, &["minReadySeconds", "paused"]);
    });
}

#[cfg(test)]
mod tests {
    use super::super::tests::defaulted;
    use serde_json::json;

    #[test]
    fn strategy_table() {
        let quarter = json!({"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "25%", "maxSurge": "25%"}});
        let rows = [
            (json!({}), quarter.clone()),
            (json!({"type": ""}), quarter),
            (json!({"type": "Recreate"}), json!({"type": "Recreate"})),
            (
                json!({"rollingUpdate": {"maxSurge": 0}}),
                json!({"rollingUpdate": {"maxSurge": 0, "maxUnavailable": "25%"}, "type": "RollingUpdate"}),
            ),
        ];
        for (given, want) in rows {
            let deployment =
                defaulted(json!({"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"strategy": given.clone(), "paused": false}}));
            assert_eq!(deployment["spec"]["strategy"], want, "strategy {given}");
            assert_eq!(deployment["spec"]["replicas"], 1);
            assert_eq!(deployment["spec"]["revisionHistoryLimit"], 10);
            assert_eq!(deployment["spec"]["progressDeadlineSeconds"], 600);
            assert!(deployment["spec"].get("paused").is_none());
        }
    }
}
