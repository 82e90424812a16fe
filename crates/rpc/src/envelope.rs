//! JSON-RPC itself: from a request's bytes to an answer's, in the dialects that Bitcoin Core v30 speaks.
//!
//! Source: Bitcoin Core src/rpc/request.cpp and src/httprpc.cpp; JSON-RPC 2.0.

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt as _;
use mycoin_identity::Role;
use serde_json::{Map, Value, json};

use crate::{Method, Params, RpcError, RpcHandler, help, method};

/// The most calls in a batch. Core has no limit; all who may call here are known, so it only bounds one answer's size.
const BATCH_LIMIT: usize = 100;
/// The deepest nesting of a request.
const DEPTH_LIMIT: usize = 64;

/// An answer: an HTTP status, and a body unless the status is 204.
#[derive(Debug, PartialEq)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) body: Option<Value>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dialect {
    /// 1.0 and 1.1.
    Legacy,
    /// 2.0.
    Two,
}

/// What a request is known to be, even when it is no good.
struct Request {
    id: Option<Value>,
    dialect: Dialect,
    call: Result<(String, Value), RpcError>,
}

impl Request {
    fn parse(value: Value) -> Self {
        let mut request = Self { id: None, dialect: Dialect::Legacy, call: Err(invalid("Invalid Request object")) };
        let Value::Object(mut fields) = value else { return request };
        request.id = fields.remove("id");
        request.call = Self::parse_call(&mut fields, &mut request.dialect);
        request
    }

    fn parse_call(fields: &mut Map<String, Value>, dialect: &mut Dialect) -> Result<(String, Value), RpcError> {
        match fields.get("jsonrpc") {
            None | Some(Value::Null) => {}
            Some(Value::String(version)) if version == "1.0" => {}
            Some(Value::String(version)) if version == "2.0" => *dialect = Dialect::Two,
            Some(Value::String(_)) => return Err(invalid("JSON-RPC version not supported")),
            Some(_) => return Err(invalid("jsonrpc field must be a string")),
        }
        let name = match fields.remove("method") {
            None | Some(Value::Null) => return Err(invalid("Missing method")),
            Some(Value::String(name)) => name,
            Some(_) => return Err(invalid("Method must be a string")),
        };
        match fields.remove("params").unwrap_or(Value::Null) {
            params @ (Value::Null | Value::Array(_) | Value::Object(_)) => Ok((name, params)),
            _ => Err(invalid("Params must be an array or object")),
        }
    }

    fn is_notification(&self) -> bool {
        self.dialect == Dialect::Two && self.id.is_none()
    }
}

fn invalid(message: &str) -> RpcError {
    RpcError::new(RpcError::INVALID_REQUEST, message)
}

/// Answers the body of a request.
pub(crate) async fn answer<H: RpcHandler>(handler: &H, body: &[u8], caller: Role) -> Reply {
    match parse_body(body) {
        Ok(Value::Array(batch)) => answer_batch(handler, batch, caller).await,
        Ok(single @ Value::Object(_)) => answer_single(handler, Request::parse(single), caller).await,
        Ok(_) => refuse(&RpcError::new(RpcError::PARSE, "Top-level object parse error")),
        Err(error) => refuse(&error),
    }
}

fn parse_body(body: &[u8]) -> Result<Value, RpcError> {
    if depth(body) > DEPTH_LIMIT {
        return Err(RpcError::new(RpcError::PARSE, format!("Parse error: nested deeper than {DEPTH_LIMIT}")));
    }
    serde_json::from_slice(body).map_err(|_| RpcError::new(RpcError::PARSE, "Parse error"))
}

