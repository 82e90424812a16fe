//! Shows the window for a folder of wallets and a proxy: `window DIR URL [WALLET]`. For looking at it while working on it.

use mycoin_app::{AppError, AppOptions};
use mycoin_primitives::Network;

fn main() -> Result<(), AppError> {
    let mut arguments = std::env::args().skip(1);
    mycoin_app::run(AppOptions {
        network: Network::demo(),
        wallets_dir: arguments.next().unwrap_or_else(|| "wallets".to_owned()).into(),
        proxy_url: arguments.next().unwrap_or_else(|| "http://127.0.0.1:7600".to_owned()),
        open_wallet: arguments.next(),
    })
}
