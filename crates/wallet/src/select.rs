//! Which coins pay, what the fee is, and whether anything comes back.
//!
//! In:    the values of coins that weigh the same to spend, what is to be paid, what the fee must reach.
//! Out:   a [`Plan`] whose sums hold exactly: inputs = what is paid + change + fee, and the fee reaches its rule.
//! Never: a change output that is dust or costs more than it brings.
//!
//! bdk_coin_select searches for the set that costs least. Its own metrics count in 32-bit floating point, which is wrong
//! by hundreds of units for amounts as ours (and panics on some), so the metric here counts in whole units.

use bdk_coin_select::float::Ordf32;
use bdk_coin_select::{BnbMetric, Candidate, CoinSelector};
use mycoin_primitives::bitcoin::{VarInt, WitnessVersion};
use mycoin_primitives::{Amount, FeeRate, Network, Script, TxOut};

/// The lowest rate that nodes pass on: 0.1 sat/vB. Source: Bitcoin Core `DEFAULT_MIN_RELAY_TX_FEE`, policy/policy.h.
pub(crate) const LOWEST_RATE: FeeRate = FeeRate::from_sat_per_kvb(100);
/// What a replacement pays for its own relay, on top of all that it replaces. Source: Bitcoin Core
/// `DEFAULT_INCREMENTAL_RELAY_FEE`, policy/policy.h; BIP125, rule 4.
pub(crate) const INCREMENTAL_RATE: FeeRate = FeeRate::from_sat_per_kvb(100);

/// What a fee must reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FeeRule {
    /// For the size of the transaction, and of the parents that it pays for.
    pub(crate) rate: FeeRate,
    /// What was paid by all that it replaces, if it replaces anything.
    pub(crate) replaced: Option<Amount>,
    /// The size and the fee of the waiting parents that it pays for.
    pub(crate) parents: Option<(u64, Amount)>,
}

impl FeeRule {
    /// A rate for the transaction alone.
    pub(crate) const fn rate(rate: FeeRate) -> Self {
        Self { rate, replaced: None, parents: None }
    }

    /// The least fee of a transaction of that size. A larger one never pays less.
    pub(crate) fn fee_for(&self, vsize: u64) -> Amount {
        let (size, paid) = self.parents.unwrap_or((0, Amount::ZERO));
        let together = self.rate.fee_for(vsize.saturating_add(size));
        let own = together.checked_sub(paid).unwrap_or(Amount::ZERO).max(LOWEST_RATE.fee_for(vsize));
        let replacement = self.replaced.map(|replaced| sum(&[replaced, INCREMENTAL_RATE.fee_for(vsize)]));
        replacement.map_or(own, |least| own.max(least))
    }
}

/// What a payment is made of.
#[derive(Clone, Copy)]
pub(crate) struct Payment<'a> {
    /// Where change would go.
    change: &'a Script,
    /// The least that change may be.
    least_change: Amount,
    fee: FeeRule,
    /// What each input's witness weighs, its item count included.
    witness_weight: u64,
    /// What is paid, how many outputs do it, and what they weigh.
    paid: Amount,
    outputs: usize,
    outputs_weight: u64,
}

/// How a payment can be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Plan {
    /// Which of the coins that could be chosen, by their position; those that had to be spent come on top.
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

/// Coins that are spent whatever else is.
#[derive(Clone, Copy, Default)]
struct Required {
    count: usize,
    value: Amount,
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

impl<'a> Payment<'a> {
    /// A payment of these outputs. `least_change`: less than that never comes back.
    pub(crate) fn new(
        outputs: &[TxOut],
        change: &'a Script,
        least_change: Amount,
        fee: FeeRule,
        witness_weight: u64,
    ) -> Self {
        Self {
            change,
            least_change,
            fee,
            witness_weight,
            paid: sum(outputs.iter().map(|output| &output.value)),
            outputs: outputs.len(),
            outputs_weight: outputs.iter().map(|output| output_weight(&output.script_pubkey)).sum(),
        }
    }

    /// The size of the signed transaction, in virtual bytes.
    fn vsize(&self, inputs: usize, with_change: bool) -> u64 {
        let outputs = self.outputs + usize::from(with_change);
        let counts = VarInt::from(inputs).size() + VarInt::from(outputs).size();
        let change = if with_change { output_weight(self.change) } else { 0 };
        // Version and lock time, the two counts, marker and flag of the witnesses.
        let fixed = 4 * (8 + counts as u64) + 2;
        let inputs = inputs as u64 * (INPUT_WEIGHT + self.witness_weight);
        (fixed + inputs + self.outputs_weight + change).div_ceil(4)
    }

