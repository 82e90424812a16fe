//! From the words of a command line to parameters.

use serde_json::{Map, Value};

use crate::params::{too_many, twice};
use crate::{Kind, Method, Param, RpcError};

/// Makes parameters of the words of a command line: `VALUE…`, with `name=VALUE` for those that are named.
///
/// # Errors
///
/// -1 when a word is not of its parameter's kind; -8 too many.
pub fn params_from_words(method: &Method, words: &[String]) -> Result<Value, RpcError> {
    let mut fields = Map::new();
    let mut position = 0;
    for word in words {
        let named = word.split_once('=').and_then(|(name, text)| Some((method.param(name)?.1, text)));
        let (param, text) = match named {
            Some(named) => named,
            None => {
                position += 1;
                let param = method.params.get(position - 1).ok_or_else(|| too_many(method, words.len()))?;
                (param, word.as_str())
            }
        };
        if fields.insert(param.name.to_owned(), value_of_word(param, text)?).is_some() {
            return Err(twice(param.name));
        }
    }
    Ok(Value::Object(fields))
}

fn value_of_word(param: &Param, text: &str) -> Result<Value, RpcError> {
    let parsed = || serde_json::from_str::<Value>(text).ok();
    match param.kind {
        Kind::Text | Kind::Hash | Kind::Hex => Ok(text.into()),
        Kind::Amount | Kind::HashOrHeight => {
            Ok(parsed().filter(|value| value.is_number() && text.len() < 64).unwrap_or_else(|| text.into()))
        }
        Kind::Any => Ok(parsed().unwrap_or_else(|| text.into())),
        Kind::Integer | Kind::Bool | Kind::Verbosity | Kind::Array | Kind::Object => parsed().ok_or_else(|| {
            RpcError::new(
                RpcError::MISC,
                format!("the parameter {} must be of this kind: {}", param.name, param.kind.name()),
            )
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn words_of_a_command_line_become_parameters() -> Result<(), RpcError> {
        let words = |name: &str, words: &[&str]| {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            params_from_words(crate::method(name).expect("in the table"), &words)
        };
        assert_eq!(words("getblock", &["12", "2"])?, json!({"blockhash": "12", "verbosity": 2}));
        assert_eq!(words("getblock", &["verbosity=0", "12"])?, json!({"blockhash": "12", "verbosity": 0}));
        assert_eq!(
            words("generateblock", &["a", "[]", "false"])?,
            json!({"output": "a", "transactions": [], "submit": false})
        );
        assert_eq!(words("getblockhash", &["x"]).map_err(|error| error.code), Err(-1));
        assert_eq!(words("getblockhash", &["1", "height=1"]).map_err(|error| error.code), Err(-8));
        assert_eq!(words("uptime", &["1"]).map_err(|error| error.code), Err(-1));
        Ok(())
    }
}
