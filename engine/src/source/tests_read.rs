//! Tables of texts: the tree that each becomes, or the message that it gives.

use super::tree::{Entry, Tree, TreeValue};
use super::{Documents, Format, Problems, Severity, Sources, Span, span_inside};

/// The tree in one line: `{a: 1, b: ["x", null]}`, RON names as `Name(...)`.
pub(super) fn show(tree: &Tree) -> String {
    let entries = |entries: &[Entry]| {
        let shown: Vec<String> = entries.iter().map(|entry| format!("{}: {}", entry.key.text, show(&entry.value))).collect();
        shown.join(", ")
    };
    match &tree.value {
        TreeValue::Null => "null".into(),
        TreeValue::Bool(value) => value.to_string(),
        TreeValue::Int(value) => value.to_string(),
        TreeValue::Uint(value) => format!("{value}u"),
        TreeValue::Float(value) => format!("{value:?}f"),
        TreeValue::String(value) => format!("{value:?}"),
        TreeValue::Seq(items) => format!("[{}]", items.iter().map(show).collect::<Vec<_>>().join(", ")),
        TreeValue::Map(map) => format!("{{{}}}", entries(map)),
        TreeValue::Named(named) if named.args.is_null() => named.name.clone(),
        TreeValue::Named(named) => format!("{}{}", named.name, show(&named.args)),
    }
}

/// Every document, then every mistake, one line each.
fn read(format: Format, text: &str) -> String {
    let mut sources = Sources::default();
    let file = sources.add("f", text);
    let mut problems = Problems::default();
    let mut lines = Vec::new();
    for document in Documents::new(&sources, file, format) {
        match document {
            Ok(tree) => lines.push(show(&tree)),
            Err(problem) => problems.push(Severity::Error, problem),
        }
    }
    lines.extend(problems.errors(&sources).iter().map(ToString::to_string));
    lines.join(" / ")
}

#[test]
fn ron_texts() {
    for (text, want) in [
        ("()", "{}"),
        ("(a: 1, b: -2,)", "{a: 1, b: -2}"),
        ("(1, \"x\")", "[1, \"x\"]"),
        ("Scene(seed: 7, nodes: [Pool(count: 2)])", "Scene{seed: 7, nodes: [Pool{count: 2}]}"),
        ("At(\"30s\", Scale(\"rs/shop\", 1))", "At[\"30s\", Scale[\"rs/shop\", 1]]"),
        ("[Ideal, None, Some(3), Some((a: 1)), Some(Some(true))]", "[Ideal, null, 3, {a: 1}, true]"),
        ("{\"a\": 1, 2: 'x', Pod: false}", "{a: 1, 2: \"x\", Pod: false}"),
        ("[0x1F, 0b101, 0o17, 1_000, +5, 1.5, .5, 1e3, -1.5e-3]", "[31, 5, 15, 1000, 5, 1.5f, 0.5f, 1000.0f, -0.0015f]"),
        ("[18446744073709551615, -9223372036854775808]", "[18446744073709551615u, -9223372036854775808]"),
        ("\"a\\n\\t\\\\\\\"\\u{e9}\\x41\\u0042\"", "\"a\\n\\t\\\\\\\"éAB\""),
        ("[r\"a\\b\", r#\"say \"hi\"\"#, '\\'']", "[\"a\\\\b\", \"say \\\"hi\\\"\", \"'\"]"),
        ("// one\n/* two /* three */ */ (a: /* x */ 1) // end", "{a: 1}"),
        ("#![enable(implicit_some, unwrap_newtypes)]\n#![enable(unwrap_variant_newtypes,)]\n[]", "[]"),
        ("(r#type: \"x\", r: 2)", "{type: \"x\", r: 2}"),
    ] {
        assert_eq!(read(Format::Ron, text), want, "{text}");
    }
}

