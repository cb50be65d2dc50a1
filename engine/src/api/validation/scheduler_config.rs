//! Values of a `KubeSchedulerConfiguration`, before the defaults: what is absent is fine, unless nothing takes its place.
//!
//! Source: kubernetes v1.36, `pkg/scheduler/apis/config/validation/validation.go`, `ValidateKubeSchedulerConfiguration`,
//! and `validation_pluginargs.go`; defaults of `pkg/scheduler/apis/config/v1/defaults.go`.

use super::field::{Errors, Field};
use super::field_error::{ErrorKind, FieldError, quoted};
use super::formats;
use super::metadata::check_label_key;
use crate::scene::scheduler_config::plugins::{Point, REMOVED};
use serde_json::Value;

const VERSION: &str = "kubescheduler.config.k8s.io/v1";

/// Checks a configuration whose types are right. Empty when it is fine.
pub fn validate_scheduler_config(config: &Value) -> Vec<FieldError> {
    let (root, mut errors) = (Field::root(config), Vec::new());
    check(&root, &mut errors);
    errors
}

fn check(root: &Field<'_>, errors: &mut Errors) {
    let lock = root.child("leaderElection").child("resourceLock");
    if root.child("leaderElection").child("leaderElect").value() != Some(&Value::Bool(false)) && lock.is_set() && lock.text() != "leases" {
        errors.push(lock.invalid("resourceLock value must be \"leases\""));
    }
    let parallelism = root.child("parallelism");
    if parallelism.int().is_some_and(|workers| workers <= 0) {
        errors.push(parallelism.invalid_int("should be an integer value greater than zero"));
    }
    let profiles = root.child("profiles").items();
    for (nth, profile) in profiles.iter().enumerate() {
        check_profile(profile, profiles.len(), errors);
        let name = profile.child("schedulerName");
        let first = profiles[..nth].iter().rfind(|before| !name.text().is_empty() && before.child("schedulerName").same_as(&name));
        if let Some(first) = first {
            errors.push(name.error(ErrorKind::Duplicate, quoted(first.child("schedulerName").path()), ""));
        }
    }
    check_queue_sort(&profiles, errors);
    check_percentage(&root.child("percentageOfNodesToScore"), errors);
    let (first, longest) = (root.child("podInitialBackoffSeconds"), root.child("podMaxBackoffSeconds"));
    if first.int().is_some_and(|seconds| seconds <= 0) {
        errors.push(first.invalid_int("must be greater than 0"));
    }
    if longest.int().unwrap_or(10) < first.int().unwrap_or(1) {
        let shown = longest.int().unwrap_or(10).to_string();
        errors.push(longest.invalid_as(shown, "must be greater than or equal to PodInitialBackoffSeconds"));
    }
    check_extenders(&root.child("extenders"), errors);
}

fn check_percentage(percentage: &Field<'_>, errors: &mut Errors) {
    if percentage.int().is_some_and(|percent| !(0..=100).contains(&percent)) {
        errors.push(percentage.invalid_int("not in valid range [0-100]"));
    }
}

fn check_profile(profile: &Field<'_>, profiles: usize, errors: &mut Errors) {
    let name = profile.child("schedulerName");
    // A profile alone is named by default.
    if name.text().is_empty() && (profiles > 1 || name.is_set()) {
        errors.push(name.required(""));
    }
    check_percentage(&profile.child("percentageOfNodesToScore"), errors);
    let removed = |field: &Field<'_>, name: &str, errors: &mut Errors| {
        let what = format!("was invalid in version {VERSION:?} (KubeSchedulerConfiguration is version {VERSION:?})");
        if REMOVED.contains(&name) {
            errors.push(field.invalid_as(quoted(name), what));
        }
    };
    for point in Point::ALL.iter().filter(|point| **point != Point::MultiPoint) {
        for plugin in profile.child("plugins").child(point.field()).child("enabled").items() {
            removed(&plugin, plugin.child("name").text(), errors);
        }
    }
    let configs = profile.child("pluginConfig").items();
    for (nth, config) in configs.iter().enumerate() {
        let name = config.child("name");
        if configs[..nth].iter().any(|before| before.child("name").same_as(&name)) {
            errors.push(config.error(ErrorKind::Duplicate, quoted(name.text()), ""));
        }
        removed(config, name.text(), errors);
        check_args(name.text(), &config.child("args"), errors);
    }
}

fn sort<'v>(profile: &Field<'v>) -> Field<'v> {
    profile.child("plugins").child("queueSort")
}

