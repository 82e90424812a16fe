//! Which coins pay, what the fee is, and whether anything comes back.
//!
//! In:    the values of coins that weigh the same to spend, what is to be paid, a fee rate.
//! Out:   a [`Plan`] whose sums hold exactly: inputs = amount + change + fee, and the fee reaches its rate.
//! Never: a change output that is dust or costs more than it brings.
//!
//! bdk_coin_select searches for the set that costs least. Its own metrics count in 32-bit floating point, which is wrong
//! by hundreds of units for amounts as ours (and panics on some), so the metric here counts in whole units.

use bdk_coin_select::float::Ordf32;
use bdk_coin_select::{BnbMetric, Candidate, CoinSelector};
use mycoin_primitives::bitcoin::{VarInt, WitnessVersion};
use mycoin_primitives::{Amount, FeeRate, Network, Script};

/// What a payment is made of.
#[derive(Clone, Copy)]
pub(crate) struct Payment<'a> {
    pub(crate) recipient: &'a Script,
    pub(crate) amount: Amount,
    /// Where change would go.
    pub(crate) change: &'a Script,
    /// The least that change may be.
    pub(crate) least_change: Amount,
    pub(crate) rate: FeeRate,
    /// What each input's witness weighs, its item count included.
    pub(crate) witness_weight: u64,
}

/// How a payment can be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Plan {
    /// Which coins, by their position.
    pub(crate) coins: Vec<usize>,
    pub(crate) fee: Amount,
    /// What comes back, if that is worth an output.
    pub(crate) change: Option<Amount>,
    /// The signed transaction's size, in virtual bytes.
    pub(crate) vsize: u64,
}

/// The coins do not reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooLittle {
    /// What the payment would cost with all coins that are worth spending.
    pub(crate) needed: Amount,
}

/// The rate at which change is thought to be spent one day.
const LONG_TERM_RATE: FeeRate = FeeRate::from_sat_per_vb(1);
/// With more coins than this the exhaustive search would not get far.
const SEARCH_COINS: usize = 300;
/// How many sets the search looks at.
const SEARCH_ROUNDS: usize = 500;

/// The least value that nodes pass on, by the kind of script; `None` for scripts that they do not take at all.
///
/// What spending the output would cost at 3 sat/vB. Source: Bitcoin Core `GetDustThreshold`, policy/policy.cpp; an RSA
/// lock does not show its key's size, so the largest counts: 512 bytes of signature, 550 of key.
pub(crate) fn dust_limit(script: &Script, network: &Network) -> Option<Amount> {
    const RSA_WITNESS_VSIZE: u64 = (1 + 3 + 512 + 3 + 550) / 4;
    const INPUT_SIZE: u64 = 36 + 1 + 4;
    let is_old_style = network.base58.is_some() && (script.is_p2pkh() || script.is_p2sh());
    if script.is_p2wpkh() || script.is_p2wsh() || script.is_p2tr() || is_old_style {
        return Some(script.minimal_non_dust());
    }
    let is_rsa_lock = script.witness_version() == Some(WitnessVersion::V16) && script.len() == 34;
    let size = 8 + 1 + script.len() as u64 + INPUT_SIZE + RSA_WITNESS_VSIZE;
    (network.rsa && is_rsa_lock).then(|| FeeRate::from_sat_per_vb(3).fee_for(size))
}

/// Four times the size of an output: witnesses aside, a byte weighs four.
fn output_weight(script: &Script) -> u64 {
    let length = script.len() as u64;
    4 * (8 + VarInt::from(length).size() as u64 + length)
}

const INPUT_WEIGHT: u64 = 4 * (36 + 1 + 4);

