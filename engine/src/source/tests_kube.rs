//! Tables of manifests: the object that each becomes, or all messages that it gives.

use super::{Documents, Format, KubeObject, KubeReader, Problems, Severity, Sources};
use std::sync::Arc;

fn read(format: Format, text: &str) -> (Vec<KubeObject>, Vec<String>) {
    let mut sources = Sources::default();
    let file = sources.add("f", text);
    let (mut problems, mut reader, mut objects) = (Problems::default(), KubeReader::default(), Vec::new());
    for document in Documents::new(&sources, file, format) {
        match document {
            Ok(tree) => reader.decode_object(&tree, &mut problems, &mut |object, _| objects.push(object)),
            Err(problem) => problems.push(Severity::Error, problem),
        }
    }
    (objects, problems.errors(&sources).iter().map(ToString::to_string).collect())
}

#[test]
fn objects_keep_their_fields_as_written() {
    for (format, text, want) in [
        (
            Format::Yaml,
            "kind: Pod\nmetadata: {name: a, namespace: b}\napiVersion: v1\nspec:\n  containers:\n  - name: c\n    resources: {limits: {cpu: 0.5, memory: 1Gi, x/y: 2}}\n    ports: [{containerPort: 80}]\n",
            r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a","namespace":"b"},"spec":{"containers":[{"name":"c","resources":{"limits":{"cpu":"0.5","memory":"1Gi","x/y":"2"}},"ports":[{"containerPort":80}]}]}}"#,
        ),
        (
            Format::Ron,
            "Service(metadata: (name: \"a\", creationTimestamp: None, labels: {\"x\": \"y\"}), spec: (ports: [(port: 80, targetPort: \"http\"), (port: 81, targetPort: 8081)], selector: {}))",
            r#"{"apiVersion":"v1","kind":"Service","metadata":{"name":"a","creationTimestamp":null,"labels":{"x":"y"}},"spec":{"ports":[{"port":80,"targetPort":"http"},{"port":81,"targetPort":8081}],"selector":{}}}"#,
        ),
        (
            Format::Ron,
            "Pod(metadata: (name: \"a\"), spec: PodSpec(containers: [Container(name: \"c\")], volumes: [(name: \"v\", emptyDir: ())]))",
            r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a"},"spec":{"containers":[{"name":"c"}],"volumes":[{"name":"v","emptyDir":{}}]}}"#,
        ),
        (
            Format::Json,
            r#"{"apiVersion":"example.com/v1","kind":"Toy","metadata":{"generateName":"t-"},"spec":{"any":[1,2.5,null]}}"#,
            r#"{"apiVersion":"example.com/v1","kind":"Toy","metadata":{"generateName":"t-"},"spec":{"any":[1,2.5,null]}}"#,
        ),
        (
            Format::Yaml,
            "apiVersion: autoscaling/v1\nkind: HorizontalPodAutoscaler\nmetadata: {name: h}\nspec: {maxReplicas: 3, scaleTargetRef: {kind: Deployment, name: d}, targetCPUUtilizationPercentage: 50}\n",
            r#"{"apiVersion":"autoscaling/v2","kind":"HorizontalPodAutoscaler","metadata":{"name":"h"},"spec":{"maxReplicas":3,"scaleTargetRef":{"kind":"Deployment","name":"d"},"metrics":[{"type":"Resource","resource":{"name":"cpu","target":{"type":"Utilization","averageUtilization":50}}}]}}"#,
        ),
        (
            Format::Yaml,
            "apiVersion: v1\nkind: ConfigMap\ndata: {a:}\n",
            r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{},"data":{"a":""}}"#,
        ),
    ] {
        let (objects, mistakes) = read(format, text);
        assert_eq!(mistakes, [""; 0], "{text}");
        assert_eq!(objects[0].value().to_string(), want, "{text}");
    }
}

#[test]
fn lists_become_their_items() {
    let text = "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Node, metadata: {name: n1}}\n- apiVersion: v1\n  kind: PodList\n  items:\n  - {metadata: {name: p, namespace: s}}\n";
    let (objects, mistakes) = read(Format::Yaml, text);
    let shown: Vec<_> =
        objects.iter().map(|object| (object.body.kind.as_str(), object.namespace.as_deref(), object.name.as_str())).collect();
    assert_eq!((shown, mistakes.len()), (vec![("Node", None, "n1"), ("Pod", Some("s"), "p")], 0));
}

