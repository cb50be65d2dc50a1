//! Reasons and messages of the kubelet. Source: `spec/kubelet.md` §21 and the sections named there.

crate::texts::texts! {
    /// Reasons and messages of the kubelet.
    Texts {
        kubelet = "kubelet",
        pulling = "Pulling", pulling_words = "Pulling image \"{}\"",
        pulled = "Pulled", present_words = "Container image \"{}\" already present on machine and can be accessed by the pod",
        pulled_words = "Successfully pulled image \"{}\" in {} ({} including waiting). Image size: {} bytes.",
        failed = "Failed", pull_failed_words = "Failed to pull image \"{}\": {}",
        error_pull = "Error: ErrImagePull", error_pull_back_off = "Error: ImagePullBackOff",
        back_off = "BackOff", back_off_pull_words = "Back-off pulling image \"{}\"",
        never_pull = "ErrImageNeverPull", never_pull_words = "Container image \"{}\" is not present with pull policy of Never",
        error_never_pull = "Error: ErrImageNeverPull",
        created = "Created", created_words = "Container created",
        started = "Started", started_words = "Container started",
        killing = "Killing", stopping_words = "Stopping container {}",
        liveness_kill_words = "Container {} failed liveness probe, will be restarted",
        liveness_kill_last_words = "Container {} failed liveness probe",
        startup_kill_words = "Container {} failed startup probe, will be restarted",
        startup_kill_last_words = "Container {} failed startup probe",
        definition_words = "Container {} definition changed, will be restarted",
        restarting_words = "Back-off restarting failed container {} in pod {}_{}({})",
        unhealthy = "Unhealthy",
        liveness = "Liveness probe failed: ", readiness = "Readiness probe failed: ", startup = "Startup probe failed: ",
        liveness_errored = "Liveness probe errored and resulted in unknown state: ",
        readiness_errored = "Readiness probe errored and resulted in unknown state: ",
        startup_errored = "Startup probe errored and resulted in unknown state: ",
        unhealthy_words = "{}{}",
        failed_post_start = "FailedPostStartHook", failed_post_start_words = "PostStartHook failed",
        post_start_error = "PostStartHookError",
        failed_pre_stop = "FailedPreStopHook", failed_pre_stop_words = "PreStopHook failed",
        sandbox_changed = "SandboxChanged", sandbox_changed_words = "Pod sandbox changed, it will be killed and re-created.",
        deadline = "DeadlineExceeded", deadline_words = "Pod was active on the node longer than the specified deadline",
        status_unknown = "ContainerStatusUnknown",
        unknown = "Unknown",
        pull_not_found = "rpc error: code = NotFound desc = failed to pull and unpack image: not found",
    }
}