impl Payment<'_> {
    /// The size of the signed transaction, in virtual bytes.
    fn vsize(&self, inputs: usize, with_change: bool) -> u64 {
        let outputs = 1 + usize::from(with_change);
        let counts = VarInt::from(inputs).size() + VarInt::from(outputs).size();
        let change = if with_change { output_weight(self.change) } else { 0 };
        // Version and lock time, the two counts, marker and flag of the witnesses.
        let fixed = 4 * (8 + counts as u64) + 2;
        let inputs = inputs as u64 * (INPUT_WEIGHT + self.witness_weight);
        (fixed + inputs + output_weight(self.recipient) + change).div_ceil(4)
    }

    /// What it costs to spend a coin like ours at that rate.
    fn spending_cost(&self, rate: FeeRate) -> Amount {
        rate.fee_for((INPUT_WEIGHT + self.witness_weight).div_ceil(4))
    }

    /// Change is made from this value on: no dust, and worth its output and its later spending.
    fn change_from(&self) -> Amount {
        let output = self.rate.fee_for(output_weight(self.change).div_ceil(4));
        sum(&[output, self.spending_cost(LONG_TERM_RATE)]).max(self.least_change)
    }

    /// The fee for so many inputs without change, if what they hold reaches; with what is left of it above the amount.
    fn reaches(&self, held: Amount, inputs: usize) -> Option<(Amount, Amount)> {
        let fee = self.rate.fee_for(self.vsize(inputs, false));
        let rest = held.checked_sub(self.amount)?;
        (inputs > 0 && rest >= fee).then_some((fee, rest))
    }

    /// The plan that spends these coins; `None` when they do not reach.
    fn plan(&self, coins: Vec<usize>, held: Amount) -> Option<Plan> {
        let (_, rest) = self.reaches(held, coins.len())?;
        let vsize = self.vsize(coins.len(), true);
        let fee = self.rate.fee_for(vsize);
        match rest.checked_sub(fee).filter(|change| *change >= self.change_from()) {
            Some(change) => Some(Plan { coins, fee, change: Some(change), vsize }),
            None => Some(Plan { vsize: self.vsize(coins.len(), false), coins, fee: rest, change: None }),
        }
    }

    /// Chooses among coins of these values.
    ///
    /// # Errors
    ///
    /// [`TooLittle`] when all of them together do not reach.
    pub(crate) fn choose(&self, values: &[Amount]) -> Result<Plan, TooLittle> {
        // A coin that costs more to spend than it is worth never helps. The largest come first.
        let cost = self.spending_cost(self.rate);
        let mut worth: Vec<(usize, Amount)> = values.iter().copied().enumerate().filter(|coin| coin.1 > cost).collect();
        worth.sort_by_key(|coin| std::cmp::Reverse(coin.1));
        let plan = |chosen: &[(usize, Amount)]| {
            self.plan(chosen.iter().map(|coin| coin.0).collect(), sum(chosen.iter().map(|coin| &coin.1)))
        };
        if worth.len() <= SEARCH_COINS
            && let Some(found) = self.search(&worth)
            && let Some(plan) = plan(&found)
        {
            return Ok(plan);
        }
        // Where the search would take long: as few coins as reach.
        let mut held = Amount::ZERO;
        for (before, coin) in worth.iter().enumerate() {
            held = sum(&[held, coin.1]);
            if self.reaches(held, before + 1).is_some()
                && let Some(plan) = worth.get(..=before).and_then(plan)
            {
                return Ok(plan);
            }
        }
        let fee = self.rate.fee_for(self.vsize(worth.len().max(1), false));
        Err(TooLittle { needed: sum(&[self.amount, fee]) })
    }

    fn search(&self, worth: &[(usize, Amount)]) -> Option<Vec<(usize, Amount)>> {
        let candidate = |coin: &(usize, Amount)| Candidate::new(coin.1.to_sat(), self.witness_weight, true);
        let candidates: Vec<Candidate> = worth.iter().map(candidate).collect();
        let mut selector = CoinSelector::new(&candidates);
        selector.run_bnb(LeastCost { payment: self }, SEARCH_ROUNDS).ok()?;
        Some(selector.apply_selection(worth).copied().collect())
    }
}

/// The fee, and what the change will cost to spend one day.
struct LeastCost<'a> {
    payment: &'a Payment<'a>,
}

#[allow(clippy::cast_precision_loss)] // Scores are only compared; the plan that comes of them is exact.
fn score(cost: Amount) -> Ordf32 {
    Ordf32(cost.to_sat() as f32)
}

impl BnbMetric for LeastCost<'_> {
    fn score(&mut self, selector: &CoinSelector<'_>) -> Option<Ordf32> {
        let held = Amount::from_sat(selector.selected_value());
        let plan = self.payment.plan(selector.selected_indices().iter().copied().collect(), held)?;
        let later = plan.change.map_or(Amount::ZERO, |_| self.payment.spending_cost(LONG_TERM_RATE));
        Some(score(sum(&[plan.fee, later])))
    }

    /// At least the fee for as many of the largest other coins as are still needed.
    fn bound(&mut self, selector: &CoinSelector<'_>) -> Option<Ordf32> {
        let mut held = Amount::from_sat(selector.selected_value());
        let mut inputs = selector.selected_indices().len();
        let mut others = selector.unselected();
        loop {
            if let Some((fee, _)) = self.payment.reaches(held, inputs) {
                return Some(score(fee));
            }
            let (_, next) = others.next()?;
            held = sum(&[held, Amount::from_sat(next.value)]);
            inputs += 1;
        }
    }
}

