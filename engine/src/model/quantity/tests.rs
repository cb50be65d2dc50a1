use super::*;
use proptest::prelude::*;

fn quantity(text: &str) -> Quantity {
    Quantity::parse(text).unwrap()
}

#[test]
fn canonical_text_and_rounding() {
    let table = "
        text          -> canonical  value        milli
        1             -> 1          1            1000
        0.5           -> 500m       1            500
        1.5Gi         -> 1536Mi     1610612736   1610612736000
        2048Ki        -> 2Mi        2097152      2097152000
        0.1n          -> 1n         1            1
        100Ki         -> 100Ki      102400       102400000
        1023          -> 1023       1023         1023000
        5000k         -> 5M         5000000      5000000000
        12E2          -> 1200       1200         1200000
        1e5           -> 100e3      100000       100000000
        0.5Ki         -> 512        512          512000
        -1.5          -> -1500m     -2           -1500
    ";
    for row in table.lines().map(str::trim).filter(|row| !row.is_empty()).skip(1) {
        let words: Vec<&str> = row.split_whitespace().collect();
        let quantity = quantity(words[0]);
        assert_eq!(
            [quantity.to_string(), quantity.value().to_string(), quantity.milli_value().to_string()],
            [words[2], words[3], words[4]],
            "row: {row}"
        );
    }
}

#[test]
fn refuses_what_is_no_quantity() {
    for (text, error) in [
        ("", QuantityError::Format),
        ("1 ", QuantityError::Format),
        ("1K", QuantityError::Suffix),
        ("1e99999999999", QuantityError::Suffix),
        ("--1", QuantityError::Suffix),
    ] {
        assert_eq!(Quantity::parse(text).unwrap_err(), error, "{text:?}");
    }
}

#[test]
fn reads_texts_of_any_length() {
    let (many, rounded) = ("9".repeat(100_000), "9".repeat(99_999));
    assert_eq!(quantity(&format!("{rounded}8.{many}n")).to_string(), format!("{many}n"));
}

#[test]
fn zero_takes_the_format_of_what_is_added() {
    let mut sum = Quantity::from_units(0, Format::DecimalSi);
    sum += &quantity("1024Mi");
    assert_eq!(sum.to_string(), "1Gi");
    sum -= &quantity("1Gi");
    assert!(sum.is_zero());
    assert_eq!(sum.to_string(), "0");
}

#[test]
fn text_of_serde_is_the_canonical_one() {
    assert_eq!(serde_json::to_string(&quantity("1.5")).unwrap(), r#""1500m""#);
    assert_eq!(serde_json::from_str::<Quantity>(r#"" 1500m ""#).unwrap(), quantity("1.5"));
}

/// A text with its exact amount in nanos.
fn drawn() -> impl Strategy<Value = (String, i128)> {
    let suffixes = [
        ("n", 1),
        ("u", 1_000),
        ("m", 1_000_000),
        ("", 1_000_000_000),
        ("k", 10_i128.pow(12)),
        ("M", 10_i128.pow(15)),
        ("e3", 10_i128.pow(12)),
        ("E-3", 1_000_000),
        ("Ki", 1024 * 10_i128.pow(9)),
        ("Mi", 1024_i128.pow(2) * 10_i128.pow(9)),
    ];
    let number = -1_000_000_000_000_i64..1_000_000_000_000;
    (number, proptest::sample::select(suffixes.to_vec()))
        .prop_map(|(number, (suffix, nanos))| (format!("{number}{suffix}"), i128::from(number) * nanos))
}

proptest! {
    #[test]
    fn order_and_sums_agree_with_the_exact_amount((left, left_nanos) in drawn(), (right, right_nanos) in drawn()) {
        prop_assert_eq!(quantity(&left).cmp(&quantity(&right)), left_nanos.cmp(&right_nanos));
        let mut sum = quantity(&left);
        sum += &quantity(&right);
        prop_assert_eq!(&sum, &quantity(&format!("{}n", left_nanos + right_nanos)));
        sum -= &quantity(&right);
        prop_assert_eq!(sum, quantity(&left));
    }

    #[test]
    fn canonical_text_reads_back((text, nanos) in drawn()) {
        // Adding nothing drops the text that was read, so that this is the computed one.
        let mut read = quantity(&text);
        read += &Quantity::from_units(0, Format::DecimalSi);
        let canonical = read.to_string();
        prop_assert_eq!(&quantity(&canonical), &quantity(&text));
        prop_assert_eq!(quantity(&canonical).to_string(), canonical);
        if nanos >= 0 {
            prop_assert_eq!(i128::from(quantity(&text).value()), (nanos + 999_999_999) / 1_000_000_000);
        }
    }

    #[test]
    fn any_text_gives_an_answer(text in "[-+]?[0-9.]{0,30}[eEinumkKMGTP]{0,2}[-+]?[0-9]{0,3}") {
        if let Ok(read) = Quantity::parse(&text) {
            prop_assert!(!read.to_string().is_empty());
            let _ = (read.value(), read.milli_value(), read.approximate_f64());
        }
    }
}
