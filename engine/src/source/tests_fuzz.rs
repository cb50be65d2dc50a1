//! No text makes the readers panic or hang, and what is written as JSON means the same in all three notations.

use super::tests_read::show;
use super::{Documents, Files, Format, KubeReader, MemoryFiles, Params, Problems, Severity, Sources, decode};
use proptest::prelude::*;
use serde_json::Value;
use std::collections::BTreeMap;

const FORMATS: [Format; 3] = [Format::Ron, Format::Yaml, Format::Json];

/// Reads, substitutes and decodes in every way; how many mistakes there were.
fn read_in_every_way(bytes: &[u8], format: Format) -> u64 {
    let files = MemoryFiles::default().with("f", bytes);
    let (mut sources, mut problems, mut reader) = (Sources::default(), Problems::default(), KubeReader::default());
    assert!(files.read("f").is_ok());
    let Some(file) = sources.read(&files, "f", None, &mut problems) else { return problems.errors_found() };
    for document in Documents::new(&sources, file, format).take(100) {
        match document {
            Ok(mut tree) => {
                Params::default().substitute(&mut tree, &mut problems);
                reader.decode_object(&tree, &mut problems, &mut |object, tree| {
                    assert!(!object.body.kind.is_empty() && object.span == tree.span, "{}", object.value());
                });
                let _: Option<Vec<String>> = decode(&tree, "", &mut problems);
                let _: Option<BTreeMap<u8, Option<bool>>> = decode(&tree, "", &mut problems);
                let _: Option<Value> = decode(&tree, "", &mut problems);
            }
            Err(problem) => problems.push(Severity::Error, problem),
        }
    }
    for error in problems.errors(&sources) {
        assert!(error.to_string().starts_with('f'), "{error}");
    }
    problems.errors_found()
}

const SEEDS: [&str; 4] = [
    "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web # ü\n  labels: &l {app: web}\nspec:\n  replicas: 3\n  selector:\n    matchLabels: *l\n  template:\n    metadata:\n      labels:\n        <<: *l\n        tier: 'front'\n    spec:\n      containers:\n      - name: c\n        image: \"x:1\"\n        command: [sh, -c, |-\n          echo]\n---\n--- >\n folded\n...\n",
    "#![enable(implicit_some)]\n// ü\nScene(seed: 7, nodes: [Pool(count: 2, size: {\"cpu\": \"4\"})], objects: [Pod(metadata: (name: \"a\\n\"), spec: (containers: [(name: r#\"b\"#)]))], script: [At(\"1s\", Scale('x', -1.5e3)), /* c */ None, Some(0x1F)],)",
    "{\"apiVersion\": \"v1\", \"kind\": \"List\", \"items\": [{\"apiVersion\": \"v1\", \"kind\": \"Node\", \"metadata\": {\"name\": \"\\ud83d\\ude00\"}}, null, true, -1.5e-3]} {}",
    "? a\n: - - b\n  - ? c\n    : d\n- !!str 3\n- !<tag:yaml.org,2002:int> 3\n%TAG ! x\n---\n\t- @x\n`",
];

fn words() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec![
        "a",
        "b",
        "1",
        "-",
        "- ",
        ": ",
        ":",
        "? ",
        "[",
        "]",
        "{",
        "}",
        "(",
        ")",
        ",",
        "\n",
        "\n ",
        "\n  ",
        "\n---\n",
        "\n...\n",
        "&a ",
        "*a",
        "<<",
        "<<: ",
        "!!str ",
        "! ",
        "!x ",
        "|\n",
        ">-\n",
        "\"",
        "'",
        "\\",
        "\\u",
        "#",
        " # c",
        "//",
        "/*",
        "*/",
        "r#\"",
        "\"#",
        "Some(",
        "None",
        "Pod(",
        "kind: Pod",
        "${",
        "$${n}",
        "}",
        "0x",
        "1e9",
        ".inf",
        "é",
        "\u{feff}",
        "\t",
        "\r\n",
        "%YAML 1.1\n",
        "apiVersion: v1\n",
        "List",
        "items: ",
        "true",
        "null",
        "~",
    ]);
    prop::collection::vec(word, 0..60).prop_map(|words| words.concat())
}

fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let edits =
        prop::collection::vec((any::<prop::sample::Index>(), 0..20usize, prop::collection::vec(any::<u8>(), 0..4), any::<bool>()), 1..6);
    (prop::sample::select(SEEDS.to_vec()), edits).prop_map(|(seed, edits)| {
        let mut bytes = seed.as_bytes().to_vec();
        for (at, len, new, repeat) in edits {
            let start = at.index(bytes.len() + 1);
            let end = (start + len).min(bytes.len());
            let cut = bytes[start..end].to_vec();
            let put = if repeat { [cut.clone(), cut].concat() } else { new.iter().map(|byte| byte & 0x7f).collect() };
            bytes.splice(start..end, put);
        }
        bytes
    })
}

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (-1e6..1e6f64)
            .prop_map(|value| Value::from(value + 0.5))
            .prop_filter("fractions only", |value| value.as_f64().is_some_and(|value| value.fract() != 0.0)),
        ".{0,12}".prop_map(Value::from),
        "[ -~]{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map("[a-z~<é]{0,4}", inner, 0..6).prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, rng_seed: prop::test_runner::RngSeed::Fixed(7), ..ProptestConfig::default() })]

    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        FORMATS.iter().for_each(|&format| { read_in_every_way(&bytes, format); });
    }

    #[test]
    fn any_words(text in words()) {
        FORMATS.iter().for_each(|&format| { read_in_every_way(text.as_bytes(), format); });
    }

    #[test]
    fn mutated_files(bytes in mutated()) {
        FORMATS.iter().for_each(|&format| { read_in_every_way(&bytes, format); });
    }

    #[test]
    fn json_means_the_same_in_every_notation(value in json()) {
        let mut sources = Sources::default();
        let text = value.to_string();
        let file = sources.add("f", text.clone());
        let mut trees = FORMATS.map(|format| Documents::new(&sources, file, format).next());
        let shown = trees.each_mut().map(|tree| tree.take().map(|tree| tree.map(|tree| show(&tree))));
        prop_assert_eq!(&shown[0], &shown[1], "{}", &text);
        prop_assert_eq!(&shown[1], &shown[2], "{}", &text);
        let tree = Documents::new(&sources, file, Format::Json).next();
        let tree = tree.expect("one value").expect("no mistake");
        prop_assert_eq!(decode::<Value>(&tree, "", &mut Problems::default()), Some(value));
    }
}

/// The canary: the fuzz harness does see mistakes, and sees none in what is right.
#[test]
fn the_seeds_are_what_they_seem() {
    let mistakes: Vec<u64> = SEEDS
        .iter()
        .zip([Format::Yaml, Format::Ron, Format::Json, Format::Yaml])
        .map(|(seed, format)| read_in_every_way(seed.as_bytes(), format))
        .collect();
    assert!(mistakes.iter().all(|&mistakes| mistakes > 0), "{mistakes:?}");
}
