//! Defaults of StatefulSets.
//!
//! `rollingUpdate.maxUnavailable` is not defaulted: its feature gate is off in 1.36, and the server drops
//! the field on create.
//!
//! Source: kubernetes v1.36, `pkg/apis/apps/v1/defaults.go`, `SetDefaults_StatefulSet`, and
//! `conversion.go`, `Convert_apps_StatefulSetSpec_To_v1_StatefulSetSpec`.

use super::fill::{self, Object};
use super::{pod_spec, storage};

/// Fills in a stateful set.
pub(super) fn apply(set: &mut Object) {
    fill::with_object(set, "spec", |spec| {
        fill::zero(spec, "podManagementPolicy", "OrderedReady");
        fill::with_object(spec, "updateStrategy", apply_to_strategy);
        fill::with_object(spec, "persistentVolumeClaimRetentionPolicy", |policy| {
            fill::zero(policy, "whenDeleted", "Retain");
            fill::zero(policy, "whenScaled", "Retain");
        });
        fill::absent(spec, "replicas", 1);
        fill::absent(spec, "revisionHistoryLimit", 10);
        fill::with_object(spec, "template", pod_spec::apply_to_template);
        fill::each(spec, "volumeClaimTemplates", |claim| {
            claim.insert("apiVersion".to_owned(), "v1".into());
            claim.insert("kind".to_owned(), "PersistentVolumeClaim".into());
            storage::apply_to_claim(claim);
        });
        fill::drop_zeros(spec, &["minReadySeconds", "volumeClaimTemplates"]);
    });
}

/// `rollingUpdate` is only created when the type was not written either.
fn apply_to_strategy(strategy: &mut Object) {
    if fill::text(strategy, "type").is_empty() {
        fill::zero(strategy, "type", "RollingUpdate");
        fill::absent(strategy, "rollingUpdate", Object::new());
    }
    if fill::text(strategy, "type") == "RollingUpdate" {
        fill::with_existing(strategy, "rollingUpdate", |rolling| fill::absent(rolling, "partition", 0));
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::defaulted;
    use serde_json::json;

    #[test]
    fn update_strategy_table() {
        let rows = [
            (json!({}), json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 0}})),
            (json!({"type": "RollingUpdate"}), json!({"type": "RollingUpdate"})),
            (json!({"type": "RollingUpdate", "rollingUpdate": {}}), json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 0}})),
            (json!({"type": "OnDelete"}), json!({"type": "OnDelete"})),
        ];
        for (given, want) in rows {
            let set = defaulted(json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "spec": {"updateStrategy": given.clone()}}));
            assert_eq!(set["spec"]["updateStrategy"], want, "strategy {given}");
        }
    }

    #[test]
    fn claim_templates_are_claims() {
        let set = defaulted(
            json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "spec": {"volumeClaimTemplates": [{"metadata": {"name": "data"}}]}}),
        );
        let want = json!({
            "metadata": {"name": "data"}, "apiVersion": "v1", "kind": "PersistentVolumeClaim",
            "spec": {"volumeMode": "Filesystem", "resources": {}}, "status": {"phase": "Pending"},
        });
        assert_eq!(set["spec"]["volumeClaimTemplates"][0], want);
    }
}