    /// What it costs to spend a coin like ours at that rate.
    fn spending_cost(&self, rate: FeeRate) -> Amount {
        rate.fee_for((INPUT_WEIGHT + self.witness_weight).div_ceil(4))
    }

    /// Whether a coin brings more than it costs to spend here.
    pub(crate) fn is_worth(&self, value: Amount) -> bool {
        value > self.spending_cost(self.fee.rate)
    }

    /// Change is made from this value on: no dust, and worth its output and its later spending.
    fn change_from(&self) -> Amount {
        let output = self.fee.rate.fee_for(output_weight(self.change).div_ceil(4));
        sum(&[output, self.spending_cost(LONG_TERM_RATE)]).max(self.least_change)
    }

    /// The fee for so many inputs without change, if what they hold reaches; with what is left of it above the amount.
    fn reaches(&self, held: Amount, inputs: usize) -> Option<(Amount, Amount)> {
        let fee = self.fee.fee_for(self.vsize(inputs, false));
        let rest = held.checked_sub(self.paid)?;
        (inputs > 0 && self.outputs > 0 && rest >= fee).then_some((fee, rest))
    }

    /// The fee, the change and the size with so many inputs; `None` when they do not reach.
    fn outcome(&self, held: Amount, inputs: usize) -> Option<(Amount, Option<Amount>, u64)> {
        let (_, rest) = self.reaches(held, inputs)?;
        let vsize = self.vsize(inputs, true);
        let fee = self.fee.fee_for(vsize);
        match rest.checked_sub(fee).filter(|change| *change >= self.change_from()) {
            Some(change) => Some((fee, Some(change), vsize)),
            None => Some((rest, None, self.vsize(inputs, false))),
        }
    }

    /// The plan that spends these coins and those that must be spent; `None` when they do not reach.
    fn plan(&self, required: Required, chosen: &[(usize, Amount)]) -> Option<Plan> {
        let held = sum([&required.value].into_iter().chain(chosen.iter().map(|coin| &coin.1)));
        let (fee, change, vsize) = self.outcome(held, required.count + chosen.len())?;
        Some(Plan { coins: chosen.iter().map(|coin| coin.0).collect(), fee, change, vsize })
    }

    /// Chooses among coins of the values `optional`, on top of those of the values `required`.
    ///
    /// # Errors
    ///
    /// [`TooLittle`] when all of them together do not reach.
    pub(crate) fn choose(&self, required: &[Amount], optional: &[Amount]) -> Result<Plan, TooLittle> {
        let required = Required { count: required.len(), value: sum(required) };
        if let Some(plan) = self.plan(required, &[]) {
            return Ok(plan);
        }
        let worth = self.worth(optional);
        if worth.len() <= SEARCH_COINS
            && let Some(found) = self.search(required, &worth)
            && let Some(plan) = self.plan(required, &found)
        {
            return Ok(plan);
        }
        // Where the search would take long: as few coins as reach.
        let mut held = required.value;
        for (before, coin) in worth.iter().enumerate() {
            held = sum(&[held, coin.1]);
            if self.reaches(held, required.count + before + 1).is_some()
                && let Some(plan) = worth.get(..=before).and_then(|chosen| self.plan(required, chosen))
            {
                return Ok(plan);
            }
        }
        let inputs = (required.count + worth.len()).max(1);
        Err(TooLittle { needed: sum(&[self.paid, self.fee.fee_for(self.vsize(inputs, false))]) })
    }

    /// Spends all coins of the values `required`, and gives everything that the outputs leave to the change's script, which
    /// is always there then. Of the coins of the values `optional` the largest help where that would be too little.
    ///
    /// # Errors
    ///
    /// [`TooLittle`] when all of them together do not reach.
    pub(crate) fn sweep(&self, required: &[Amount], optional: &[Amount]) -> Result<Plan, TooLittle> {
        let worth = self.worth(optional);
        let required = Required { count: required.len(), value: sum(required) };
        let mut held = required.value;
        let mut needed = Amount::ZERO;
        for added in 0..=worth.len() {
            if let Some(coin) = added.checked_sub(1).and_then(|last| worth.get(last)) {
                held = sum(&[held, coin.1]);
            }
            let inputs = required.count + added;
            let vsize = self.vsize(inputs.max(1), true);
            let fee = self.fee.fee_for(vsize);
            needed = sum(&[self.paid, fee, self.least_change]);
            if inputs > 0 && held >= needed {
                let change = held.checked_sub(sum(&[self.paid, fee]));
                let coins = worth.iter().take(added).map(|coin| coin.0).collect();
                return Ok(Plan { coins, fee, change, vsize });
            }
        }
        Err(TooLittle { needed })
    }

