//! Texts that many things share, each kept once.

use std::collections::BTreeMap;

/// Longest text kept whole. Unit: characters.
const TEXT_MAX: usize = 400;

/// Texts by number. Number 0 is the empty one.
#[derive(Debug)]
pub struct Texts {
    list: Vec<String>,
    numbers: BTreeMap<String, u32>,
}

impl Default for Texts {
    fn default() -> Texts {
        Texts { list: vec![String::new()], numbers: BTreeMap::from([(String::new(), 0)]) }
    }
}

impl Texts {
    /// The number of a text; one that is too long is cut.
    pub fn number(&mut self, text: &str) -> u32 {
        let cut = text.char_indices().nth(TEXT_MAX).map(|(at, _)| format!("{}…", &text[..at]));
        let text = cut.as_deref().unwrap_or(text);
        if let Some(&number) = self.numbers.get(text) {
            return number;
        }
        let number = self.list.len() as u32;
        self.list.push(text.to_string());
        self.numbers.insert(text.to_string(), number);
        number
    }

    /// All texts, in order of their numbers.
    pub fn list(&self) -> &[String] {
        &self.list
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_has_one_number_and_is_cut_at_the_limit() {
        let mut texts = Texts::default();
        let long = "é".repeat(TEXT_MAX + 5);
        assert_eq!([texts.number("a"), texts.number("b"), texts.number("a"), texts.number("")], [1, 2, 1, 0]);
        let number = texts.number(&long) as usize;
        assert_eq!(texts.list()[number].chars().count(), TEXT_MAX + 1);
    }
}
