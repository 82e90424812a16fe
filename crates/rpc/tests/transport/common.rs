//! A handler, a certificate folder and servers for the tests.

use std::net::SocketAddr;
use std::sync::Arc;

use mycoin_identity::{CertFolder, Identity, KeyPassword, Role, Trust, server_tls};
use mycoin_rpc::{Client, Event, Method, Params, RpcError, RpcHandler, bind, serve_mutual_tls};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::{broadcast, watch};
use tokio::task::JoinHandle;
use zeroize::Zeroizing;

pub(crate) struct Handler {
    pub(crate) events: broadcast::Sender<Event>,
}

impl Handler {
    pub(crate) fn new(events: usize) -> Arc<Self> {
        Arc::new(Self { events: broadcast::channel(events).0 })
    }
}

impl RpcHandler for Handler {
    async fn call(&self, method: &'static Method, params: Params, caller: Role) -> Result<Value, RpcError> {
        match method.name {
            "getblockcount" => Ok(json!(42)),
            "getblockhash" => match params.u32("height")? {
                42 => Ok(json!("hash of 42")),
                _ => Err(RpcError::invalid_parameter("Block height out of range")),
            },
            "sendrawtransaction" => {
                let rejected = RpcError::new(RpcError::VERIFY_REJECTED, "the fee is too low");
                Err(rejected.with_data("tx/fee-too-low", "Pay more.").with_reject_reason("min relay fee not met"))
            }
            "waitfornewblock" => {
                tokio::time::sleep(std::time::Duration::from_millis(300)).await;
                Ok(json!("waited"))
            }
            _ => Ok(json!({"method": method.name, "caller": caller.name()})),
        }
    }

    fn events(&self) -> broadcast::Receiver<Event> {
        self.events.subscribe()
    }
}

pub(crate) fn password() -> KeyPassword {
    KeyPassword::new(Zeroizing::new("secret".to_owned())).expect("not empty")
}

/// Certificates in a folder of their own.
pub(crate) struct Certs {
    pub(crate) folder: CertFolder,
    pub(crate) dir: TempDir,
}

impl Certs {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let folder = CertFolder::at(dir.path());
        folder.ensure(&password(), &["node.example".to_owned()]).expect("certificates");
        Self { folder, dir }
    }

    pub(crate) fn identity(&self, role: Role) -> Identity {
        self.folder.load(role, &password()).expect("a good pair")
    }

    pub(crate) fn trust(&self) -> Trust {
        Trust::authority(&self.folder.authority()).expect("a good authority")
    }

    pub(crate) fn client(&self, server: &Server, role: Role) -> Client {
        Client::mutual_tls(&server.address.to_string(), None, &self.identity(role), &self.trust()).expect("a client")
    }
}

/// A server on loopback, until it is dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) handler: Arc<Handler>,
    pub(crate) stop: watch::Sender<bool>,
    pub(crate) task: JoinHandle<()>,
}

impl Server {
    pub(crate) async fn start(identity: &Identity, trust: &Trust) -> Self {
        let listener = bind(([127, 0, 0, 1], 0).into(), "--rpc").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let handler = Handler::new(16);
        let (stop, shutdown) = watch::channel(false);
        let tls = server_tls(identity, trust).expect("a good identity");
        let task = tokio::spawn(serve_mutual_tls(listener, tls, handler.clone(), shutdown));
        Self { address, handler, stop, task }
    }

    pub(crate) async fn of(certs: &Certs) -> Self {
        Self::start(&certs.identity(Role::Server), &certs.trust()).await
    }
}
