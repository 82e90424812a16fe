//! Shows the window for a folder of wallets and a proxy: `window DIR [URL|fake] [WALLET]`. For looking at it while working on it.
//!
//! `fake` stands for a proxy inside this program, so that no server is needed.

#[path = "../tests/support/fake_proxy.rs"]
mod fake_proxy;

use std::time::Duration;

use fake_proxy::FakeProxy;
use mycoin_app::AppOptions;
use mycoin_primitives::Network;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let wallets_dir = arguments.next().unwrap_or_else(|| "wallets".to_owned()).into();
    let proxy = arguments.next().unwrap_or_else(|| "fake".to_owned());
    let fake = if proxy == "fake" { Some(FakeProxy::start(Duration::from_secs(8), 1_203)?) } else { None };
    if let Some(fake) = &fake {
        eprintln!("the proxy at {} knows {} blocks", fake.url, fake.height());
    }
    mycoin_app::run(AppOptions {
        network: Network::demo(),
        wallets_dir,
        proxy_url: fake.as_ref().map_or(proxy, |fake| fake.url.clone()),
        open_wallet: arguments.next(),
    })?;
    Ok(())
}
