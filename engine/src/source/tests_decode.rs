//! Tables of scenes in small: the value that each decodes to, or all messages that it gives.

use super::{Documents, Format, Problems, Sources, Spanned, Tree, decode, decode_each};
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Debug, Deserialize, PartialEq)]
struct Toy {
    seed: u64,
    #[serde(default)]
    pools: Vec<Pool>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    script: Vec<Step>,
    #[serde(default)]
    ports: BTreeMap<u16, bool>,
    latency: Option<Latency>,
    #[serde(default)]
    wrapped: Seconds,
    #[serde(default)]
    pair: (u8, String),
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
struct Pool {
    name: String,
    count: Option<u32>,
    ratio: Option<f32>,
    spot: Option<bool>,
}

#[derive(Debug, Deserialize, PartialEq)]
enum Step {
    At(String, Box<Action>),
}

#[derive(Debug, Deserialize, PartialEq)]
enum Action {
    Scale(String, i32),
    Delete(String),
    Cut { node: String, seconds: u32 },
    Nothing,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(untagged)]
enum Latency {
    Named(String),
    Made { api: u32 },
}

#[derive(Debug, Deserialize, PartialEq, Default)]
struct Seconds(u32);

fn tree(sources: &mut Sources, text: &str) -> Tree {
    let file = sources.add("toy", text);
    Documents::new(sources, file, Format::Ron).next().unwrap().unwrap()
}

fn mistakes<T: serde::de::DeserializeOwned>(text: &str) -> Vec<String> {
    let mut sources = Sources::default();
    let tree = tree(&mut sources, text);
    let mut problems = Problems::default();
    let value = decode::<T>(&tree, "", &mut problems);
    let printed: Vec<String> = problems.errors(&sources).iter().map(ToString::to_string).collect();
    assert_eq!(value.is_none(), !printed.is_empty(), "{text}: {printed:?}");
    printed
}

#[test]
fn every_form_of_ron_decodes() {
    let mut sources = Sources::default();
    let tree = tree(
        &mut sources,
        r#"Toy(seed: 7, pools: [Pool(name: "a", count: 3), (name: "b", ratio: 1, spot: Some(true))],
            labels: {"app": "x", tier: "y"}, latency: (api: 4), wrapped: Seconds(5), pair: (1, "z"), ports: {80: true},
            script: [At("1s", Scale("rs", 2)), At("2s", Delete("x")), At("3s", Cut(node: "n", seconds: 9)), At("4s", Nothing)])"#,
    );
    let mut problems = Problems::default();
    let toy: Toy = decode(&tree, "", &mut problems).unwrap_or_else(|| panic!("{:?}", problems.errors(&sources)));
    assert_eq!(toy.pools[0], Pool { name: "a".into(), count: Some(3), ratio: None, spot: None });
    assert_eq!(toy.pools[1], Pool { name: "b".into(), count: None, ratio: Some(1.0), spot: Some(true) });
    assert_eq!((toy.labels.len(), toy.latency, toy.wrapped), (2, Some(Latency::Made { api: 4 }), Seconds(5)));
    let at = |time: &str, action| Step::At(time.into(), Box::new(action));
    let script = vec![
        at("1s", Action::Scale("rs".into(), 2)),
        at("2s", Action::Delete("x".into())),
        at("3s", Action::Cut { node: "n".into(), seconds: 9 }),
        at("4s", Action::Nothing),
    ];
    assert_eq!((toy.script, toy.pair, toy.ports), (script, (1, "z".into()), BTreeMap::from([(80, true)])));
}

