//! `mycoin rpc METHOD …`: one call with the administrator's certificate.

use mycoin_identity::Role;
use mycoin_rpc::{Client, Kind, Method, method};
use serde_json::{Map, Value};

use crate::args;
use crate::commands::tls;
use crate::context::Context;
use crate::error::CliError;
use crate::output;

pub(crate) async fn run(context: &Context, command: args::Rpc) -> Result<(), CliError> {
    let known = method(&command.method);
    let params = if command.named { named(known, &command.arguments)? } else { positional(known, &command.arguments) };
    let (identity, _) = tls::own_identity(context, Role::Admin, &command.tls)?;
    let trust = tls::trust(context, &tls::server_pins(&command.tls))?;
    let server = command.server.unwrap_or_else(|| context.addresses().rpc.to_string());
    let client = Client::mutual_tls(&server, command.server_name.as_deref(), &identity, &trust)?;
    let answer = client.call(&command.method, params).await?;
    match answer {
        // As bitcoin-cli: a text is printed bare unless the output is for machines.
        Value::String(text) if !context.json => output::line(&text),
        Value::Null if !context.json => {}
        answer if context.json => output::line(&answer.to_string()),
        answer => output::line(&format!("{answer:#}")),
    }
    Ok(())
}

fn positional(method: Option<&Method>, arguments: &[String]) -> Value {
    let values = arguments.iter().enumerate().map(|(place, text)| {
        argument(method.and_then(|method| method.params.get(place)).map(|param| param.kind), text)
    });
    Value::Array(values.collect())
}

fn named(method: Option<&Method>, arguments: &[String]) -> Result<Value, CliError> {
    let mut fields = Map::new();
    for argument_text in arguments {
        let Some((name, text)) = argument_text.split_once('=') else {
            return Err(CliError::usage(format!("“{argument_text}” is not NAME=VALUE"), ""));
        };
        let kind = method.and_then(|method| method.param(name)).map(|(_, param)| param.kind);
        fields.insert(name.to_owned(), argument(kind, text));
    }
    Ok(Value::Object(fields))
}

/// Texts stay texts; everything else is JSON where it can be read as such.
fn argument(kind: Option<Kind>, text: &str) -> Value {
    let plain = || Value::String(text.to_owned());
    match kind {
        Some(Kind::Text | Kind::Hash | Kind::Hex) => plain(),
        Some(
            Kind::Integer
            | Kind::Amount
            | Kind::Bool
            | Kind::Verbosity
            | Kind::Array
            | Kind::Object
            | Kind::HashOrHeight,
        )
        | None => serde_json::from_str(text).unwrap_or_else(|_| plain()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn arguments_are_json_where_the_method_takes_json() {
        let texts = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        assert_eq!(positional(method("getblockhash"), &texts(&["7"])), json!([7]));
        assert_eq!(positional(method("getblock"), &texts(&["00", "2"])), json!(["00", 2]));
        let named = named(method("generatetoaddress"), &texts(&["nblocks=1", "address=2"])).ok();
        assert_eq!(named, Some(json!({"nblocks": 1, "address": "2"})));
    }
}
