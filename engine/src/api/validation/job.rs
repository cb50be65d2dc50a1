//! Jobs and CronJobs.
//!
//! The server generates selector and labels of a job before it looks; ours may be checked before that.
//!
//! Source: kubernetes v1.36, `pkg/apis/batch/validation/validation.go`, `validateJobSpec`, `ValidateJobSpecUpdate`,
//! `validateCronJobSpec`.

use super::field::{Errors, Field};
use super::field_error::quoted;
use super::metadata::{self, NameRule};
use super::{formats, pod, selector};
use crate::model::cron::parse::parse;
use crate::model::cron::zone::load_zone;

/// Most pods at once of an indexed job.
const PARALLELISM_INDEXED_MAX: i64 = 100_000;
/// Longest name of a cron job: its jobs append 11 characters. Unit: bytes.
const CRON_JOB_NAME_BYTES_MAX: usize = 52;

/// Checks a new job.
pub(super) fn check(job: &Field<'_>, errors: &mut Errors) {
    let (meta, spec) = (job.child("metadata"), job.child("spec"));
    metadata::check(&meta, NameRule::NAMESPACED, errors);
    check_spec(&spec, errors);
    check_selector(&spec, errors);
    let completions = spec.child("completions").int_or_zero();
    if is_indexed(&spec) && completions > 0 {
        let name = meta.child("name");
        let host = format!("{}-{}", name.text(), completions - 1);
        if !formats::dns_label(&host).is_empty() {
            errors.push(name.invalid(format!("will not able to create pod with invalid DNS label: {host}")));
        }
    }
}

/// Checks a changed job: little may change.
pub(super) fn check_update(job: &Field<'_>, old: &Field<'_>, errors: &mut Errors) {
    metadata::check_update(&job.child("metadata"), &old.child("metadata"), errors);
    let (spec, stored) = (job.child("spec"), old.child("spec"));
    check_spec(&spec, errors);
    check_selector(&spec, errors);
    check_completions(&spec, &stored, errors);
    for key in ["selector", "template", "completionMode", "podFailurePolicy", "backoffLimitPerIndex", "managedBy", "successPolicy"] {
        spec.child(key).check_unchanged(&stored.child(key), errors);
    }
}

fn check_completions(spec: &Field<'_>, stored: &Field<'_>, errors: &mut Errors) {
    let completions = spec.child("completions");
    if !is_indexed(spec) {
        completions.check_unchanged(&stored.child("completions"), errors);
    } else if completions.is_set() && !completions.same_as(&stored.child("completions")) && !completions.same_as(&spec.child("parallelism"))
    {
        // The original takes the root of the path here, and so loses `parallelism`'s parent.
        errors.push(completions.invalid("can only be modified in tandem with spec.parallelism"));
    }
}

fn is_indexed(spec: &Field<'_>) -> bool {
    spec.child("completionMode").text() == "Indexed"
}

fn check_selector(spec: &Field<'_>, errors: &mut Errors) {
    let own = spec.child("selector");
    if own.is_set() {
        selector::check(&own, errors);
    } else if spec.child("manualSelector").is_true() {
        errors.push(own.required(""));
    } else {
        return;
    }
    let labels = spec.child("template").child("metadata").child("labels");
    if selector::matches(&own, &labels) == Some(false) {
        errors.push(labels.invalid_as(selector::shown_map(&labels), "`selector` does not match template `labels`"));
    }
}

/// What a job's spec and a cron job's template share.
fn check_spec(spec: &Field<'_>, errors: &mut Errors) {
    for key in ["parallelism", "completions", "activeDeadlineSeconds", "backoffLimit", "ttlSecondsAfterFinished", "backoffLimitPerIndex"] {
        spec.child(key).check_not_negative(errors);
    }
    let (per_index, failed_max) = (spec.child("backoffLimitPerIndex"), spec.child("maxFailedIndexes"));
    if failed_max.is_set() {
        failed_max.check_not_negative(errors);
        if !per_index.is_set() {
            errors.push(per_index.required("when maxFailedIndexes is specified"));
        }
    }
    check_mode(spec, errors);
    check_failure_policy(spec, errors);
    let (replacement, failure) = (spec.child("podReplacementPolicy"), spec.child("podFailurePolicy"));
    let words: &[&str] = if failure.is_set() { &["Failed"] } else { &["Failed", "TerminatingOrFailed"] };
    if replacement.is_set() && !words.contains(&replacement.text()) {
        errors.push(replacement.not_supported(words));
    }
    pod::check_template(&spec.child("template"), errors);
    let restart = spec.child("template").child("spec").child("restartPolicy");
    match restart.text() {
        "" | "Always" => errors.push(restart.required("valid values: \"OnFailure\", \"Never\"")),
        "OnFailure" if failure.is_set() => {
            errors.push(restart.invalid_as(restart.shown_word(), "only \"Never\" is supported when podFailurePolicy is specified"));
        }
        "OnFailure" | "Never" => {}
        _ => errors.push(restart.not_supported(&["OnFailure", "Never"])),
    }
}