/// Source: `validateCommonQueueSort`.
fn check_queue_sort(profiles: &[Field<'_>], errors: &mut Errors) {
    let Some(first) = profiles.first() else { return };
    let enabled = sort(first).child("enabled").len();
    if enabled > 1 {
        let place = sort(first).child("enabled");
        errors.push(place.invalid_as(enabled.to_string(), "only one queue sort plugin can be enabled"));
    }
    for profile in &profiles[1..] {
        if !sort(profile).same_as(&sort(first)) {
            errors.push(sort(profile).invalid("must be the same for all profiles"));
        }
    }
}

fn check_extenders(extenders: &Field<'_>, errors: &mut Errors) {
    let list = extenders.items();
    for extender in &list {
        let weight = extender.child("weight");
        if !extender.child("prioritizeVerb").text().is_empty() && weight.int_or_zero() <= 0 {
            errors.push(weight.invalid_int("must have a positive weight applied to it"));
        }
    }
    let binders = list.iter().filter(|extender| !extender.child("bindVerb").text().is_empty()).count();
    if binders > 1 {
        let shown = quoted(&format!("found {binders} extenders implementing bind"));
        errors.push(extenders.invalid_as(shown, "only one extender can implement bind"));
    }
}

fn check_args(plugin: &str, args: &Field<'_>, errors: &mut Errors) {
    match plugin {
        "DefaultPreemption" => check_preemption(args, errors),
        "InterPodAffinity" => {
            let weight = args.child("hardPodAffinityWeight");
            if weight.int().is_some_and(|weight| !(0..=100).contains(&weight)) {
                errors.push(weight.invalid_int("not in valid range [0, 100]"));
            }
        }
        "NodeAffinity" => check_affinity(&args.child("addedAffinity"), errors),
        "NodeResourcesFit" => check_fit(args, errors),
        "NodeResourcesBalancedAllocation" => check_balanced(&args.child("resources"), errors),
        "PodTopologySpread" => check_spread(args, errors),
        "VolumeBinding" => {
            let (timeout, shape) = (args.child("bindTimeoutSeconds"), args.child("shape"));
            if timeout.int_or_zero() < 0 {
                errors.push(timeout.invalid_int("invalid BindTimeoutSeconds, should not be a negative value"));
            }
            if shape.is_set() {
                errors.push(shape.invalid("unexpected field `shape`, remove it or turn on the feature gate StorageCapacityScoring"));
            }
        }
        _ => {}
    }
}

/// Source: `staging/src/k8s.io/component-helpers/scheduling/corev1/nodeaffinity/nodeaffinity.go`, `NewNodeSelector` and
/// `NewPreferredSchedulingTerms`, which leave `preference` out of the path.
fn check_affinity(affinity: &Field<'_>, errors: &mut Errors) {
    let required = affinity.child("requiredDuringSchedulingIgnoredDuringExecution").child("nodeSelectorTerms");
    required.items().iter().for_each(|term| check_term(term, errors));
    for term in affinity.child("preferredDuringSchedulingIgnoredDuringExecution").items() {
        if term.child("weight").int_or_zero() != 0 {
            check_term(&term.child("preference").at_path(term.path()), errors);
        }
    }
}

fn check_term(term: &Field<'_>, errors: &mut Errors) {
    for requirement in term.child("matchExpressions").items() {
        check_requirement(&requirement, errors);
    }
    for requirement in term.child("matchFields").items() {
        let (operator, values) = (requirement.child("operator"), requirement.child("values"));
        match operator.text() {
            "In" | "NotIn" if values.len() == 1 => {}
            "In" | "NotIn" => errors.push(values.invalid_as(shown_list(&values), "must have one element")),
            _ => errors.push(operator.not_supported(&["In", "NotIn"])),
        }
    }
}

/// Source: `staging/src/k8s.io/apimachinery/pkg/labels/selector.go`, `NewRequirement`.
fn check_requirement(requirement: &Field<'_>, errors: &mut Errors) {
    let [key, operator, values] = ["key", "operator", "values"].map(|field| requirement.child(field));
    let of_key = formats::label_key(key.text());
    if !matches!(operator.text(), "In" | "NotIn" | "Exists" | "DoesNotExist" | "Gt" | "Lt") {
        errors.push(operator.not_supported(&["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"]));
        return;
    }
    if !of_key.is_empty() {
        errors.push(key.invalid(of_key.join("; ")));
    }
    let wrong = match operator.text() {
        "In" | "NotIn" if values.is_empty() => Some("for 'in', 'notin' operators, values set can't be empty"),
        "Exists" | "DoesNotExist" if !values.is_empty() => Some("values set must be empty for exists and does not exist"),
        "Gt" | "Lt" if values.len() != 1 => Some("for 'Gt', 'Lt' operators, exactly one value is required"),
        _ => None,
    };
    errors.extend(wrong.map(|what| values.invalid_as(shown_list(&values), what)));
    for value in values.items() {
        if matches!(operator.text(), "Gt" | "Lt") && value.text().parse::<i64>().is_err() {
            errors.push(value.invalid("for 'Gt', 'Lt' operators, the value must be an integer"));
        }
    }
    for value in values.items() {
        let of_value = formats::label_value(value.text());
        if !of_value.is_empty() {
            errors.push(value.key(key.text()).invalid_as(value.shown(), of_value.join("; ")));
        }
    }
}

/// A list as messages show it; one that is not written is none.
fn shown_list(list: &Field<'_>) -> String {
    if list.is_set() { list.shown() } else { "null".to_string() }
}

fn check_preemption(args: &Field<'_>, errors: &mut Errors) {
    let (percentage, absolute) = (args.child("minCandidateNodesPercentage"), args.child("minCandidateNodesAbsolute"));
    if percentage.int().is_some_and(|percent| !(0..=100).contains(&percent)) {
        errors.push(percentage.invalid_int("not in valid range [0, 100]"));
    }
    if absolute.int_or_zero() < 0 {
        errors.push(absolute.invalid_int("not in valid range [0, inf)"));
    }
    if (percentage.int(), absolute.int()) == (Some(0), Some(0)) {
        errors.push(percentage.invalid_int("cannot be zero at the same time as minCandidateNodesAbsolute"));
        errors.push(absolute.invalid_int("cannot be zero at the same time as minCandidateNodesPercentage"));
    }
}

fn check_fit(args: &Field<'_>, errors: &mut Errors) {
    for resource in args.child("ignoredResources").items() {
        check_label_key(&resource, resource.text(), errors);
    }
    for group in args.child("ignoredResourceGroups").items() {
        if group.text().contains('/') {
            errors.push(group.invalid("resource group name can't contain '/'"));
        }
        check_label_key(&group, group.text(), errors);
    }
    let strategy = args.child("scoringStrategy");
    if !strategy.is_set() {
        return;
    }
    let (kind, ratio) = (strategy.child("type"), strategy.child("requestedToCapacityRatio"));
    let kinds = ["LeastAllocated", "MostAllocated", "RequestedToCapacityRatio"];
    if !kinds.contains(&kind.text()) {
        errors.push(kind.not_supported(&kinds));
    }
    for resource in strategy.child("resources").items() {
        let (name, weight) = (resource.child("name"), resource.child("weight"));
        // 0 is the default, which is 1.
        if !(0..=100).contains(&weight.int_or_zero()) {
            errors.push(weight.invalid_int(format!("resource weight of {} not in valid range (0, 100]", name.text())));
        }
    }
    match (kind.text() == "RequestedToCapacityRatio", ratio.is_set()) {
        (true, true) => check_shape(&ratio.child("shape"), errors),
        (true, false) => errors.push(ratio.required("must be specified when type is RequestedToCapacityRatio")),
        (false, true) => errors.push(ratio.forbidden("must be nil when type is not RequestedToCapacityRatio")),
        (false, false) => {}
    }
}

fn utilization<'v>(point: &Field<'v>) -> Field<'v> {
    point.child("utilization")
}

