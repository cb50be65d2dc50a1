use super::*;
use proptest::prelude::*;
use serde_json::json;
use std::collections::BTreeMap;

fn labels(text: &str) -> BTreeMap<&str, &str> {
    text.split(',').filter_map(|pair| pair.split_once('=')).collect()
}

#[test]
fn matching() {
    let table = "
        selector          | labels    -> match
        a=1               | a=1       -> yes
        a=1               |           -> no
        a!=1              |           -> yes
        a!=1              | a=1       -> no
        a in (1,2)        | a=2       -> yes
        a notin (1,2)     | a=2       -> no
        a notin (1,2)     | b=2       -> yes
        a                 | a=        -> yes
        !a                | a=        -> no
        a>9               | a=10      -> yes
        a<9               | a=x       -> no
        a=1,b             | a=1       -> no
        a=1,b             | a=1,b=2   -> yes
    ";
    for row in table.lines().map(str::trim).filter(|row| !row.is_empty()).skip(1) {
        let (selector, rest) = row.split_once('|').unwrap();
        let (set, want) = rest.split_once("->").unwrap();
        let set = labels(set.trim());
        assert_eq!(Selector::parse(selector).unwrap().matches(|key| set.get(key).copied()), want.trim() == "yes", "row: {row}");
    }
}

#[test]
fn nothing_and_everything() {
    let nothing = Selector::of_json(&Value::Null).unwrap();
    let everything = Selector::of_json(&json!({})).unwrap();
    assert!(!nothing.matches(|_| Some("1")) && !nothing.is_everything());
    assert!(everything.matches(|_| None) && everything.is_everything());
    assert_eq!([nothing.to_string(), everything.to_string()], ["", ""]);
}

#[test]
fn structured_form() {
    let selector = json!({"matchLabels": {"b": "1"}, "matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["2", "1"]}]});
    assert_eq!(Selector::of_json(&selector).unwrap().to_string(), "a notin (1,2),b=1");
    let html = json!({"matchExpressions": [{"key": "a", "operator": "Exists", "values": ["<"]}]});
    let error = Selector::of_json(&html).unwrap_err().to_string();
    assert!(error.starts_with(r#"[values: Invalid value: ["\u003c"]: values set must be empty"#), "{error}");
}

fn requirement() -> impl Strategy<Value = Requirement> {
    let key = "([a-z]{1,3}\\.io/)?[a-zA-Z][a-z0-9]{0,4}";
    let value = "([a-z0-9]([-_.a-z0-9]{0,3}[A-Z0-9])?)?";
    let several = (key, proptest::bool::ANY, proptest::collection::btree_set(value, 1..4)).prop_map(|(key, within, values)| {
        let operator = if within { Operator::In } else { Operator::NotIn };
        Requirement::new(&key, operator, values.into_iter().collect()).unwrap()
    });
    let equal = [Operator::Equals, Operator::DoubleEquals, Operator::NotEquals];
    let one = (key, proptest::sample::select(equal.to_vec()), value)
        .prop_map(|(key, operator, value)| Requirement::new(&key, operator, vec![value]).unwrap());
    let unary = [Operator::Exists, Operator::DoesNotExist];
    let none =
        (key, proptest::sample::select(unary.to_vec())).prop_map(|(key, operator)| Requirement::new(&key, operator, Vec::new()).unwrap());
    let compare = [Operator::GreaterThan, Operator::LessThan];
    let number = (key, proptest::sample::select(compare.to_vec()), 0_i64..)
        .prop_map(|(key, operator, value)| Requirement::new(&key, operator, vec![value.to_string()]).unwrap());
    prop_oneof![several, one, none, number]
}

proptest! {
    #[test]
    fn text_form_reads_back(requirements in proptest::collection::vec(requirement(), 0..5)) {
        let selector = Selector::of(requirements);
        prop_assert_eq!(Selector::parse(&selector.to_string()), Ok(selector));
    }

    #[test]
    fn any_text_gives_an_answer(text in "[ab=!(),<>\\s\0-]{0,12}|.{0,20}") {
        if let Ok(selector) = Selector::parse(&text) {
            prop_assert_eq!(Selector::parse(&selector.to_string()), Ok(selector));
        }
    }
}
