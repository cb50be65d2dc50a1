//! Defaults of DaemonSets.
//!
//! Source: kubernetes v1.36, `pkg/apis/apps/v1/defaults.go`, `SetDefaults_DaemonSet`.

use super::fill::{self, Object};
use super::pod_spec;

/// Fills in a daemon set.
pub(super) fn apply(set: &mut Object) {
    fill::with_object(set, "spec", |spec| {
        fill::with_object(spec, "updateStrategy", |strategy| {
            fill::zero(strategy, "type", "RollingUpdate");
            if fill::text(strategy, "type") == "RollingUpdate" {
                fill::with_object(strategy, "rollingUpdate", |rolling| {
                    fill::absent(rolling, "maxUnavailable", 1);
                    fill::absent(rolling, "maxSurge", 0);
                });
            }
        });
        fill::absent(spec, "revisionHistoryLimit", 10);
        fill::with_object(spec, "template", pod_spec::apply_to_template);
        fill::drop_zeros(spec, &["minReadySeconds"]);
    });
}

#[cfg(test)]
mod tests {
    use super::super::tests::defaulted;
    use serde_json::json;

    #[test]
    fn update_strategy_table() {
        let rows = [
            (json!({}), json!({"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0}})),
            (json!({"type": "OnDelete"}), json!({"type": "OnDelete"})),
        ];
        for (given, want) in rows {
            let set = defaulted(json!({"apiVersion": "apps/v1", "kind": "DaemonSet", "spec": {"updateStrategy": given.clone()}}));
            assert_eq!(set["spec"]["updateStrategy"], want, "strategy {given}");
            assert_eq!(set["spec"]["revisionHistoryLimit"], 10);
        }
    }
}
