//! The parameters of a call: bound to the method's row, checked for their types, read by name.
//!
//! Names, numbers and sentences of the errors follow Bitcoin Core (src/rpc/util.cpp, src/rpc/server.cpp).

use std::str::FromStr;

use mycoin_primitives::bitcoin::Denomination;
use mycoin_primitives::bitcoin::hex::FromHex as _;
use mycoin_primitives::{Amount, BlockHash, Txid};
use serde_json::{Map, Value};

use crate::{Kind, Method, Need, RpcError};

/// How much of a caller's own text comes back in an error.
const ECHO: usize = 80;

/// The parameters of one call. Every value has the type that the method's row asks for, and none that is required is missing.
///
/// A name that the row does not have reads as absent.
#[derive(Debug, Clone)]
pub struct Params {
    method: &'static Method,
    /// One value for each parameter of the row; `Null` where it was left out.
    values: Vec<Value>,
}

impl Params {
    /// Binds named (object), positional (array) or no (null) parameters. In an object, `args` may hold a positional start.
    ///
    /// # Errors
    ///
    /// -1 a required one is missing, or there are too many; -3 wrong type; -8 unknown name, or given twice.
    pub fn bind(method: &'static Method, given: Value) -> Result<Self, RpcError> {
        let mut values = vec![Value::Null; method.params.len()];
        match given {
            Value::Null => {}
            Value::Array(list) => place_list(method, list, &mut values)?,
            Value::Object(mut fields) => {
                if let Some(Value::Array(list)) = fields.get_mut("args").map(Value::take) {
                    fields.remove("args");
                    place_list(method, list, &mut values)?;
                }
                place_named(method, fields, &mut values)?;
            }
            _ => return Err(RpcError::new(RpcError::INVALID_REQUEST, "Params must be an array or object")),
        }
        check_types(method, &values)?;
        let missing = method.params.iter().zip(&values).find(|(p, v)| p.need == Need::Required && v.is_null());
        match missing {
            Some((param, _)) => Err(RpcError::new(
                RpcError::MISC,
                format!("the parameter {} is missing; usage: {}", param.name, crate::help::usage(method)),
            )),
            None => Ok(Self { method, values }),
        }
    }

    /// All values in their order, as far as the last that was given.
    pub fn given(&self) -> &[Value] {
        let end = self.values.iter().rposition(|value| !value.is_null()).map_or(0, |last| last + 1);
        self.values.get(..end).unwrap_or_default()
    }

    /// The value, unless it was left out.
    pub fn value(&self, name: &str) -> Option<&Value> {
        let (position, _) = self.method.param(name)?;
        self.values.get(position).filter(|value| !value.is_null())
    }

    /// A whole number, if given.
    ///
    /// # Errors
    ///
    /// -1 when it is not whole or does not fit.
    pub fn opt_i64(&self, name: &str) -> Result<Option<i64>, RpcError> {
        match self.value(name) {
            None => Ok(None),
            Some(value) => match value.as_i64() {
                Some(number) => Ok(Some(number)),
                None => Err(RpcError::new(RpcError::MISC, format!("JSON integer out of range ({name})"))),
            },
        }
    }

    /// A whole number.
    ///
    /// # Errors
    ///
    /// As [`Self::opt_i64`], or -1 when it was left out.
    pub fn i64(&self, name: &str) -> Result<i64, RpcError> {
        self.opt_i64(name)?.ok_or_else(|| missing(name))
    }

    /// A whole number of 0 to 2³²-1, if given.
    ///
    /// # Errors
    ///
    /// -8 out of range; as [`Self::opt_i64`].
    pub fn opt_u32(&self, name: &str) -> Result<Option<u32>, RpcError> {
        self.in_range(name)
    }

    /// A whole number of 0 to 2³²-1.
    ///
    /// # Errors
    ///
    /// As [`Self::opt_u32`], or -1 when it was left out.
    pub fn u32(&self, name: &str) -> Result<u32, RpcError> {
        self.in_range(name)?.ok_or_else(|| missing(name))
    }

    /// A whole number of 0 to 2⁶³-1, if given.
    ///
    /// # Errors
    ///
    /// As [`Self::opt_u32`].
    pub fn opt_u64(&self, name: &str) -> Result<Option<u64>, RpcError> {
        self.in_range(name)
    }

