//! Defaults of Endpoints and EndpointSlices.
//!
//! Source: kubernetes v1.36, `pkg/apis/core/v1/defaults.go`, `SetDefaults_Endpoints`, and
//! `pkg/apis/discovery/v1/defaults.go`, `SetDefaults_EndpointPort`.

use super::fill::{self, Object};

/// Fills in the ports of an endpoints object.
pub(super) fn apply(endpoints: &mut Object) {
    fill::each(endpoints, "subsets", |subset| {
        fill::each(subset, "ports", |port| fill::zero(port, "protocol", "TCP"));
    });
}

/// Fills in the ports of an endpoint slice.
pub(super) fn apply_to_slice(slice: &mut Object) {
    fill::each(slice, "ports", |port| {
        fill::absent(port, "name", "");
        fill::absent(port, "protocol", "TCP");
    });
}

#[cfg(test)]
mod tests {
    use super::super::tests::defaulted;
    use serde_json::json;

    #[test]
    fn ports_are_tcp() {
        let endpoints = defaulted(json!({"apiVersion": "v1", "kind": "Endpoints", "subsets": [{"ports": [{"port": 1}]}]}));
        assert_eq!(endpoints["subsets"][0]["ports"][0], json!({"port": 1, "protocol": "TCP"}));
        let slice = defaulted(json!({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "ports": [{"port": 1}]}));
        assert_eq!(slice["ports"][0], json!({"port": 1, "name": "", "protocol": "TCP"}));
    }
}