/// Source: `validateFunctionShape`.
fn check_shape(shape: &Field<'_>, errors: &mut Errors) {
    let points = shape.items();
    if points.is_empty() {
        errors.push(shape.required("at least one point must be specified"));
    }
    let falls = points.windows(2).find(|pair| utilization(&pair[0]).int_or_zero() >= utilization(&pair[1]).int_or_zero());
    if let Some(pair) = falls {
        errors.push(utilization(&pair[1]).invalid_int("values must be sorted in increasing order"));
    }
    for point in &points {
        for (field, most) in [("utilization", 100), ("score", 10)] {
            let field = point.child(field);
            if !(0..=most).contains(&field.int_or_zero()) {
                errors.push(field.invalid_int(format!("not in valid range [0, {most}]")));
            }
        }
    }
}

fn check_balanced(resources: &Field<'_>, errors: &mut Errors) {
    let list = resources.items();
    for (nth, resource) in list.iter().enumerate() {
        let (name, weight) = (resource.child("name"), resource.child("weight"));
        if list[..nth].iter().any(|before| before.child("name").same_as(&name)) {
            errors.push(name.duplicate());
        }
        // 0 is the default, which is 1.
        if !matches!(weight.int_or_zero(), 0 | 1) {
            errors.push(weight.invalid_int("must be 1"));
        }
    }
}