#[test]
fn ron_mistakes() {
    for (text, want) in [
        ("(a: 1", "f:1:6: found the end of the file, expected `,` or `)`"),
        ("(a: 1 b: 2)", "f:1:7: found `b`, expected `,` or `)`"),
        ("(a: 1, 2)", "f:1:8: found `2`, expected a field name"),
        ("(a: )", "f:1:5: found `)`, expected a value"),
        ("(a: 1, a: 2)", "f:1:8: field \"a\" is written twice"),
        ("{\"a\": 1, \"a\": 2}", "f:1:10: key \"a\" is written twice"),
        ("{[1]: 1}", "f:1:2: a key must be a string, an integer or a name"),
        ("\"abc", "f:1:1: string without end: expected `\"`"),
        ("\"\\q\"", "f:1:2: unknown escape in a string; a backslash is written `\\\\`"),
        ("\"\\u{110000}\"", "f:1:2: this escape names no character"),
        ("\"\\ud800\"", "f:1:2: this escape names no character"),
        ("r#\"abc\"", "f:1:1: raw string without end: expected `\"#`"),
        ("/* x", "f:1:1: comment without end: expected `*/`"),
        ("'ab'", "f:1:1: a character has the form 'x'; a string is written in double quotes"),
        ("1x", "f:1:1: `1x` is not a number"),
        ("1.2.3", "f:1:1: `1.2.3` is not a number"),
        ("-", "f:1:1: `-` is not a number"),
        ("99999999999999999999", "f:1:1: the number 99999999999999999999 is too large"),
        ("1e999", "f:1:1: the number 1e999 is too large"),
        ("inf", "f:1:1: inf is not a finite number"),
        ("() ()", "f:1:4: found `(`, expected the end of the file"),
        ("#![enable(implicit_sme)]\n()", "f:1:11: unknown RON extension \"implicit_sme\"; did you mean \"implicit_some\"?"),
        ("Some(1, 2)", "f:1:1: Some(...) holds one value"),
    ] {
        assert_eq!(read(Format::Ron, text), want, "{text}");
    }
}

#[test]
fn json_texts_and_mistakes() {
    for (text, want) in [
        ("{\"a\": [1, -2.5, true, null, \"\\ud83d\\ude00\\/\"]}", "{a: [1, -2.5f, true, null, \"😀/\"]}"),
        ("{} []\n3", "{} / [] / 3"),
        ("123456789012345678901234567890", "1.2345678901234568e29f"),
        ("{\"a\": 1,}", "f:1:9: found `}`, expected a key in double quotes"),
        ("[1 2]", "f:1:4: found `2`, expected `,` or `]`"),
        ("{\"a\" 1}", "f:1:6: found `1`, expected `:`"),
        ("{\"a\": 1, \"a\": 2}", "f:1:10: key \"a\" is written twice"),
        ("[01]", "f:1:2: `01` is not a number"),
        ("[1.]", "f:1:2: `1.` is not a number"),
        ("[nil]", "f:1:2: found `nil`, expected a value"),
        ("// x\n1", "f:1:1: found `/`, expected a value"),
        ("[1", "f:1:3: found the end of the file, expected `,` or `]`"),
    ] {
        assert_eq!(read(Format::Json, text), want, "{text}");
    }
}

#[test]
fn yaml_texts() {
    for (text, want) in [
        ("a: 1\nb: [x, 'yes', yes]\n", "{a: 1, b: [\"x\", \"yes\", true]}"),
        ("a: 1\n---\nb: 2\n--- {c: 3}\n---\n# nothing\n", "{a: 1} / {b: 2} / {c: 3}"),
        ("---\na: |\n  x\n  y\nb: >-\n  x\n  y\n", "{a: \"x\\ny\\n\", b: \"x y\"}"),
        ("a: &x {k: 1}\nb: *x\n", "{a: {k: 1}, b: {k: 1}}"),
        ("base: &b {k: 1, l: 2}\nd:\n  <<: *b\n  k: 3\n", "{base: {k: 1, l: 2}, d: {k: 3, l: 2}}"),
        ("a: &a {k: 1}\nb: &b {k: 2, l: 3}\nc:\n  <<: [*a, *b]\n", "{a: {k: 1}, b: {k: 2, l: 3}, c: {k: 1, l: 3}}"),
        ("'<<': 1\n", "{<<: 1}"),
        ("1: a\ntrue: b\n0.5: c\n", "{1: \"a\", true: \"b\", 0.5: \"c\"}"),
        ("a: !!str 1\nb: !!int '2'\nc: !!float 3\n", "{a: \"1\", b: 2, c: 3}"),
        ("a:\nb: ~\n", "{a: null, b: null}"),
        ("%YAML 1.1\n---\na: 1\n", "{a: 1}"),
        ("a: 1\n...\n---\nb: 2\n", "{a: 1} / {b: 2}"),
        ("{\"json\": [1, 2.5, \"x\"]}", "{json: [1, 2.5f, \"x\"]}"),
        ("a: x---\nb: |\n  ---\n", "{a: \"x---\", b: \"---\\n\"}"),
    ] {
        assert_eq!(read(Format::Yaml, text), want, "{text}");
    }
}