    fn in_range<T: TryFrom<i64>>(&self, name: &str) -> Result<Option<T>, RpcError> {
        let Some(number) = self.opt_i64(name)? else { return Ok(None) };
        let fitted = T::try_from(number);
        fitted.map(Some).map_err(|_| RpcError::invalid_parameter(format!("{name} out of range ({number})")))
    }

    /// true or false, if given.
    pub fn opt_bool(&self, name: &str) -> Option<bool> {
        self.value(name)?.as_bool()
    }

    /// A level of detail: a whole number, or true and false for 1 and 0. Higher levels than the method has are its highest.
    ///
    /// # Errors
    ///
    /// As [`Self::opt_i64`].
    pub fn verbosity(&self, name: &str, default: u8) -> Result<u8, RpcError> {
        match self.opt_bool(name) {
            Some(verbose) => Ok(u8::from(verbose)),
            None => {
                let level = self.opt_i64(name)?.unwrap_or(i64::from(default));
                Ok(u8::try_from(level.max(0)).unwrap_or(u8::MAX))
            }
        }
    }

    /// Text, if given.
    pub fn opt_str(&self, name: &str) -> Option<&str> {
        self.value(name)?.as_str()
    }

    /// Text.
    ///
    /// # Errors
    ///
    /// -1 when it was left out.
    pub fn str(&self, name: &str) -> Result<&str, RpcError> {
        self.opt_str(name).ok_or_else(|| missing(name))
    }

    /// A block's hash, if given.
    ///
    /// # Errors
    ///
    /// -8 when it is not 64 hexadecimal digits.
    pub fn opt_block_hash(&self, name: &str) -> Result<Option<BlockHash>, RpcError> {
        self.opt_str(name).map(|text| parse_hash(name, text)).transpose()
    }

    /// A block's hash.
    ///
    /// # Errors
    ///
    /// -8 when it is not 64 hexadecimal digits.
    pub fn block_hash(&self, name: &str) -> Result<BlockHash, RpcError> {
        parse_hash(name, self.str(name)?)
    }

    /// A transaction's id.
    ///
    /// # Errors
    ///
    /// -8 when it is not 64 hexadecimal digits.
    pub fn txid(&self, name: &str) -> Result<Txid, RpcError> {
        parse_hash(name, self.str(name)?)
    }

    /// Bytes, given in hexadecimal.
    ///
    /// # Errors
    ///
    /// -22 when they are not hexadecimal digits in pairs.
    pub fn hex(&self, name: &str) -> Result<Vec<u8>, RpcError> {
        let text = self.str(name)?;
        Vec::<u8>::from_hex(text).map_err(|_| {
            RpcError::deserialization(format!("{name} must be hexadecimal string (not '{}')", shorten(text)))
        })
    }

    /// An amount in coins, given as a number or as text, if given.
    ///
    /// # Errors
    ///
    /// -3 when it is none, negative, too large or has more than eight decimals.
    pub fn opt_amount(&self, name: &str) -> Result<Option<Amount>, RpcError> {
        let text = match self.value(name) {
            None => return Ok(None),
            Some(Value::Number(number)) => number.to_string(),
            Some(Value::String(text)) => text.clone(),
            Some(_) => String::new(),
        };
        let amount = Amount::from_str_in(&text, Denomination::Bitcoin);
        amount.map(Some).map_err(|error| RpcError::new(RpcError::TYPE, format!("Invalid amount ({name}): {error}")))
    }

    /// A list.
    ///
    /// # Errors
    ///
    /// -1 when it was left out.
    pub fn array(&self, name: &str) -> Result<&[Value], RpcError> {
        let list = self.value(name).and_then(Value::as_array);
        list.map(Vec::as_slice).ok_or_else(|| missing(name))
    }

    /// An object's fields.
    ///
    /// # Errors
    ///
    /// -1 when it was left out.
    pub fn object(&self, name: &str) -> Result<&Map<String, Value>, RpcError> {
        self.value(name).and_then(Value::as_object).ok_or_else(|| missing(name))
    }
}

