//! How many new coins a block makes.

use mycoin_primitives::{Amount, Height, Network};

/// The new coins that the block at `height` may make, fees left out.
///
/// Source: Bitcoin Core `GetBlockSubsidy`, validation.cpp.
pub fn block_subsidy(network: &Network, height: Height) -> Amount {
    let halvings = height.to_u32().checked_div(network.halving_interval).unwrap_or(0);
    Amount::from_sat(network.first_subsidy.to_sat().checked_shr(halvings).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subsidy_halves_and_ends() {
        let regtest = Network::regtest();
        let at = |height| block_subsidy(&regtest, Height::new(height)).to_sat();
        assert_eq!(at(1), 5_000_000_000);
        assert_eq!(at(149), 5_000_000_000);
        assert_eq!(at(150), 2_500_000_000);
        assert_eq!(at(150 * 32), 1);
        assert_eq!(at(150 * 33), 0);
        assert_eq!(at(150 * 64), 0);
        assert_eq!(at(u32::MAX), 0);
    }

    #[test]
    fn shipped_coins_stay_below_max_money() {
        for network in [Network::demo(), Network::mycoin(), Network::regtest()] {
            let total: u64 = (0..64)
                .map(|halving| {
                    let subsidy = block_subsidy(&network, Height::new(halving * network.halving_interval));
                    subsidy.to_sat() * u64::from(network.halving_interval)
                })
                .sum();
            assert!(total <= mycoin_primitives::MAX_MONEY.to_sat(), "{}: {total}", network.name);
        }
    }
}
