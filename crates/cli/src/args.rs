//! The command line: every command and option, and what they mean. Scripts rely on these names.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// MyCoin: a whole cryptocurrency that one person can run.
#[derive(Parser)]
#[command(name = "mycoin", version, about, long_about = None, propagate_version = true, disable_help_subcommand = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options that every command takes.
#[derive(Args, Clone)]
pub(crate) struct Global {
    /// The coin: demo, mycoin, regtest, the name of one that was joined, or the path of a spec file.
    #[arg(long, global = true, value_name = "NETWORK", default_value = "demo")]
    pub(crate) network: String,
    /// The folder that holds everything [default: ~/.mycoin].
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
    /// Print machine-readable output.
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Start everything on this machine: server, proxy, a miner and, where there is a display, the window.
    Demo(Demo),
    /// Run the base server: chain, waiting transactions, miner, peers; private RPC over mutual TLS.
    Server(Server),
    /// Run the proxy: the public HTTP face that forwards to a base server.
    Proxy(Proxy),
    /// Open the desktop window.
    #[cfg(feature = "app")]
    App(App),
    /// Make wallets, receive, send, and see what happened.
    #[command(subcommand)]
    Wallet(crate::commands::wallet::Commands),
    /// Call a method of the base server with the administrator's certificate.
    Rpc(Rpc),
    /// Make and show the certificates of server, proxy and administrator.
    #[command(subcommand)]
    Certs(Certs),
    /// Show, check and join a coin.
    #[command(subcommand)]
    Network(Network),
    /// Print what a shell needs to complete commands and options.
    Completions {
        /// The shell.
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
    /// Print the manual page, or write a page for each command.
    Man {
        /// The folder for the pages, such as ~/.local/share/man/man1; it is made where it is missing.
        #[arg(long, value_name = "FOLDER")]
        to: Option<PathBuf>,
    },
}

#[derive(Args)]
pub(crate) struct Demo {
    /// Do not open the window.
    #[arg(long)]
    pub(crate) no_app: bool,
    /// Take any free ports instead of the coin's own; the other commands find them through the folder.
    #[arg(long)]
    pub(crate) free_ports: bool,
}

#[derive(Args)]
pub(crate) struct Server {
    /// A peer to stay connected to, as HOST:PORT; may be given several times.
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) connect: Vec<String>,
    /// Whether connections with peers may be encrypted (BIP324).
    #[arg(long, value_enum, value_name = "SWITCH", default_value = "on")]
    pub(crate) v2transport: Switch,
    /// A SOCKS5 proxy, such as Tor's, that dials all peers and looks up their names [default port: 9050].
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) socks5: Option<String>,
    /// Where to listen for peers [default: every address at the coin's port; with --socks5 nowhere].
    #[arg(long, value_name = "ADDR")]
    pub(crate) p2p: Option<SocketAddr>,
    /// Do not listen for peers.
    #[arg(long, conflicts_with = "p2p")]
    pub(crate) no_listen: bool,
    /// Where to listen for the private RPC [default: 127.0.0.1 at the coin's port].
    #[arg(long, value_name = "ADDR")]
    pub(crate) rpc: Option<SocketAddr>,
    /// Serve the RPC as plain HTTP with a cookie file too, on a loopback address.
    #[arg(long, value_name = "ADDR")]
    pub(crate) rpc_cookie: Option<SocketAddr>,
    /// Keep compact filters of all blocks, for getblockfilter (BIP158).
    #[arg(long)]
    pub(crate) blockfilterindex: bool,
    /// Give peers the filters that are kept (BIP157).
    #[arg(long, requires = "blockfilterindex")]
    pub(crate) peerblockfilters: bool,
    /// When the built-in miner works: off, always, transactions=N or every=SECONDS [default: as the coin's spec says].
    #[arg(long, value_name = "WHEN")]
    pub(crate) mine: Option<String>,
    /// The address that the built-in miner pays [default: the wallet `miner` in the folder].
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) mine_to: Option<String>,
    /// Trust exactly this certificate as an administrator's; may be given several times.
    #[arg(long, value_name = "FILE")]
    pub(crate) pin_admin: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) tls: Tls,
}

/// On or off.
#[derive(Clone, Copy, ValueEnum, PartialEq, Eq)]
pub(crate) enum Switch {
    /// Yes.
    On,
    /// No.
    Off,
}