/// The deepest nesting of brackets outside of strings.
fn depth(json: &[u8]) -> usize {
    let (mut now, mut deepest, mut rest) = (0_usize, 0, json);
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'"' => rest = after_string(after),
            b'[' | b'{' => {
                now += 1;
                deepest = deepest.max(now);
            }
            b']' | b'}' => now = now.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// What stands after a string, whose opening quote is gone already. A block is a string of megabytes.
fn after_string(mut json: &[u8]) -> &[u8] {
    while let Some(end) = json.iter().position(|byte| matches!(byte, b'"' | b'\\')) {
        // What follows a backslash is never the end.
        let (skipped, is_end) = if json.get(end) == Some(&b'"') { (end + 1, true) } else { (end + 2, false) };
        json = json.get(skipped..).unwrap_or_default();
        if is_end {
            return json;
        }
    }
    &[]
}

async fn answer_single<H: RpcHandler>(handler: &H, mut request: Request, caller: Role) -> Reply {
    let call = std::mem::replace(&mut request.call, Err(invalid("")));
    let broken = call.is_err();
    let outcome = match call {
        Ok((name, params)) => run(handler, &name, params, caller).await,
        Err(error) => Err(error),
    };
    if request.is_notification() && !broken {
        return Reply { status: 204, body: None };
    }
    // 2.0 tells failures of calls in the body alone.
    let status = match &outcome {
        Err(error) if broken || request.dialect == Dialect::Legacy => http_status(error),
        _ => 200,
    };
    Reply { status, body: Some(envelope(&request, outcome)) }
}

async fn answer_batch<H: RpcHandler>(handler: &H, batch: Vec<Value>, caller: Role) -> Reply {
    if batch.len() > BATCH_LIMIT {
        return refuse(&invalid(&format!("a batch holds at most {BATCH_LIMIT} calls, this one {}", batch.len())));
    }
    let asked = batch.len();
    let mut answers = Vec::with_capacity(asked);
    for value in batch {
        answers.extend(answer_single(handler, Request::parse(value), caller).await.body);
    }
    // An empty batch does not say its dialect; Core answers it with an empty list.
    if answers.is_empty() && asked > 0 {
        Reply { status: 204, body: None }
    } else {
        Reply { status: 200, body: Some(answers.into()) }
    }
}

/// An answer to what is no request at all.
fn refuse(error: &RpcError) -> Reply {
    let request = Request { id: Some(Value::Null), dialect: Dialect::Legacy, call: Err(error.clone()) };
    Reply { status: http_status(error), body: Some(envelope(&request, Err(error.clone()))) }
}

fn http_status(error: &RpcError) -> u16 {
    match error.code {
        RpcError::INVALID_REQUEST => 400,
        RpcError::METHOD_NOT_FOUND if is_not_allowed(error) => 403,
        RpcError::METHOD_NOT_FOUND => 404,
        _ => 500,
    }
}

fn envelope(request: &Request, outcome: Result<Value, RpcError>) -> Value {
    let mut fields = Map::new();
    if request.dialect == Dialect::Two {
        fields.insert("jsonrpc".to_owned(), "2.0".into());
    }
    let (result, error) = match outcome {
        Ok(result) => (Some(result), None),
        Err(error) => (None, Some(json!(error))),
    };
    // 2.0 has one of the two, the older dialects have both.
    for (name, value) in [("result", result), ("error", error)] {
        if value.is_some() || request.dialect == Dialect::Legacy {
            fields.insert(name.to_owned(), value.unwrap_or(Value::Null));
        }
    }
    let id = request.id.clone();
    if let Some(id) = id {
        fields.insert("id".to_owned(), id);
    }
    Value::Object(fields)
}

const NOT_ALLOWED: &str = "rpc/not-allowed";

fn is_not_allowed(error: &RpcError) -> bool {
    error.data.as_ref().is_some_and(|data| data.code == NOT_ALLOWED)
}

/// Finds the method, asks whether the caller may call it, binds the parameters, calls.
async fn run<H: RpcHandler>(handler: &H, name: &str, params: Value, caller: Role) -> Result<Value, RpcError> {
    let method = method(name).ok_or_else(|| {
        RpcError::new(RpcError::METHOD_NOT_FOUND, "Method not found")
            .with_data("rpc/unknown-method", "Call `help` for a list of the methods.")
    })?;
    if !method.access.allows(caller) {
        let message = format!("the method {} is not allowed for this role ({caller})", method.name);
        return Err(RpcError::new(RpcError::METHOD_NOT_FOUND, message)
            .with_data(NOT_ALLOWED, "Use an administrator's certificate."));
    }
    let params = Params::bind(method, params)?;
    tracing::debug!(method = method.name, %caller, "call");
    if method.name == "help" {
        return help::help(params.opt_str("command")).map(Value::String);
    }
    call(handler, method, params, caller).await
}

/// A fault in one method's code ends that call, not the server.
async fn call<H: RpcHandler>(
    handler: &H,
    method: &'static Method,
    params: Params,
    caller: Role,
) -> Result<Value, RpcError> {
    match AssertUnwindSafe(handler.call(method, params, caller)).catch_unwind().await {
        Ok(outcome) => outcome,
        Err(_) => {
            tracing::error!(method = method.name, "a fault in the code ended this call");
            Err(RpcError::internal("a fault in the server's code ended this call")
                .with_data("rpc/fault", "Report it with the server's log."))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Access, Event, METHODS};
    use tokio::sync::broadcast;

    /// Answers with what it was asked.
    struct Echo;

    impl RpcHandler for Echo {
        async fn call(&self, method: &'static Method, params: Params, caller: Role) -> Result<Value, RpcError> {
            match method.name {
                "getblockhash" => Err(RpcError::invalid_parameter("Block height out of range")),
                "getdifficulty" => panic!("on purpose"),
                _ => Ok(json!([method.name, params.opt_str("address"), caller.name()])),
            }
        }

        fn events(&self) -> broadcast::Receiver<Event> {
            broadcast::channel(1).1
        }
    }

    async fn ask(body: &str) -> Reply {
        answer(&Echo, body.as_bytes(), Role::Admin).await
    }

    async fn check(body: &str, status: u16, expected: Value) {
        let reply = ask(body).await;
        let seen = reply.body.unwrap_or(Value::Null);
        assert_eq!((reply.status, &seen), (status, &expected), "{body}");
        let both = expected.get("result").is_some() && expected.get("error").is_some();
        let legacy = expected.is_object() && expected.get("jsonrpc").is_none();
        assert_eq!(both, legacy, "only the older dialects have both result and error");
    }

    #[tokio::test]
    async fn the_dialects_answer_as_core_does() {
        let up = json!(["uptime", null, "admin"]);
        check(r#"{"method":"uptime","id":1}"#, 200, json!({"result": up, "error": null, "id": 1})).await;
        check(
            r#"{"jsonrpc":"1.0","method":"uptime","params":[],"id":"a"}"#,
            200,
            json!({"result": up, "error": null, "id": "a"}),
        )
        .await;
        check(r#"{"method":"uptime"}"#, 200, json!({"result": up, "error": null})).await;
        check(r#"{"jsonrpc":"2.0","method":"uptime","id":1}"#, 200, json!({"jsonrpc": "2.0", "result": up, "id": 1}))
            .await;
        check(
            r#"{"jsonrpc":"2.0","method":"uptime","id":null}"#,
            200,
            json!({"jsonrpc": "2.0", "result": up, "id": null}),
        )
        .await;
        check(r#"{"jsonrpc":"2.0","method":"uptime"}"#, 204, Value::Null).await;
        let range = json!({"code": -8, "message": "Block height out of range"});
        check(
            r#"{"method":"getblockhash","params":[9],"id":1}"#,
            500,
            json!({"result": null, "error": range, "id": 1}),
        )
        .await;
        check(
            r#"{"jsonrpc":"2.0","method":"getblockhash","params":[9],"id":1}"#,
            200,
            json!({"jsonrpc": "2.0", "error": range, "id": 1}),
        )
        .await;
    }

    #[tokio::test]
    async fn what_is_no_request_is_told_apart() {
        let codes = [
            ("", 500, -32700, "Parse error"),
            ("{", 500, -32700, "Parse error"),
            ("1", 500, -32700, "Top-level object parse error"),
            ("{}", 400, -32600, "Missing method"),
            (r#"{"method":1}"#, 400, -32600, "Method must be a string"),
            (r#"{"method":"uptime","params":1}"#, 400, -32600, "Params must be an array or object"),
            (r#"{"jsonrpc":2,"method":"uptime"}"#, 400, -32600, "jsonrpc field must be a string"),
            (r#"{"jsonrpc":"3.0","method":"uptime"}"#, 400, -32600, "JSON-RPC version not supported"),
            (r#"{"jsonrpc":"2.0","id":1}"#, 400, -32600, "Missing method"),
            (r#"{"method":"getinfo","id":1}"#, 404, -32601, "Method not found"),
            (r#"{"method":"getdifficulty","id":1}"#, 500, -32603, "fault"),
        ];
        for (body, status, code, words) in codes {
            let reply = ask(body).await;
            let error = reply.body.map(|body| body["error"].clone()).unwrap_or_default();
            assert_eq!((reply.status, error["code"].as_i64()), (status, Some(code)), "{body}");
            assert!(error["message"].as_str().is_some_and(|message| message.contains(words)), "{body}: {error}");
        }
    }

    #[tokio::test]
    async fn nesting_is_limited_before_parsing() {
        let nested =
            |levels: usize| format!(r#"{{"method":"uptime","params":{}{}}}"#, "[".repeat(levels), "]".repeat(levels));
        assert_eq!(ask(&nested(63)).await.body.map(|body| body["error"]["code"].clone()), Some(json!(-1)));
        let deep = ask(&nested(64)).await.body.map(|body| body["error"]["message"].clone());
        assert_eq!(deep, Some(json!("Parse error: nested deeper than 64")));
        assert_eq!(depth(br#"["[[[[\"[[", {"a": "]"}]"#), 2);
    }

    #[tokio::test]
    async fn batches_are_answered_in_order() {
        let reply = ask(r#"[{"jsonrpc":"2.0","method":"uptime","id":1},{"method":"stop","id":2},{"jsonrpc":"2.0","method":"stop"},7]"#).await;
        let body = reply.body.unwrap_or_default();
        assert_eq!((reply.status, body.as_array().map(Vec::len)), (200, Some(3)));
        assert_eq!((&body[0]["id"], &body[1]["id"], &body[2]["error"]["code"]), (&json!(1), &json!(2), &json!(-32600)));
        check("[]", 200, json!([])).await;
        check(r#"[{"jsonrpc":"2.0","method":"uptime"}]"#, 204, Value::Null).await;
        let too_many = format!("[{}]", vec!["{}"; BATCH_LIMIT + 1].join(","));
        assert_eq!(ask(&too_many).await.status, 400);
    }

    #[tokio::test]
    async fn every_method_is_refused_to_whom_it_is_not_for() {
        for method in METHODS {
            for caller in Role::ALL {
                let body = format!(r#"{{"method":"{}","params":{{"?":1}},"id":1}}"#, method.name);
                let reply = answer(&Echo, body.as_bytes(), caller).await;
                let error = reply.body.map(|body| body["error"].clone()).unwrap_or_default();
                let let_in = match (method.access, caller) {
                    (_, Role::Admin) | (Access::Proxy, Role::Proxy) => true,
                    (Access::Admin, Role::Proxy) | (_, Role::Server) => false,
                };
                // Who is let in gets as far as the wrong parameter.
                let expected = if let_in { (500, -8) } else { (403, -32601) };
                assert_eq!(
                    (reply.status, error["code"].as_i64()),
                    (expected.0, Some(expected.1)),
                    "{} {caller}",
                    method.name
                );
                if !let_in {
                    assert!(error["message"].as_str().is_some_and(|text| text.contains("not allowed for this role")));
                }
            }
        }
        let steering: Vec<&str> =
            METHODS.iter().filter(|method| method.access == Access::Admin).map(|method| method.name).collect();
        assert_eq!(
            steering,
            [
                "recounttxoutset",
                "verifychain",
                "invalidateblock",
                "reconsiderblock",
                "preciousblock",
                "generatetoaddress",
                "generatetodescriptor",
                "generateblock",
                "addnode",
                "getaddednodeinfo",
                "disconnectnode",
                "setban",
                "listbanned",
                "clearbanned",
                "setmocktime",
                "stop",
            ]
        );
    }
}