fn place_list(method: &Method, list: Vec<Value>, values: &mut [Value]) -> Result<(), RpcError> {
    if list.len() > values.len() {
        return Err(too_many(method, list.len()));
    }
    for (slot, value) in values.iter_mut().zip(list) {
        *slot = value;
    }
    Ok(())
}

fn place_named(method: &Method, fields: Map<String, Value>, values: &mut [Value]) -> Result<(), RpcError> {
    for (name, value) in fields {
        let unknown = || RpcError::invalid_parameter(format!("Unknown named parameter {}", shorten(&name)));
        let (position, param) = method.param(&name).ok_or_else(unknown)?;
        match values.get_mut(position) {
            Some(slot) if slot.is_null() => *slot = value,
            _ => return Err(twice(param.name)),
        }
    }
    Ok(())
}

/// Core's check, which reports all wrong ones at once.
fn check_types(method: &Method, values: &[Value]) -> Result<(), RpcError> {
    let mut wrong = Map::new();
    for (index, (param, value)) in method.params.iter().zip(values).enumerate() {
        if !value.is_null() && !fits(param.kind, value) {
            wrong.insert(
                format!("Position {} ({})", index + 1, param.name),
                format!("JSON value of type {} is not of expected type {}", json_type(value), expected(param.kind))
                    .into(),
            );
        }
    }
    if wrong.is_empty() {
        return Ok(());
    }
    let list = serde_json::to_string_pretty(&wrong).unwrap_or_default().replace("\n  ", "\n    ");
    Err(RpcError::new(RpcError::TYPE, format!("Wrong type passed:\n{list}")))
}

fn fits(kind: Kind, value: &Value) -> bool {
    match kind {
        Kind::Text | Kind::Hash | Kind::Hex => value.is_string(),
        Kind::Integer => value.is_number(),
        Kind::Amount | Kind::HashOrHeight => value.is_number() || value.is_string(),
        Kind::Bool => value.is_boolean(),
        Kind::Verbosity => value.is_number() || value.is_boolean(),
        Kind::Array => value.is_array(),
        Kind::Object => value.is_object(),
        Kind::Any => true,
    }
}

const fn expected(kind: Kind) -> &'static str {
    match kind {
        Kind::Text | Kind::Hash | Kind::Hex => "string",
        Kind::Integer => "number",
        Kind::Amount | Kind::HashOrHeight => "number or string",
        Kind::Bool => "bool",
        Kind::Verbosity => "number or bool",
        Kind::Array => "array",
        Kind::Object => "object",
        Kind::Any => "any",
    }
}

const fn json_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn parse_hash<T: FromStr>(name: &str, text: &str) -> Result<T, RpcError> {
    let length = text.chars().count();
    if length != 64 {
        let seen = shorten(text);
        return Err(RpcError::invalid_parameter(format!("{name} must be of length 64 (not {length}, for '{seen}')")));
    }
    text.parse().map_err(|_| {
        RpcError::invalid_parameter(format!("{name} must be hexadecimal string (not '{}')", shorten(text)))
    })
}

fn missing(name: &str) -> RpcError {
    RpcError::new(RpcError::MISC, format!("the parameter {name} is missing"))
}

pub(crate) fn twice(name: &str) -> RpcError {
    RpcError::invalid_parameter(format!("Parameter {name} specified twice both as positional and named argument"))
}

pub(crate) fn too_many(method: &Method, given: usize) -> RpcError {
    let usage = crate::help::usage(method);
    RpcError::new(
        RpcError::MISC,
        format!("{} takes at most {} parameters, {given} were given; usage: {usage}", method.name, method.params.len()),
    )
}

