//! `mycoin rpc METHOD …`: one call with the administrator's certificate.

use mycoin_identity::Role;
use mycoin_rpc::{Client, ClientError, method, params_from_words};
use serde_json::Value;

use crate::args;
use crate::commands::tls;
use crate::context::Context;
use crate::error::CliError;
use crate::output;

pub(crate) async fn run(context: &Context, command: args::Rpc) -> Result<(), CliError> {
    let params = match method(&command.method) {
        Some(method) => {
            params_from_words(method, &command.arguments).map_err(|error| call_failed(ClientError::Rpc(error)))?
        }
        None => Value::Null, // The server says that there is no such method.
    };
    let (identity, _) = tls::own_identity(context, Role::Admin, &command.tls)?;
    let trust = tls::trust(context, &tls::server_pins(&command.tls))?;
    let server = command.server.unwrap_or_else(|| context.addresses().rpc.to_string());
    let client = Client::mutual_tls(&server, command.server_name.as_deref(), &identity, &trust)?;
    let answer = client.call(&command.method, params).await.map_err(call_failed)?;
    match answer {
        // As bitcoin-cli: a text is printed bare unless the output is for machines.
        Value::String(text) if !context.json => output::line(&text),
        Value::Null if !context.json => {}
        answer if context.json => output::line(&answer.to_string()),
        answer => output::line(&format!("{answer:#}")),
    }
    Ok(())
}

/// The server's own answer keeps its catalogue code and next step.
fn call_failed(error: ClientError) -> CliError {
    match error {
        ClientError::Rpc(error) => match &error.data {
            Some(data) => CliError::new(&data.code, error.sentence().to_owned(), data.next.clone()),
            None => CliError::new(&format!("rpc/{}", error.code), error.message, ""),
        },
        other => other.into(),
    }
}