#[test]
fn versions_that_a_list_implies_tell_bodies_apart() {
    let list = |version: &str| format!("apiVersion: {version}\nkind: ToyList\nitems:\n- {{metadata: {{name: a}}}}\n---\n");
    let (objects, mistakes) = read(Format::Yaml, &[list("x.io/v1"), list("y.io/v1")].concat());
    let versions: Vec<_> = objects.iter().map(|object| object.body.api_version.as_str()).collect();
    assert_eq!((versions, mistakes.len()), (vec!["x.io/v1", "y.io/v1"], 0));
}

#[test]
fn equal_bodies_are_shared_and_unequal_ones_are_not() {
    let pod = |name: &str, image: &str| {
        format!("apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}}}\nspec: {{containers: [{{name: c, image: {image}}}]}}\n---\n")
    };
    let (objects, _) = read(Format::Yaml, &[pod("a", "x"), pod("b", "x"), pod("c", "z")].concat());
    assert!(Arc::ptr_eq(&objects[0].body, &objects[1].body));
    assert!(!Arc::ptr_eq(&objects[0].body, &objects[2].body));
    assert_eq!(objects[1].name, "b");
}

#[test]
fn manifests_with_mistakes() {
    let head = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\n";
    for (text, want) in [
        (format!("{head}spec: {{replica: 3}}"), "f:4:8: unknown field \"spec.replica\"; did you mean \"replicas\"?"),
        (format!("{head}spec: {{replicas: three}}"), "f:4:18: spec.replicas: found string \"three\", expected an integer"),
        (
            format!("{head}spec: {{replicas: 3000000000}}"),
            "f:4:18: spec.replicas: found integer 3000000000, expected an integer from -2147483648 to 2147483647",
        ),
        (
            format!("{head}spec: {{template: {{spec: {{containers: [{{nam: x}}]}}}}}}"),
            "f:4:40: unknown field \"spec.template.spec.containers[0].nam\"; did you mean \"name\"?",
        ),
        (
            format!("{head}spec: {{template: {{spec: {{containers: {{name: x}}}}}}}}"),
            "f:4:38: spec.template.spec.containers: found a map, expected a list",
        ),
        (format!("{head}specs: {{}}"), "f:4:1: unknown field \"specs\"; did you mean \"spec\"?"),
        (
            "apiVersion: v1\nkind: Pod\nmetadata: {name: 3}".into(),
            "f:3:18: metadata.name: found integer 3, expected a string; put it in quotes",
        ),
        (
            "apiVersion: v1\nkind: Pod\nmetadata: {labels: {a: true}}".into(),
            "f:3:24: metadata.labels.a: found boolean true, expected a string; put it in quotes",
        ),
        ("apiVersion: v1\nkind: Pod\nmetadata: {lables: {}}".into(), "f:3:12: unknown field \"metadata.lables\"; did you mean \"labels\"?"),
        ("apiVersion: v1\nkind: Pod\nmetadata: [a]".into(), "f:3:11: metadata: found a list, expected the fields of ObjectMeta"),
        (
            "apiVersion: v1\nkind: Pod\nspec: {containers: [{ports: [{containerPort: http}]}]}".into(),
            "f:3:46: spec.containers[0].ports[0].containerPort: found string \"http\", expected an integer",
        ),
        (
            "apiVersion: v1\nkind: Pod\nspec: {containers: [{resources: {limits: {cpu: [1]}}}]}".into(),
            "f:3:48: spec.containers[0].resources.limits.cpu: found a list, expected a quantity such as \"500m\" or \"2Gi\"",
        ),
        ("apiVersion: v1\nkind: Secret\ndata: {a: '!'}".into(), "f:3:11: data.a: Invalid symbol 33, offset 0."),
        (
            "apiVersion: v1\nkind: Service\nspec: {ports: [{targetPort: [x]}]}".into(),
            "f:3:29: spec.ports[0].targetPort: found a list, expected an integer or a string",
        ),
        (
            "kind: Pod".into(),
            "f:1:1: field \"apiVersion\" is missing: every Kubernetes object has apiVersion and kind; the apiVersion of Pod is \"v1\"",
        ),
        ("apiVersion: v1".into(), "f:1:1: field \"kind\" is missing: every Kubernetes object has apiVersion and kind"),
        ("apiVersion: 1\nkind: Pod".into(), "f:1:13: apiVersion: expected a string"),
        (
            "- a".into(),
            "f:1:1: this is no Kubernetes object; write Pod(metadata: (name: \"x\"), spec: (...)), or a map with apiVersion and kind",
        ),
        (
            "apiVersion: extensions/v1beta1\nkind: Deployment".into(),
            "f:1:13: no matches for kind \"Deployment\" in version \"extensions/v1beta1\"; use \"apps/v1\"",
        ),
        (
            "apiVersion: apps/v1\nkind: Deploymnt".into(),
            "f:1:13: no matches for kind \"Deploymnt\" in version \"apps/v1\"; did you mean \"Deployment\"?",
        ),
        ("apiVersion: v1\nkind: List\nitems: {}".into(), "f:3:8: items: expected a list"),
    ] {
        let (objects, mistakes) = read(Format::Yaml, &text);
        assert_eq!(mistakes, [want], "{text}");
        assert_eq!(objects.len(), usize::from(want.contains("unknown field")), "an object with unknown fields alone is kept: {text}");
    }
    for (text, want) in [
        ("Deploymnt(spec: ())", "f:1:1: unknown kind \"Deploymnt\"; did you mean \"Deployment\"?"),
        ("Toy(spec: ())", "f:1:1: unknown kind \"Toy\"; for a custom resource write its apiVersion too"),
        ("Pod(spec: DeploymentSpec(replicas: 1))", "f:1:11: spec: found DeploymentSpec(...), expected the fields of PodSpec"),
        ("Pod(spec: (restartPolicy: Always))", "f:1:27: spec.restartPolicy: found the name Always, expected a string; put it in quotes"),
        (
            "Pod(metadata: (creationTimestamp: \"soon\"))",
            "f:1:35: metadata.creationTimestamp: found string \"soon\", expected a time such as \"2026-01-02T03:04:05Z\"",
        ),
    ] {
        assert_eq!(read(Format::Ron, text).1, [want], "{text}");
    }
}