/// A caller's text, cut and without control characters: it goes into errors, and they go into logs.
fn shorten(text: &str) -> String {
    let mut short: String = text.chars().take(ECHO).map(|c| if c.is_control() { '?' } else { c }).collect();
    if text.chars().nth(ECHO).is_some() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn bind(name: &str, given: Value) -> Result<Params, RpcError> {
        Params::bind(crate::method(name).expect("in the table"), given)
    }

    fn fails(name: &str, given: Value, code: i64, words: &str) {
        let error = bind(name, given).expect_err("it must be refused");
        assert_eq!(error.code, code, "{error}");
        assert!(error.message.contains(words), "{error}");
    }

    const HASH: &str = "00000000000000000000000000000000000000000000000000000000000000aa";

    #[test]
    fn named_positional_and_mixed_parameters_are_the_same() -> Result<(), RpcError> {
        let ways = [
            json!([HASH, 2]),
            json!({"blockhash": HASH, "verbosity": 2}),
            json!({"verbose": 2, "blockhash": HASH}),
            json!({"args": [HASH], "verbosity": 2}),
        ];
        for given in ways {
            let params = bind("getblock", given)?;
            assert_eq!(params.block_hash("blockhash")?.to_string(), HASH);
            assert_eq!(params.verbosity("verbosity", 1)?, 2);
        }
        assert_eq!(bind("getblock", json!([HASH, null]))?.verbosity("verbosity", 1)?, 1);
        assert_eq!(bind("getblock", json!([HASH, false]))?.verbosity("verbosity", 1)?, 0);
        assert_eq!(bind("uptime", Value::Null)?.value("x"), None);
        Ok(())
    }

    #[test]
    fn wrong_parameters_are_told_as_core_does() {
        fails(
            "getblockhash",
            json!(["1"]),
            -3,
            "\"Position 1 (height)\": \"JSON value of type string is not of expected type number\"",
        );
        fails("getblockhash", json!({"heigth": 1}), -8, "Unknown named parameter heigth");
        fails("getblockhash", json!({"args": [1], "height": 1}), -8, "Parameter height specified twice");
        fails("getblockhash", json!([]), -1, "usage: getblockhash height");
        fails("getblockhash", json!([1, 2]), -1, "at most 1 parameters, 2 were given");
        fails("getblockhash", json!("1"), -32600, "Params must be an array or object");
    }

    #[test]
    fn values_out_of_range_are_refused() -> Result<(), RpcError> {
        let height = |value: Value| {
            bind("getblockhash", json!([value]))?.u32("height").map_err(|error| RpcError::new(error.code, "x"))
        };
        assert_eq!(height(json!(7)), Ok(7));
        assert_eq!(height(json!(-1)).map_err(|error| error.code), Err(-8));
        assert_eq!(height(json!(4_294_967_296_u64)).map_err(|error| error.code), Err(-8));
        assert_eq!(height(json!(1.5)).map_err(|error| error.code), Err(-1));
        let hash = |text: &str| {
            bind("getblock", json!([text]))?
                .block_hash("blockhash")
                .map_err(|error| RpcError::new(error.code, error.message))
        };
        assert_eq!(
            hash("abc").map_err(|error| error.message),
            Err("blockhash must be of length 64 (not 3, for 'abc')".to_owned())
        );
        assert_eq!(hash(&"z".repeat(64)).map_err(|error| error.code), Err(-8));
        assert_eq!(bind("decodescript", json!(["5z"]))?.hex("hexstring").map_err(|error| error.code), Err(-22));
        assert_eq!(bind("decodescript", json!(["51"]))?.hex("hexstring"), Ok(vec![0x51]));
        Ok(())
    }

    #[test]
    fn amounts_are_exact() -> Result<(), RpcError> {
        let rate = |value: Value| bind("sendrawtransaction", json!(["00", value]))?.opt_amount("maxfeerate");
        assert_eq!(rate(json!("0.00000001"))?, Some(Amount::from_sat(1)));
        assert_eq!(rate(serde_json::from_str("0.1").expect("JSON"))?, Some(Amount::from_sat(10_000_000)));
        assert_eq!(rate(json!(0))?, Some(Amount::ZERO));
        assert_eq!(rate(Value::Null)?, None);
        assert_eq!(rate(json!("-1")).map_err(|error| error.code), Err(-3));
        assert_eq!(rate(json!("0.123456789")).map_err(|error| error.code), Err(-3));
        Ok(())
    }

    #[test]
    fn a_callers_text_comes_back_cut_and_tame() {
        assert_eq!(shorten("a\u{1b}[31m\n"), "a?[31m?");
        assert_eq!(shorten(&"x".repeat(200)).chars().count(), 81);
    }
}