fn sum<'a>(amounts: impl IntoIterator<Item = &'a Amount>) -> Amount {
    Amount::from_sat(amounts.into_iter().map(|amount| amount.to_sat()).fold(0, u64::saturating_add))
}

#[cfg(test)]
mod tests {
    use super::*;
    use mycoin_primitives::ScriptBuf;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn taproot() -> ScriptBuf {
        ScriptBuf::from_bytes([&[0x51, 0x20][..], &[7; 32]].concat())
    }

    fn check(
        values: &[u64],
        amount: u64,
        rate: u64,
        witness_weight: u64,
        network: &Network,
    ) -> Result<(), TestCaseError> {
        let script = taproot();
        let least_change = dust_limit(&script, network).expect("taproot is standard");
        let payment = Payment {
            recipient: &script,
            amount: Amount::from_sat(amount),
            change: &script,
            least_change,
            rate: FeeRate::from_sat_per_kvb(rate),
            witness_weight,
        };
        let values: Vec<Amount> = values.iter().copied().map(Amount::from_sat).collect();
        let cost = payment.spending_cost(payment.rate);
        match payment.choose(&values) {
            Ok(plan) => {
                let unique: BTreeSet<usize> = plan.coins.iter().copied().collect();
                prop_assert_eq!(unique.len(), plan.coins.len());
                let held: u64 = plan.coins.iter().map(|coin| values[*coin].to_sat()).sum();
                let change = plan.change.unwrap_or(Amount::ZERO).to_sat();
                prop_assert_eq!(held, amount + change + plan.fee.to_sat(), "inputs = outputs + fee");
                let least = payment.rate.fee_for(plan.vsize);
                prop_assert!(plan.fee >= least, "the fee reaches its rate");
                match plan.change {
                    Some(change) => {
                        prop_assert!(change >= least_change, "change is never dust");
                        prop_assert_eq!(plan.fee, least, "with change the fee is exact");
                    }
                    // Without change, what stays with the miner is less than change would have had to be, and its output.
                    None => {
                        let spared = payment.change_from() + payment.rate.fee_for(43 + 1);
                        prop_assert!(plan.fee <= least + spared, "{} is far above {}", plan.fee, least);
                    }
                }
            }
            Err(TooLittle { needed }) => {
                let worth: Vec<u64> =
                    values.iter().filter(|value| **value > cost).map(|value| value.to_sat()).collect();
                prop_assert!(worth.iter().sum::<u64>() < needed.to_sat(), "it is really too little");
            }
        }
        Ok(())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]

        #[test]
        fn sums_hold_for_random_coins(
            values in prop::collection::vec(1u64..5_000_000, 0..40),
            amount in 330u64..20_000_000,
            rate in 100u64..200_000,
            witness in prop::sample::select(vec![66u64, 533, 789, 1045]),
        ) {
            check(&values, amount, rate, witness, &Network::demo())?;
        }

        #[test]
        fn sums_hold_for_large_coins_and_tight_amounts(
            values in prop::collection::vec(100_000_000u64..2_000_000_000_000_000, 1..8),
            below in 0u64..3_000,
            rate in 100u64..20_000,
        ) {
            let amount = values.iter().sum::<u64>().saturating_sub(below);
            check(&values, amount, rate, 66, &Network::demo())?;
        }
    }

    #[test]
    fn many_coins_are_chosen_quickly() {
        let values: Vec<u64> = (0..2_000).map(|n| 10_000 + n * 7).collect();
        check(&values, 15_000_000, 1_000, 66, &Network::demo()).expect("sums hold");
    }

    #[test]
    fn the_least_payments_are_those_of_the_nodes() {
        let demo = Network::demo();
        let script = |bytes: &[u8]| ScriptBuf::from_bytes(bytes.to_vec());
        assert_eq!(dust_limit(&taproot(), &demo), Some(Amount::from_sat(330)));
        assert_eq!(dust_limit(&script(&[&[0, 20][..], &[1; 20]].concat()), &demo), Some(Amount::from_sat(294)));
        let rsa = script(&[&[0x60, 32][..], &[1; 32]].concat());
        assert_eq!(dust_limit(&rsa, &demo), Some(Amount::from_sat(1_053)));
        assert_eq!(dust_limit(&rsa, &Network::regtest()), None);
        assert_eq!(dust_limit(&script(&[0x51]), &demo), None);
    }
}