    /// The coins that help, the largest first: one that costs more to spend than it is worth never does.
    fn worth(&self, values: &[Amount]) -> Vec<(usize, Amount)> {
        let mut worth: Vec<(usize, Amount)> =
            values.iter().copied().enumerate().filter(|coin| self.is_worth(coin.1)).collect();
        worth.sort_by_key(|coin| std::cmp::Reverse(coin.1));
        worth
    }

    fn search(&self, required: Required, worth: &[(usize, Amount)]) -> Option<Vec<(usize, Amount)>> {
        let candidate = |coin: &(usize, Amount)| Candidate::new(coin.1.to_sat(), self.witness_weight, true);
        let candidates: Vec<Candidate> = worth.iter().map(candidate).collect();
        let mut selector = CoinSelector::new(&candidates);
        selector.run_bnb(LeastCost { payment: self, required }, SEARCH_ROUNDS).ok()?;
        Some(selector.apply_selection(worth).copied().collect())
    }
}

/// The fee, and what the change will cost to spend one day.
struct LeastCost<'a> {
    payment: &'a Payment<'a>,
    required: Required,
}

impl LeastCost<'_> {
    /// What is held, and by how many inputs.
    fn selected(&self, selector: &CoinSelector<'_>) -> (Amount, usize) {
        let held = sum(&[self.required.value, Amount::from_sat(selector.selected_value())]);
        (held, self.required.count + selector.selected_indices().len())
    }
}

#[allow(clippy::cast_precision_loss)] // Scores are only compared; the plan that comes of them is exact.
fn score(cost: Amount) -> Ordf32 {
    Ordf32(cost.to_sat() as f32)
}

impl BnbMetric for LeastCost<'_> {
    fn score(&mut self, selector: &CoinSelector<'_>) -> Option<Ordf32> {
        let (held, inputs) = self.selected(selector);
        let (fee, change, _) = self.payment.outcome(held, inputs)?;
        let later = change.map_or(Amount::ZERO, |_| self.payment.spending_cost(LONG_TERM_RATE));
        Some(score(sum(&[fee, later])))
    }

    /// At least the fee for as many of the largest other coins as are still needed.
    fn bound(&mut self, selector: &CoinSelector<'_>) -> Option<Ordf32> {
        let (mut held, mut inputs) = self.selected(selector);
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

pub(crate) fn sum<'a>(amounts: impl IntoIterator<Item = &'a Amount>) -> Amount {
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
        let rate = FeeRate::from_sat_per_kvb(rate);
        let paid = [TxOut { value: Amount::from_sat(amount), script_pubkey: script.clone() }];
        let payment = Payment::new(&paid, &script, least_change, FeeRule::rate(rate), witness_weight);
        let values: Vec<Amount> = values.iter().copied().map(Amount::from_sat).collect();
        let cost = payment.spending_cost(rate);
        match payment.choose(&[], &values) {
            Ok(plan) => {
                let unique: BTreeSet<usize> = plan.coins.iter().copied().collect();
                prop_assert_eq!(unique.len(), plan.coins.len());
                let held: u64 = plan.coins.iter().map(|coin| values[*coin].to_sat()).sum();
                let change = plan.change.unwrap_or(Amount::ZERO).to_sat();
                prop_assert_eq!(held, amount + change + plan.fee.to_sat(), "inputs = outputs + fee");
                let least = rate.fee_for(plan.vsize);
                prop_assert!(plan.fee >= least, "the fee reaches its rate");
                match plan.change {
                    Some(change) => {
                        prop_assert!(change >= least_change, "change is never dust");
                        prop_assert_eq!(plan.fee, least, "with change the fee is exact");
                    }
                    // Without change, what stays with the miner is less than change would have had to be, and its output.
                    None => {
                        let spared = payment.change_from() + rate.fee_for(43 + 1);
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