#[test]
fn all_mistakes_of_all_documents_are_found() {
    let text = "apiVersion: v1\nkind: Pod\nmetadata: {nam: a}\nspec:\n  containers:\n  - image: 3\n    prots: []\n  - name: {}\n---\napiVersion: v1\nkind: Pod\nspec: {nodeName: [x]}\n";
    let (_, mistakes) = read(Format::Yaml, text);
    assert_eq!(
        mistakes,
        [
            "f:3:12: unknown field \"metadata.nam\"; did you mean \"name\"?",
            "f:6:12: spec.containers[0].image: found integer 3, expected a string; put it in quotes",
            "f:7:5: unknown field \"spec.containers[0].prots\"; did you mean \"ports\"?",
            "f:8:11: spec.containers[1].name: found a map, expected a string",
            "f:12:18: spec.nodeName: found a list, expected a string",
        ]
    );
}

/// The manifests beside the repository, where they are present: every object decodes.
#[test]
fn real_manifests_decode() {
    let inputs = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/inputs");
    for (path, objects_min, bodies_max) in [
        ("online-boutique.yaml", 30, 40),
        ("guestbook.yaml", 6, 6),
        ("cassandra.yaml", 3, 3),
        ("gcda/nodes-1200.yaml", 1_213, 30),
        ("gcda/pods-1200.yaml", 7_064, 200),
    ] {
        let Ok(text) = std::fs::read_to_string(inputs.join(path)) else { continue };
        let (objects, mistakes) = read(Format::Yaml, &text);
        assert_eq!(mistakes, [""; 0], "{path}");
        assert!(objects.len() >= objects_min, "{path}: {}", objects.len());
        let bodies: std::collections::BTreeSet<_> = objects.iter().map(|object| Arc::as_ptr(&object.body)).collect();
        assert!(bodies.len() <= bodies_max, "{path}: {}", bodies.len());
    }
}

#[test]
fn texts_that_are_no_quantities() {
    let text = "apiVersion: v1\nkind: Pod\nspec: {containers: [{resources: {limits: {cpu: two, memory: 5GB, pods: 1e-9, z: ''}}}]}";
    let form = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";
    let units = "units: n, u, m, k, M, G, T, P, E, Ki, Mi, Gi, Ti, Pi, Ei";
    assert_eq!(
        read(Format::Yaml, text).1,
        [
            format!("f:3:48: spec.containers[0].resources.limits.cpu: \"two\" is no quantity: {form}; {units}"),
            format!("f:3:61: spec.containers[0].resources.limits.memory: \"5GB\" is no quantity: {form}; {units}"),
            format!("f:3:81: spec.containers[0].resources.limits.z: \"\" is no quantity: {form}; {units}"),
        ]
    );
}