#[test]
fn yaml_mistakes() {
    for (text, want) in [
        ("a: 1\na: 2\n", "f:2:1: key \"a\" is written twice"),
        ("a: b: c\n", "f:1:5: mapping values are not allowed in this context"),
        ("ü: [ü, .inf]\n", "f:1:8: .inf is not a finite number"),
        ("a: !foo 1\n", "f:1:4: unknown YAML tag !foo"),
        ("a: !!int x\n", "f:1:4: found \"x\", expected a value of the tag !!int"),
        ("a: *x\n", "f:1:4: while parsing node, found unknown anchor"),
        ("a: &x [*x]\n", "f:1:8: this alias stands inside the value that it names"),
        ("? [a]\n: 1\n", "f:1:3: a key must be a string, a number or a boolean"),
        ("<<: 3\n", "f:1:5: the merge key << takes a map or a list of maps"),
        ("a: 1\n---\nb: [\n---\nc: 3\n", "{a: 1} / {c: 3} / f:4:1: while parsing a node, did not find expected node content"),
    ] {
        assert_eq!(read(Format::Yaml, text), want, "{text}");
    }
}

#[test]
fn ten_thousand_levels_are_a_mistake_and_no_stack_overflow() {
    let deep = |open: &str, close: &str| format!("{}{}", open.repeat(10_000), close.repeat(10_000));
    for (format, text, want) in [
        (Format::Ron, deep("[", "]"), "f:1:129: nested more than 128 levels deep"),
        (Format::Ron, deep("Some(", ")"), "f:1:645: nested more than 128 levels deep"),
        (Format::Ron, deep("(a:", ")"), "f:1:385: nested more than 128 levels deep"),
        (Format::Json, deep("{\"a\":", "}"), "f:1:641: nested more than 128 levels deep"),
        (Format::Yaml, deep("[", "]"), "f:1:256: nested more than 128 levels deep"),
        (Format::Yaml, "- ".repeat(10_000), "f:1:257: nested more than 128 levels deep"),
        (Format::Ron, "/*".repeat(10_000), "f:1:1: comment without end: expected `*/`"),
    ] {
        assert_eq!(read(format, &text), want);
    }
}

#[test]
fn an_alias_bomb_is_a_mistake() {
    let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..20 {
        let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
        text += &format!("a{level}: &a{level} [{aliases}]\n");
    }
    assert_eq!(read(Format::Yaml, &text), "f:5:45: the aliases of this document expand to more than 100000 values");
    let mut text = String::from("a0: &a0 []\n");
    for level in 1..1_000 {
        text += &format!("a{level}: &a{level} [[[[*a{}]]]]\n", level - 1);
    }
    assert_eq!(read(Format::Yaml, &text), "f:33:15: nested more than 128 levels deep");
}

#[test]
fn places_are_those_of_the_values() {
    let mut sources = Sources::default();
    let text = "# ü\nitems:\n- kind: Pod\n  spec:\n    image: 'x'\n\n- kind: Node\n";
    let file = sources.add("f.yaml", text);
    let tree = Documents::new(&sources, file, Format::Yaml).next().unwrap().unwrap();
    let item = tree.span_of(&["items", "0"]);
    assert_eq!(sources.excerpt(item), "kind: Pod\n  spec:\n    image: 'x'");
    assert_eq!(sources.excerpt(tree.span_of(&["items", "1", "kind"])), "Node");
    assert_eq!(sources.excerpt(tree.span_of(&["items", "0", "spec", "nothing"])), "image: 'x'");
    assert_eq!(sources.excerpt(span_inside(&sources, Format::Yaml, item, &["spec", "image"])), "'x'");

    let file = sources.add("f.ron", "Scene(objects: [Pod(spec: (image: \"x\"))])");
    let tree = Documents::new(&sources, file, Format::Ron).next().unwrap().unwrap();
    let item = tree.span_of(&["objects", "0"]);
    assert_eq!(sources.excerpt(item), "Pod(spec: (image: \"x\"))");
    assert_eq!(sources.excerpt(span_inside(&sources, Format::Ron, item, &["spec", "image"])), "\"x\"");
    let nowhere = Span { start: 41, end: 42, ..item };
    assert_eq!(span_inside(&sources, Format::Ron, nowhere, &["x"]), nowhere);
}