/// Certificates and the password of the private key.
#[derive(Args)]
pub(crate) struct Tls {
    /// The file that holds the password of the TLS key; - for standard input [default: ask].
    #[arg(long, value_name = "FILE")]
    pub(crate) password_file: Option<PathBuf>,
    /// Our certificate, PEM [default: the one in the folder].
    #[arg(long, value_name = "FILE", requires = "key")]
    pub(crate) cert: Option<PathBuf>,
    /// Our private key, encrypted PKCS#8 PEM [default: the one in the folder].
    #[arg(long, value_name = "FILE", requires = "cert")]
    pub(crate) key: Option<PathBuf>,
    /// Trust exactly this certificate of the other side, and no authority; may be given several times.
    #[arg(long, value_name = "FILE")]
    pub(crate) pin: Vec<PathBuf>,
}

#[derive(Args)]
pub(crate) struct Proxy {
    /// Where to listen [default: 127.0.0.1 at the coin's port].
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: Option<SocketAddr>,
    /// The base server, as HOST:PORT [default: 127.0.0.1 at the coin's port].
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) server: Option<String>,
    /// The name in the server's certificate, where it is not the host of --server.
    #[arg(long, value_name = "NAME")]
    pub(crate) server_name: Option<String>,
    #[command(flatten)]
    pub(crate) tls: Tls,
}

#[cfg(feature = "app")]
#[derive(Args)]
pub(crate) struct App {
    /// The proxy to use [default: the one on this machine].
    #[arg(long, value_name = "URL")]
    pub(crate) proxy: Option<String>,
}

/// Which proxies a wallet command talks to.
#[derive(Args, Clone)]
pub(crate) struct ProxyUrl {
    /// The proxy to use; may be given several times, and where they differ it is said [default: the one on this machine].
    #[arg(long, value_name = "URL")]
    pub(crate) proxy: Vec<String>,
}

/// How a wallet is unlocked without a person.
// There is a command of the same name, and clap would give both one group's id.
#[derive(Args, Clone)]
#[group(skip)]
pub(crate) struct Password {
    /// The file that holds the wallet's password; - for standard input [default: ask].
    #[arg(long, value_name = "FILE")]
    pub(crate) password_file: Option<PathBuf>,
}

#[derive(Args)]
pub(crate) struct Rpc {
    /// The method; `help` lists them all.
    pub(crate) method: String,
    /// Its arguments, in their order or as NAME=VALUE.
    #[arg(allow_negative_numbers = true)]
    pub(crate) arguments: Vec<String>,
    /// The base server, as HOST:PORT [default: the one on this machine].
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) server: Option<String>,
    /// The name in the server's certificate, where it is not the host of --server.
    #[arg(long, value_name = "NAME")]
    pub(crate) server_name: Option<String>,
    #[command(flatten)]
    pub(crate) tls: Tls,
}

#[derive(Subcommand)]
pub(crate) enum Certs {
    /// Make an authority and the certificates of server, proxy and administrator, where they are missing.
    New {
        /// A further host name or address that the server is reached at; may be given several times.
        #[arg(long, value_name = "HOST")]
        name: Vec<String>,
        /// The file that holds the password of the private keys; - for standard input [default: ask twice].
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
    },
    /// Show the certificates: role, names, and until when they are valid.
    #[command(alias = "show")]
    List,
}

#[derive(Subcommand)]
pub(crate) enum Network {
    /// Print what the chosen coin is, and the string by which others join it.
    Show {
        /// Where others reach its proxy, for the string [default: the one on this machine].
        #[arg(long, value_name = "HOST:PORT")]
        at: Option<String>,
    },
    /// Make a coin of others known here: shows its name and hash, and asks.
    Join(Join),
    /// Check a spec file; says which field is wrong and what is allowed.
    Check {
        /// The spec file.
        file: PathBuf,
    },
}

#[derive(Args)]
pub(crate) struct Join {
    /// HOST:PORT or URL of the coin's proxy, or the string that `mycoin network show` prints there.
    #[arg(value_name = "HOST:PORT|STRING")]
    pub(crate) coin: String,
    /// Do not ask.
    #[arg(long)]
    pub(crate) yes: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    /// Every `mycoin …` line of the README and of the wallets' page is a command that this program takes.
    #[test]
    fn the_documented_commands_are_taken() {
        for page in [include_str!("../../../README.md"), include_str!("../../../docs/wallet.md")] {
            let lines: Vec<&str> = page.lines().filter(|line| line.starts_with("mycoin ")).collect();
            assert!(lines.len() > 10, "the page shows the commands");
            for line in lines {
                let command = line.split(" #").next().unwrap_or_default();
                // A text in quotation marks is one argument.
                let words = command.split('"').enumerate().flat_map(|(place, part)| match place % 2 {
                    0 => part.split_whitespace().collect(),
                    _ => vec![part],
                });
                let parsed = Cli::try_parse_from(words).map(|_| ()).map_err(|error| error.to_string());
                assert_eq!(parsed, Ok(()), "{command}");
            }
        }
    }
}
