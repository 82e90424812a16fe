//! Dust that lives only until its child spends it: one dust output is relayed where nobody earns from mining it alone.
//!
//! Source: Bitcoin Core `PreCheckEphemeralTx`, `CheckEphemeralSpends`, policy/ephemeral_policy.cpp.

use std::collections::BTreeSet;
use std::sync::Arc;

use mycoin_primitives::{Amount, Network, OutPoint, Transaction, Txid};

use crate::error::RejectReason;
use crate::policy;

/// Checks that a transaction with a dust output pays no fee.
///
/// # Errors
///
/// [`RejectReason::DustWithFee`].
pub(crate) fn check_dust_is_free(tx: &Transaction, fee: Amount, network: &Network) -> Result<(), RejectReason> {
    let dust = policy::dust_outputs(tx, network).first().and_then(|index| Some((*index, tx.output.get(*index)?)));
    match dust {
        Some((output, dust)) if fee > Amount::ZERO => {
            let least = policy::dust_threshold(&dust.script_pubkey, network);
            Err(RejectReason::DustWithFee { output, value: dust.value, least })
        }
        Some(_) | None => Ok(()),
    }
}

/// Checks that a transaction spends every dust output of the unconfirmed transactions that it spends from.
///
/// # Errors
///
/// [`RejectReason::UnspentDust`].
pub(crate) fn check_spends_dust(
    tx: &Transaction,
    unconfirmed: impl Fn(&Txid) -> Option<Arc<Transaction>>,
    network: &Network,
) -> Result<(), RejectReason> {
    let spent: BTreeSet<OutPoint> = tx.input.iter().map(|input| input.previous_output).collect();
    let parents: BTreeSet<Txid> = spent.iter().map(|outpoint| outpoint.txid).collect();
    for txid in parents {
        let Some(parent) = unconfirmed(&txid) else { continue };
        let dust = policy::dust_outputs(&parent, network).into_iter().filter_map(|vout| u32::try_from(vout).ok());
        if let Some(outpoint) = dust.map(|vout| OutPoint { txid, vout }).find(|outpoint| !spent.contains(outpoint)) {
            return Err(RejectReason::UnspentDust { outpoint });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MempoolLimits;
    use crate::test_support::{COIN, World, output, pay, unsigned};
    use mycoin_primitives::FeeRate;

    /// A world that relays without a fee, where dust can be seen alone.
    fn free_world() -> World {
        World::with(Network::demo(), MempoolLimits { minimum_rate: FeeRate::ZERO, ..MempoolLimits::default() })
    }

    fn parent(world: &mut World, coin: usize, fee: u64) -> Transaction {
        let coin = world.fund(2).remove(coin);
        world.sign(unsigned(&[coin], vec![pay(COIN - 200 - fee), pay(200)]))
    }

    #[test]
    fn dust_with_fee() {
        let mut world = free_world();
        let tx = parent(&mut world, 0, 1);
        let refused = world.accept(&tx).expect_err("it pays a fee");
        let (value, least) = (Amount::from_sat(200), Amount::from_sat(294));
        assert_eq!(refused, RejectReason::DustWithFee { output: 1, value, least });
        assert_eq!(refused.reject_details(&tx), "dust, tx with dust output must be 0-fee");
        let tx = parent(&mut world, 0, 0);
        assert!(world.accept(&tx).is_ok());
    }

    #[test]
    fn free_dust_still_needs_the_relay_fee() {
        let mut world = World::new();
        let tx = parent(&mut world, 0, 0);
        let refused = world.accept(&tx).expect_err("it pays nothing");
        assert_eq!(refused.reject_reason(), "min relay fee not met");
    }

    #[test]
    fn unspent_dust() {
        let mut world = free_world();
        let (first, second) = (parent(&mut world, 0, 0), parent(&mut world, 1, 0));
        assert!(world.accept(&first).is_ok() && world.accept(&second).is_ok());
        let all = [output(&first, 0), output(&first, 1), output(&second, 0), output(&second, 1)];
        for left in [1, 3] {
            let spent: Vec<OutPoint> = all.iter().copied().filter(|coin| *coin != all[left]).collect();
            let tx = world.spend(&spent, 1, 1_000);
            let refused = world.accept(&tx).expect_err("it leaves dust");
            assert_eq!(refused, RejectReason::UnspentDust { outpoint: all[left] });
            assert_eq!(refused.reject_reason(), "missing-ephemeral-spends");
        }
        world.send(&all, 1, 1_000);
        assert_eq!(world.pool.len(), 3);
    }

    #[test]
    fn confirmed_dust_may_stay() {
        let mut world = free_world();
        let tx = parent(&mut world, 0, 0);
        world.mine_block(vec![tx.clone()]);
        let spending = world.spend(&[output(&tx, 0)], 1, 1_000);
        assert!(world.accept(&spending).is_ok());
    }
}
