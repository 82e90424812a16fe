//! Where things are: the coin, its folder, and the addresses at which its programs answer.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use mycoin_files::{Readers, ensure_private_dir};
use mycoin_primitives::{Network, SPEC_LIMIT};
use serde::{Deserialize, Serialize};

use crate::args::Global;
use crate::error::{CliError, files_error};

/// The file in the coin's folder that names the addresses of a demo that is running.
const ADDRESSES_FILE: &str = "addresses.json";
/// The file in the folder of a coin that was joined: its spec.
pub(crate) const SPEC_FILE: &str = "network.toml";

/// The coin and the folder that a command works with.
pub(crate) struct Context {
    /// The coin.
    pub(crate) network: Network,
    /// How the coin was named on the command line.
    pub(crate) network_choice: String,
    /// The folder of all coins.
    pub(crate) root: PathBuf,
    /// Whether output is for machines.
    pub(crate) json: bool,
}

/// The addresses at which the programs of a running demo answer.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Addresses {
    /// The proxy's public HTTP.
    pub(crate) proxy: SocketAddr,
    /// The server's private RPC.
    pub(crate) rpc: SocketAddr,
    /// The server's port for peers.
    pub(crate) p2p: SocketAddr,
}

impl Context {
    /// Finds the coin and the folder that the options name.
    pub(crate) fn new(global: &Global) -> Result<Self, CliError> {
        let root = match (&global.dir, std::env::var_os("HOME")) {
            (Some(dir), _) => dir.clone(),
            (None, Some(home)) if !home.is_empty() => PathBuf::from(home).join(".mycoin"),
            (None, _) => return Err(CliError::usage("there is no home folder", "Say where to work with --dir DIR.")),
        };
        let network = load_network(&root, &global.network)?;
        Ok(Self { network, network_choice: global.network.clone(), root, json: global.json })
    }

    /// The coin's folder.
    pub(crate) fn folder(&self) -> PathBuf {
        self.root.join(&self.network.name)
    }

    /// The coin's folder, made with its permissions where it is missing.
    pub(crate) fn ready_folder(&self) -> Result<PathBuf, CliError> {
        let folder = self.folder();
        ensure_private_dir(&self.root)
            .and_then(|()| ensure_private_dir(&folder))
            .map_err(|error| files_error(&error))?;
        Ok(folder)
    }

    /// Where wallets lie.
    pub(crate) fn wallets(&self) -> PathBuf {
        self.folder().join("wallets")
    }

    /// The addresses of the demo that runs in the folder, or the coin's own ports on this machine.
    pub(crate) fn addresses(&self) -> Addresses {
        let local = |port| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
        let ports = &self.network.ports;
        let defaults = Addresses { proxy: local(ports.proxy), rpc: local(ports.rpc), p2p: local(ports.p2p) };
        let running = mycoin_files::read_private(&self.folder().join(ADDRESSES_FILE)).ok();
        running.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or(defaults)
    }

    /// Leaves the addresses for the other commands to find.
    pub(crate) fn publish(&self, addresses: &Addresses) -> Result<(), CliError> {
        let text = serde_json::to_vec(addresses).map_err(|error| CliError::new("internal", error.to_string(), ""))?;
        mycoin_files::replace(&self.folder().join(ADDRESSES_FILE), &text, Readers::Owner).map_err(|e| files_error(&e))
    }

    /// Takes the addresses away again. Leaving them behind does no harm.
    pub(crate) fn unpublish(&self) {
        let _missing_is_fine = std::fs::remove_file(self.folder().join(ADDRESSES_FILE));
    }

    /// The URL of the proxy: the one given, or the one on this machine.
    pub(crate) fn proxy_url(&self, given: Option<&str>) -> String {
        given.map_or_else(|| format!("http://{}", self.addresses().proxy), str::to_owned)
    }
}

/// The network of that name that is shipped or was joined, or the one that a spec file describes.
fn load_network(root: &Path, choice: &str) -> Result<Network, CliError> {
    if let Some(network) = known_network(root, choice)? {
        return Ok(network);
    }
    let path = Path::new(choice);
    if !path.exists() {
        let sentence = format!("“{choice}” is neither a shipped network, nor one that was joined, nor a spec file");
        return Err(CliError::usage(
            sentence,
            "Choose demo, mycoin, regtest, a joined coin, or the path of a spec file.",
        ));
    }
    read_spec(path)
}

/// The network that this name stands for in the folder `root`: the one that was joined, with the peers that it was joined
/// by, else the shipped one.
pub(crate) fn known_network(root: &Path, name: &str) -> Result<Option<Network>, CliError> {
    let shipped = Network::named(name);
    let is_name = !name.is_empty() && name.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-');
    let file = root.join(name).join(SPEC_FILE);
    if !is_name || !file.exists() {
        return Ok(shipped);
    }
    let text = mycoin_files::read_private(&file).map_err(|error| files_error(&error))?;
    let joined = Network::from_toml(&String::from_utf8_lossy(&text))?;
    // The folder says which coin lies in it; whoever edited the file made another one.
    let is_other = shipped.is_some_and(|shipped| !shipped.differences(&joined).is_empty()) || joined.name != name;
    if is_other {
        let sentence = format!("{} does not describe the coin {name}", file.display());
        return Err(CliError::new("spec/other-coin", sentence, "Delete that file, and join the coin again."));
    }
    Ok(Some(joined))
}

/// Reads and checks a spec file.
pub(crate) fn read_spec(path: &Path) -> Result<Network, CliError> {
    use std::io::Read as _;
    let mut text = String::new();
    // One more byte than allowed, so that a longer file is not taken for its beginning.
    std::fs::File::open(path)
        .and_then(|file| file.take(SPEC_LIMIT as u64 + 1).read_to_string(&mut text))
        .map_err(|error| CliError::new("spec/unreadable", format!("cannot read {}: {error}", path.display()), ""))?;
    Ok(Network::from_toml(&text)?)
}
