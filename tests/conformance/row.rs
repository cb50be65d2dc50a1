//! One row of a table, and how a row is judged.

use serde_json::Value;

/// A recorded input with the real answer.
pub(crate) struct Row {
    /// Name of the row, unique within its table.
    pub(crate) id: String,
    /// The function that was recorded: `fn`, or `scheduler/<mode>` for a scheduling case.
    pub(crate) function: String,
    /// The whole row as it stands in the table.
    pub(crate) all: Value,
}

/// How the rows of one function are judged.
pub(crate) enum Check {
    /// Computes the answer to `in`; it must equal `out`, numbers by value. An error says what could not be read or computed.
    Answer(fn(&Value) -> Result<Value, String>),
    /// Judges the whole row; an error says what differs.
    Judge(fn(&Row) -> Result<(), String>),
}

/// Functions of a family by the name in the table, each with its check.
pub(crate) type Functions = &'static [(&'static str, Check)];

impl Row {
    /// Reads one line. An error says what is wrong with it.
    pub(crate) fn read(line: &str) -> Result<Row, String> {
        let all: Value = serde_json::from_str(line).map_err(|error| format!("not JSON: {error}"))?;
        let text = |name: &str| all.get(name).and_then(Value::as_str).map(str::to_owned);
        let id = text("id").ok_or("no id")?;
        let (function, answer) = match (text("fn"), text("mode")) {
            (Some(function), _) => (function, "out"),
            (None, Some(mode)) => (format!("scheduler/{mode}"), "expected"),
            (None, None) => return Err(format!("{id}: neither fn nor mode")),
        };
        if all.get(answer).is_none() {
            return Err(format!("{id}: no {answer}"));
        }
        Ok(Row { id, function, all })
    }

    /// The recorded input; null in a scheduling case, whose input is the whole row.
    pub(crate) fn input(&self) -> &Value {
        &self.all["in"]
    }

    /// The recorded answer.
    pub(crate) fn expected(&self) -> &Value {
        self.all.get("out").unwrap_or(&self.all["expected"])
    }
}

/// Whether two answers are the same: objects without regard to order, numbers by value (1 and 1.0 are the same).
pub(crate) fn same(expected: &Value, got: &Value) -> bool {
    first_difference(expected, got).is_none()
}

/// Where two answers first differ, with both values there; `None` when they are the same.
pub(crate) fn first_difference(expected: &Value, got: &Value) -> Option<String> {
    let here = || Some(format!(": expected {expected}, got {got}"));
    match (expected, got) {
        (Value::Number(left), Value::Number(right)) => {
            let equal = left == right || ((left.is_f64() || right.is_f64()) && left.as_f64() == right.as_f64());
            if equal { None } else { here() }
        }
        (Value::Array(left), Value::Array(right)) => {
            let mut pairs = left.iter().zip(right).enumerate();
            let inner = pairs.find_map(|(index, (left, right))| Some(format!("[{index}]{}", first_difference(left, right)?)));
            inner.or_else(|| (left.len() != right.len()).then(|| format!(": expected {} items, got {}", left.len(), right.len())))
        }
        (Value::Object(left), Value::Object(right)) => {
            let inner = left.iter().find_map(|(name, left)| match right.get(name) {
                Some(right) => Some(format!(".{name}{}", first_difference(left, right)?)),
                None => Some(format!(".{name}: expected {left}, got nothing")),
            });
            let mut more = right.iter().filter(|(name, _)| !left.contains_key(*name));
            inner.or_else(|| more.next().map(|(name, right)| format!(".{name}: expected nothing, got {right}")))
        }
        _ if expected == got => None,
        _ => here(),
    }
}