/// Source: `ValidatePodTopologySpreadArgs`.
fn check_spread(args: &Field<'_>, errors: &mut Errors) {
    let (kind, constraints) = (args.child("defaultingType"), args.child("defaultConstraints"));
    match kind.text() {
        "System" | "" if !constraints.is_empty() => {
            errors.push(kind.invalid_as(quoted("System"), "when .defaultConstraints are not empty"));
        }
        "System" | "List" | "" => {}
        _ => errors.push(kind.not_supported(&["System", "List"])),
    }
    let list = constraints.items();
    for (nth, constraint) in list.iter().enumerate() {
        let [skew, key, unsatisfiable] = ["maxSkew", "topologyKey", "whenUnsatisfiable"].map(|field| constraint.child(field));
        if skew.int_or_zero() <= 0 {
            errors.push(skew.invalid_int("not in valid range (0, inf)"));
        }
        match key.text() {
            "" => errors.push(key.required("can not be empty")),
            text => check_label_key(&key, text, errors),
        }
        match unsatisfiable.text() {
            "" => errors.push(unsatisfiable.required("can not be empty")),
            "DoNotSchedule" | "ScheduleAnyway" => {}
            _ => errors.push(unsatisfiable.not_supported(&["DoNotSchedule", "ScheduleAnyway"])),
        }
        let selector = constraint.child("labelSelector");
        if selector.is_set() {
            errors.push(selector.forbidden("constraint must not define a selector, as they deduced for each pod"));
        }
        let same =
            |other: &&Field<'_>| other.child("topologyKey").same_as(&key) && other.child("whenUnsatisfiable").same_as(&unsatisfiable);
        if list[..nth].iter().find(same).is_some() {
            let shown = quoted(&format!("{{{}, {}}}", key.text(), unsatisfiable.text()));
            errors.push(constraint.error(ErrorKind::Duplicate, shown, ""));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn args(plugin: &str, args: Value) -> Vec<String> {
        let config = json!({"profiles": [{"pluginConfig": [{"name": plugin, "args": args}]}]});
        let texts = validate_scheduler_config(&config).into_iter().map(|error| error.to_string());
        texts.map(|text| text.replace("profiles[0].pluginConfig[0].args.", "")).collect()
    }

    #[test]
    fn validate_kube_scheduler_configuration() {
        let table = [
            (json!({}), vec![]),
            (json!({"parallelism": 0}), vec!["parallelism: Invalid value: 0: should be an integer value greater than zero"]),
            (json!({"percentageOfNodesToScore": 101}), vec!["percentageOfNodesToScore: Invalid value: 101: not in valid range [0-100]"]),
            (json!({"podInitialBackoffSeconds": 0}), vec!["podInitialBackoffSeconds: Invalid value: 0: must be greater than 0"]),
            (
                json!({"podInitialBackoffSeconds": 11}),
                vec!["podMaxBackoffSeconds: Invalid value: 10: must be greater than or equal to PodInitialBackoffSeconds"],
            ),
            (
                json!({"profiles": [{"schedulerName": "a"}, {}, {"schedulerName": "a", "percentageOfNodesToScore": -1}]}),
                vec![
                    "profiles[1].schedulerName: Required value",
                    "profiles[2].percentageOfNodesToScore: Invalid value: -1: not in valid range [0-100]",
                    "profiles[2].schedulerName: Duplicate value: \"profiles[0].schedulerName\"",
                ],
            ),
            (
                json!({"profiles": [{"pluginConfig": [{"name": "A"}, {"name": "A"}, {"name": "EBSLimits"}]}]}),
                vec![
                    "profiles[0].pluginConfig[1]: Duplicate value: \"A\"",
                    "profiles[0].pluginConfig[2]: Invalid value: \"EBSLimits\": was invalid in version \
                     \"kubescheduler.config.k8s.io/v1\" (KubeSchedulerConfiguration is version \"kubescheduler.config.k8s.io/v1\")",
                ],
            ),
            (
                json!({"extenders": [{"prioritizeVerb": "p", "bindVerb": "b"}, {"bindVerb": "b"}]}),
                vec![
                    "extenders[0].weight: Invalid value: 0: must have a positive weight applied to it",
                    "extenders: Invalid value: \"found 2 extenders implementing bind\": only one extender can implement bind",
                ],
            ),
        ];
        for (config, want) in table {
            let texts: Vec<String> = validate_scheduler_config(&config).iter().map(ToString::to_string).collect();
            assert_eq!(texts, want, "{config}");
        }
    }

    #[test]
    fn validate_plugin_args() {
        let spread = |constraints: Value| json!({"defaultingType": "List", "defaultConstraints": constraints});
        let fit = |strategy: Value| json!({"scoringStrategy": strategy});
        let point = |utilization: i64, score: i64| json!({"utilization": utilization, "score": score});
        let ratio = |shape: Value| fit(json!({"type": "RequestedToCapacityRatio", "requestedToCapacityRatio": {"shape": shape}}));
        let table = [
            (
                "DefaultPreemption",
                json!({"minCandidateNodesPercentage": 101}),
                "minCandidateNodesPercentage: Invalid value: 101: not in valid range [0, 100]",
            ),
            (
                "DefaultPreemption",
                json!({"minCandidateNodesPercentage": 0, "minCandidateNodesAbsolute": 0}),
                "minCandidateNodesPercentage: Invalid value: 0: cannot be zero at the same time as minCandidateNodesAbsolute | \
                 minCandidateNodesAbsolute: Invalid value: 0: cannot be zero at the same time as minCandidateNodesPercentage",
            ),
            (
                "InterPodAffinity",
                json!({"hardPodAffinityWeight": 200}),
                "hardPodAffinityWeight: Invalid value: 200: not in valid range [0, 100]",
            ),
            (
                "NodeResourcesFit",
                json!({"ignoredResourceGroups": ["a/b"]}),
                "ignoredResourceGroups[0]: Invalid value: \"a/b\": resource group name can't contain '/'",
            ),
            (
                "NodeResourcesFit",
                fit(json!({"type": "Most"})),
                "scoringStrategy.type: Unsupported value: \"Most\": supported values: \"LeastAllocated\", \"MostAllocated\", \"RequestedToCapacityRatio\"",
            ),
            (
                "NodeResourcesFit",
                fit(json!({"type": "MostAllocated", "resources": [{"name": "cpu", "weight": 101}, {"name": "memory", "weight": 0}]})),
                "scoringStrategy.resources[0].weight: Invalid value: 101: resource weight of cpu not in valid range (0, 100]",
            ),
            (
                "NodeResourcesFit",
                ratio(json!([])),
                "scoringStrategy.requestedToCapacityRatio.shape: Required value: at least one point must be specified",
            ),
            (
                "NodeResourcesFit",
                ratio(json!([point(50, 0), point(50, 11)])),
                "scoringStrategy.requestedToCapacityRatio.shape[1].utilization: Invalid value: 50: values must be sorted in increasing order | \
                 scoringStrategy.requestedToCapacityRatio.shape[1].score: Invalid value: 11: not in valid range [0, 10]",
            ),
            (
                "NodeResourcesFit",
                fit(json!({"type": "RequestedToCapacityRatio"})),
                "scoringStrategy.requestedToCapacityRatio: Required value: must be specified when type is RequestedToCapacityRatio",
            ),
            (
                "NodeResourcesBalancedAllocation",
                json!({"resources": [{"name": "cpu", "weight": 2}]}),
                "resources[0].weight: Invalid value: 2: must be 1",
            ),
            (
                "PodTopologySpread",
                json!({"defaultingType": "Lst"}),
                "defaultingType: Unsupported value: \"Lst\": supported values: \"System\", \"List\"",
            ),
            (
                "PodTopologySpread",
                spread(json!([{"maxSkew": 0, "topologyKey": "", "whenUnsatisfiable": "No", "labelSelector": {}}])),
                "defaultConstraints[0].maxSkew: Invalid value: 0: not in valid range (0, inf) | \
                 defaultConstraints[0].topologyKey: Required value: can not be empty | \
                 defaultConstraints[0].whenUnsatisfiable: Unsupported value: \"No\": supported values: \"DoNotSchedule\", \"ScheduleAnyway\" | \
                 defaultConstraints[0].labelSelector: Forbidden: constraint must not define a selector, as they deduced for each pod",
            ),
            (
                "VolumeBinding",
                json!({"bindTimeoutSeconds": -1}),
                "bindTimeoutSeconds: Invalid value: -1: invalid BindTimeoutSeconds, should not be a negative value",
            ),
        ];
        for (plugin, given, want) in table {
            assert_eq!(args(plugin, given.clone()).join(" | "), want, "{plugin} {given}");
        }
    }
}
