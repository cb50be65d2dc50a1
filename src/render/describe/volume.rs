//! Volumes of a pod or of a pod template.
//!
//! Source: kubernetes v1.36, `kubectl/pkg/describe/describe.go`, `describeVolumes`.

use super::Page;
use crate::render::look::{flag, has, list, scalar_or, text};
use serde_json::Value;

impl Page {
    /// The volumes of a pod spec. At a level above 0 names are indented by one more space, as kubectl does within a template.
    pub(super) fn volumes(&mut self, level: usize, spec: &Value) {
        let volumes = list(spec, "/volumes");
        self.line(level, if volumes.is_empty() { "Volumes:\t<none>" } else { "Volumes:" });
        for volume in volumes {
            self.line(1, format_args!("{}{}:", if level > 0 { " " } else { "" }, text(volume, "/name")));
            self.volume(volume);
        }
    }

    fn volume(&mut self, volume: &Value) {
        let source = volume.as_object().and_then(|fields| fields.iter().find(|(field, _)| *field != "name"));
        let Some((field, source)) = source else { return self.line(1, "<unknown>") };
        let optional = flag(source, "/optional");
        match field.as_str() {
            "hostPath" => {
                self.field(2, "Type", "HostPath (bare host directory volume)");
                self.field(2, "Path", text(source, "/path"));
                self.field(2, "HostPathType", scalar_or(source, "/type", "<none>"));
            }
            "emptyDir" => {
                self.field(2, "Type", "EmptyDir (a temporary directory that shares a pod's lifetime)");
                self.field(2, "Medium", text(source, "/medium"));
                self.field(2, "SizeLimit", scalar_or(source, "/sizeLimit", "<unset>"));
            }
            "secret" => {
                self.field(2, "Type", "Secret (a volume populated by a Secret)");
                self.field(2, "SecretName", text(source, "/secretName"));
                self.field(2, "Optional", optional);
            }
            "configMap" => {
                self.field(2, "Type", "ConfigMap (a volume populated by a ConfigMap)");
                self.field(2, "Name", text(source, "/name"));
                self.field(2, "Optional", optional);
            }
            "persistentVolumeClaim" => {
                self.field(2, "Type", "PersistentVolumeClaim (a reference to a PersistentVolumeClaim in the same namespace)");
                self.field(2, "ClaimName", text(source, "/claimName"));
                self.field(2, "ReadOnly", flag(source, "/readOnly"));
            }
            "projected" => self.projected(source),
            // The rarer sources, by their field and with their contents as they stand.
            other => {
                self.field(2, "Type", other);
                self.content(2, source);
            }
        }
    }

    fn projected(&mut self, source: &Value) {
        self.field(2, "Type", "Projected (a volume that contains injected data from multiple sources)");
        for part in list(source, "/sources") {
            for (field, label) in [("secret", "SecretName"), ("configMap", "ConfigMapName")] {
                if has(part, &format!("/{field}")) {
                    self.field(2, label, text(part, &format!("/{field}/name")));
                    self.field(2, "Optional", flag(part, &format!("/{field}/optional")));
                }
            }
            if has(part, "/downwardAPI") {
                self.field(2, "DownwardAPI", true);
            }
            if has(part, "/serviceAccountToken") {
                self.field(2, "TokenExpirationSeconds", scalar_or(part, "/serviceAccountToken/expirationSeconds", "3600"));
            }
        }
    }
}
