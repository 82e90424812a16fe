//! `mycoin proxy`: the public face in the foreground.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use mycoin_identity::Role;
use mycoin_proxy::{Proxy, ProxyConfig};
use mycoin_rpc::Client;
use serde_json::json;

use crate::args;
use crate::commands::tls;
use crate::context::Context;
use crate::error::CliError;
use crate::{output, shutdown};

pub(crate) async fn run(context: &Context, command: args::Proxy) -> Result<(), CliError> {
    let folder = context.ready_folder()?;
    let (identity, _) = tls::own_identity(context, Role::Proxy, &command.tls)?;
    let trust = tls::trust(context, &tls::server_pins(&command.tls))?;
    let server = command.server.unwrap_or_else(|| context.addresses().rpc.to_string());
    let client = Client::mutual_tls(&server, command.server_name.as_deref(), &identity, &trust)?;
    let default = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), context.network.ports.proxy);
    let listen = command.listen.unwrap_or(default);
    let proxy = Proxy::start(ProxyConfig { network: context.network.clone(), dir: folder, listen, client }).await?;
    let address = proxy.local_addr();
    if context.json {
        output::line(&json!({"ready": {"proxy": address, "server": server}}).to_string());
    } else {
        output::line(&format!("ready: proxy http://{address}, in front of {server}"));
    }
    shutdown::asked().await;
    proxy.shutdown().await;
    Ok(())
}