#[test]
fn one_mistake_one_message() {
    for (text, want) in [
        ("(seed: \"three\")", "toy:1:8: seed: found string \"three\", expected an integer"),
        ("(seed: -1)", "toy:1:8: seed: found integer -1, expected an integer that is not negative"),
        ("(seed: 1.5)", "toy:1:8: seed: found number 1.5, expected an integer"),
        ("(seed: 1, pols: [])", "toy:1:11: unknown field \"pols\"; did you mean \"pools\"?"),
        ("(seed: 1, pools: [(name: \"a\", cuont: 3)])", "toy:1:31: unknown field \"pools[0].cuont\"; did you mean \"count\"?"),
        (
            "(seed: 1, pools: [(name: \"a\", count: -3)])",
            "toy:1:38: pools[0].count: found integer -3, expected an integer from 0 to 4294967295",
        ),
        ("(seed: 1, pools: [(count: 3)])", "toy:1:19: pools[0]: field \"name\" is missing"),
        ("(seed: 1, pools: (name: \"a\"))", "toy:1:18: pools: found a map, expected a list"),
        ("(seed: 1, pools: [3])", "toy:1:19: pools[0]: found integer 3, expected the fields of Pool"),
        ("(seed: 1, pools: [Node(name: \"a\")])", "toy:1:19: pools[0]: found Node(...), expected the fields of Pool"),
        ("(seed: 1, pools: [(name: 3)])", "toy:1:26: pools[0].name: found integer 3, expected a string; put it in quotes"),
        ("(seed: 1, pools: [(name: \"a\", spot: \"yes\")])", "toy:1:37: pools[0].spot: found string \"yes\", expected true or false"),
        ("(seed: 1, labels: [])", "toy:1:19: labels: found a list, expected a map"),
        ("(seed: 1, labels: {\"a\": 1})", "toy:1:25: labels.a: found integer 1, expected a string; put it in quotes"),
        ("(seed: 1, script: [At(\"1s\", Scael(\"x\", 1))])", "toy:1:29: script[0][1]: unknown name \"Scael\"; did you mean \"Scale\"?"),
        ("(seed: 1, script: [At(\"1s\", Scale(\"x\"))])", "toy:1:34: script[0][1]: found 1 values, expected 2"),
        ("(seed: 1, script: [At(\"1s\", Scale(\"x\", \"y\"))])", "toy:1:40: script[0][1][1]: found string \"y\", expected an integer"),
        ("(seed: 1, script: [At(\"1s\", Scale)])", "toy:1:29: script[0][1]: Scale takes arguments: write Scale(...)"),
        ("(seed: 1, script: [At(\"1s\", Nothing(1))])", "toy:1:29: script[0][1]: Nothing takes no arguments"),
        ("(seed: 1, script: [At(\"1s\", Cut(\"x\", 1))])", "toy:1:29: script[0][1]: Cut takes fields: node, seconds"),
        (
            "(seed: 1, script: [At(\"1s\", Cut(node: \"n\", second: 3, seconds: 3))])",
            "toy:1:44: unknown field \"script[0][1].second\"; did you mean \"seconds\"?",
        ),
        ("(seed: 1, script: [3])", "toy:1:20: script[0]: found integer 3, expected At"),
        ("(seed: 1, ports: {\"http\": true})", "toy:1:27: ports.http: found string \"http\", expected an integer"),
        ("(seed: 1, ports: {70000: true})", "toy:1:26: ports.70000: found integer 70000, expected an integer from 0 to 65535"),
        ("(seed: 1, pair: (1, \"a\", 2))", "toy:1:17: pair: found 3 values, expected 2"),
        ("(seed: 1, pair: (256, \"a\"))", "toy:1:18: pair[0]: found integer 256, expected an integer from 0 to 255"),
        ("[]", "toy:1:1: found a list, expected the fields of Toy"),
        ("()", "toy:1:1: field \"seed\" is missing"),
        ("Scene(seed: 1)", "toy:1:1: found Scene(...), expected the fields of Toy"),
    ] {
        assert_eq!(mistakes::<Toy>(text), [want], "{text}");
    }
}

#[test]
fn all_mistakes_of_a_value_are_found() {
    let text = "(\n seed: \"x\",\n pools: [\n  (name: 3, cuont: 1),\n  (count: true),\n  (name: \"ok\"),\n ],\n script: [\n  At(\"1s\", Scale(\"x\", \"y\")),\n  At(2, Nothing),\n  At(\"3s\", Nope),\n ],\n labls: {},\n)";
    assert_eq!(
        mistakes::<Toy>(text),
        [
            "toy:2:8: seed: found string \"x\", expected an integer",
            "toy:4:10: pools[0].name: found integer 3, expected a string; put it in quotes",
            "toy:4:13: unknown field \"pools[0].cuont\"; did you mean \"count\"?",
            "toy:5:3: pools[1]: field \"name\" is missing",
            "toy:5:11: pools[1].count: found boolean true, expected an integer",
            "toy:9:23: script[0][1][1]: found string \"y\", expected an integer",
            "toy:10:6: script[1][0]: found integer 2, expected a string; put it in quotes",
            "toy:11:12: script[2][1]: unknown name \"Nope\"; expected one of Scale, Delete, Cut, Nothing",
            "toy:13:2: unknown field \"labls\"; did you mean \"labels\"?",
        ]
    );
}

#[test]
fn elements_decode_one_by_one_and_know_their_place() {
    let mut sources = Sources::default();
    let tree = tree(&mut sources, "[(name: \"a\"), (nam: \"b\"), (name: \"c\")]");
    let mut problems = Problems::default();
    let pools: Vec<Spanned<Pool>> = decode_each(&tree, "nodes", &mut problems);
    let names: Vec<&str> = pools.iter().map(|pool| pool.value.name.as_str()).collect();
    assert_eq!(names, ["a", "c"]);
    assert_eq!(sources.excerpt(pools[1].span), "(name: \"c\")");
    let printed: Vec<String> = problems.errors(&sources).iter().map(ToString::to_string).collect();
    assert_eq!(
        printed,
        ["toy:1:15: nodes[1]: field \"name\" is missing", "toy:1:16: unknown field \"nodes[1].nam\"; did you mean \"name\"?"]
    );
    let texts: Vec<Spanned<BTreeMap<String, Spanned<String>>>> = decode_each(&tree, "", &mut Problems::default());
    assert_eq!(sources.excerpt(texts[1].value["nam"].span), "\"b\"");
}

#[test]
fn the_deepest_nesting_decodes_within_the_stack() {
    let depth = super::DEPTH_MAX as usize;
    let mut sources = Sources::default();
    for (open, close) in [("[", "]"), ("(a: ", ")"), ("A(", ")")] {
        let tree = tree(&mut sources, &format!("{}1{}", open.repeat(depth), close.repeat(depth)));
        assert!(tree.size() > depth as u64);
        let value: Option<serde_json::Value> = decode(&tree, "", &mut Problems::default());
        assert!(value.is_some_and(|value| value.to_string().contains('1')), "{open}");
    }
}