fn check_mode(spec: &Field<'_>, errors: &mut Errors) {
    let (mode, completions, parallelism) = (spec.child("completionMode"), spec.child("completions"), spec.child("parallelism"));
    let (per_index, failed_max) = (spec.child("backoffLimitPerIndex"), spec.child("maxFailedIndexes"));
    if mode.is_set() && !matches!(mode.text(), "NonIndexed" | "Indexed") {
        errors.push(mode.not_supported(&["NonIndexed", "Indexed"]));
    }
    if is_indexed(spec) {
        if !completions.is_set() {
            errors.push(completions.required("when completion mode is Indexed"));
        }
        if parallelism.int_or_zero() > PARALLELISM_INDEXED_MAX {
            let detail = format!("must be less than or equal to {PARALLELISM_INDEXED_MAX} when completion mode is Indexed");
            errors.push(parallelism.invalid(detail));
        }
        if completions.is_set() && failed_max.int_or_zero() > completions.int_or_zero() {
            errors.push(failed_max.invalid("must be less than or equal to completions"));
        }
    } else if mode.text() == "NonIndexed" || !mode.is_set() {
        for part in [&per_index, &failed_max] {
            if part.is_set() {
                errors.push(part.invalid("requires indexed completion mode"));
            }
        }
    }
}

fn check_failure_policy(spec: &Field<'_>, errors: &mut Errors) {
    let actions = ["Count", "FailIndex", "FailJob", "Ignore"];
    for rule in spec.child("podFailurePolicy").child("rules").items() {
        let (action, codes, conditions) = (rule.child("action"), rule.child("onExitCodes"), rule.child("onPodConditions"));
        match action.text() {
            "" => errors.push(action.required("valid values: [\"Count\" \"FailIndex\" \"FailJob\" \"Ignore\"]")),
            "FailIndex" if !spec.child("backoffLimitPerIndex").is_set() => {
                errors.push(action.invalid_as(action.shown_word(), "requires the backoffLimitPerIndex to be set"));
            }
            _ if !actions.contains(&action.text()) => errors.push(action.not_supported(&actions)),
            _ => {}
        }
        if codes.is_set() {
            check_exit_codes(&codes, errors);
        }
        for condition in conditions.items() {
            let kind = condition.child("type");
            metadata::check_label_key(&kind, kind.text(), errors);
            if !matches!(condition.child("status").text(), "False" | "True" | "Unknown") {
                errors.push(condition.child("status").not_supported(&["False", "True", "Unknown"]));
            }
        }
        match (codes.is_set(), conditions.is_empty()) {
            (true, false) => errors.push(rule.invalid_as("", "specifying both OnExitCodes and OnPodConditions is not supported")),
            (false, true) => errors.push(rule.invalid_as("", "specifying one of OnExitCodes and OnPodConditions is required")),
            _ => {}
        }
    }
}

fn check_exit_codes(codes: &Field<'_>, errors: &mut Errors) {
    let (operator, values) = (codes.child("operator"), codes.child("values"));
    if !matches!(operator.text(), "In" | "NotIn") {
        errors.push(operator.not_supported(&["In", "NotIn"]));
    }
    if values.is_empty() {
        errors.push(values.invalid_as("[]", "at least one value is required"));
    } else if values.len() > 255 {
        errors.push(values.too_many(255));
    }
    let numbers: Vec<i64> = values.items().iter().map(Field::int_or_zero).collect();
    for (index, value) in values.items().iter().enumerate() {
        if operator.text() == "In" && numbers[index] == 0 {
            errors.push(value.invalid("must not be 0 for the In operator"));
        }
        if numbers[..index].contains(&numbers[index]) {
            errors.push(value.duplicate());
        }
    }
    if !numbers.is_sorted() {
        errors.push(values.invalid("must be ordered"));
    }
}

/// Checks a new cron job.
pub(super) fn check_cron_job(cron_job: &Field<'_>, errors: &mut Errors) {
    let meta = cron_job.child("metadata");
    metadata::check(&meta, NameRule::NAMESPACED, errors);
    check_cron_spec(&cron_job.child("spec"), errors);
    if meta.child("name").text().len() > CRON_JOB_NAME_BYTES_MAX {
        errors.push(meta.child("name").invalid(format!("must be no more than {CRON_JOB_NAME_BYTES_MAX} characters")));
    }
}

/// Checks a changed cron job.
pub(super) fn check_cron_job_update(cron_job: &Field<'_>, old: &Field<'_>, errors: &mut Errors) {
    metadata::check_update(&cron_job.child("metadata"), &old.child("metadata"), errors);
    check_cron_spec(&cron_job.child("spec"), errors);
}

fn check_cron_spec(spec: &Field<'_>, errors: &mut Errors) {
    let (schedule, zone) = (spec.child("schedule"), spec.child("timeZone"));
    if schedule.text().is_empty() {
        errors.push(schedule.required(""));
    } else if schedule.text().contains("TZ") {
        errors.push(schedule.invalid("cannot use TZ or CRON_TZ in schedule, use timeZone field instead"));
    } else if let Err(error) = parse(schedule.text()) {
        errors.push(schedule.invalid(error));
    }
    spec.child("startingDeadlineSeconds").check_not_negative(errors);
    if zone.is_set() && zone.text().is_empty() {
        errors.push(zone.invalid_as(quoted(""), "timeZone must be nil or non-empty string"));
    } else if zone.text().eq_ignore_ascii_case("Local") {
        errors.push(zone.invalid("timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones"));
    } else if zone.is_set()
        && let Err(error) = load_zone(zone.text())
    {
        errors.push(zone.invalid(error));
    }
    spec.child("concurrencyPolicy").check_word(&["Allow", "Forbid", "Replace"], errors);
    let job = spec.child("jobTemplate").child("spec");
    check_spec(&job, errors);
    if job.child("selector").is_set() {
        errors.push(job.child("selector").invalid_as(selector::shown(&job.child("selector")), "`selector` will be auto-generated"));
    }
    if job.child("manualSelector").is_true() {
        errors.push(job.child("manualSelector").not_supported_as("true", &["nil", "false"]));
    }
    for key in ["successfulJobsHistoryLimit", "failedJobsHistoryLimit"] {
        spec.child(key).check_not_negative(errors);
    }
}
