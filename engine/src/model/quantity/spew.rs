//! How Go's spew prints a quantity that was read from its text: a part of what `pod-template-hash` is computed over.

use super::{Amount, Format, Quantity};

impl Quantity {
    /// The fields of the original's `resource.Quantity`, as `spew` prints them with `%#v`. Amounts beyond 128 bits are capped.
    pub fn spew(&self) -> String {
        let (value, scale, decimal) = match &self.amount {
            Amount::Small { value, exponent } => (*value, *exponent, "<nil>".to_owned()),
            Amount::Any { unscaled, exponent } => (0, 0, decimal(&unscaled.to_string(), -exponent)),
        };
        let zero = matches!(self.amount, Amount::Small { value: 0, exponent: 0 });
        let text = self.text.as_deref().unwrap_or(if zero { "0" } else { "" });
        let format = match self.format {
            _ if zero => "",
            Format::DecimalExponent => "DecimalExponent",
            Format::BinarySi => "BinarySI",
            Format::DecimalSi => "DecimalSI",
        };
        format!(
            "{{i:(resource.int64Amount){{value:(int64){value} scale:(resource.Scale){scale}}} \
             d:(resource.infDecAmount){{Dec:(*inf.Dec){decimal}}} s:(string){text} Format:(resource.Format){format}}}"
        )
    }
}

fn decimal(digits: &str, scale: i32) -> String {
    let size: u128 = digits.trim_start_matches('-').parse().unwrap_or(u128::MAX);
    let (low, high) = (size as u64, (size >> 64) as u64);
    let words = if high == 0 { format!("[{low}]") } else { format!("[{low} {high}]") };
    format!("{{unscaled:(big.Int){{neg:(bool){} abs:(big.nat){words}}} scale:(inf.Scale){scale}}}", digits.starts_with('-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_print_as_go_holds_them() {
        let small = |value: &str, scale: &str, text: &str, format: &str| {
            format!(
                "{{i:(resource.int64Amount){{value:(int64){value} scale:(resource.Scale){scale}}} \
                 d:(resource.infDecAmount){{Dec:(*inf.Dec)<nil>}} s:(string){text} Format:(resource.Format){format}}}"
            )
        };
        assert_eq!(Quantity::parse("100m").unwrap().spew(), small("100", "-3", "100m", "DecimalSI"));
        // The original keeps the text only of binary amounts that are no multiple of eight.
        assert_eq!(Quantity::parse("100Mi").unwrap().spew(), small("104857600", "0", "100Mi", "BinarySI"));
        assert_eq!(Quantity::parse("64Mi").unwrap().spew(), small("67108864", "0", "", "BinarySI"));
        assert_eq!(Quantity::parse("0").unwrap().spew(), small("0", "0", "0", ""));
        // 2^50 times 10^9 takes two words.
        let decimal = "{unscaled:(big.Int){neg:(bool)false abs:(big.nat)[2882303761517117440 61035]} scale:(inf.Scale)9}";
        assert!(Quantity::parse("1Pi").unwrap().spew().contains(decimal));
    }
}
