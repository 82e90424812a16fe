//! Random pools: whatever happens, the totals stay right and the template is a block that connects.

use std::collections::HashSet;
use std::sync::Arc;

use mycoin_consensus::{check_block, check_block_in_context, coins_needed, connect_block};
use mycoin_primitives::bitcoin::transaction::Version;
use mycoin_primitives::{Amount, Block, FeeRate, Network, OutPoint, Transaction};
use proptest::prelude::*;

use crate::test_support::{World, output};
use crate::{CoinSource as _, MempoolLimits, TemplateOptions};

/// One thing that happens. Numbers choose among what is there at the time.
#[derive(Debug, Clone)]
enum Step {
    Send { coins: Vec<u16>, outputs: u64, fee: u64, version: i32 },
    Replace { which: u16, factor: u64 },
    Mine { count: u32 },
    MineConflict { which: u16 },
    Reorganise { depth: usize },
    Expire { hours: u64 },
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => (prop::collection::vec(any::<u16>(), 1..4), 1..4u64, 50..5_000u64, 1..=3i32)
            .prop_map(|(coins, outputs, fee, version)| Step::Send { coins, outputs, fee, version }),
        2 => (any::<u16>(), 1..6u64).prop_map(|(which, factor)| Step::Replace { which, factor }),
        1 => (0..6u32).prop_map(|count| Step::Mine { count }),
        1 => any::<u16>().prop_map(|which| Step::MineConflict { which }),
        1 => (0..3usize).prop_map(|depth| Step::Reorganise { depth }),
        1 => (0..200u64).prop_map(|hours| Step::Expire { hours }),
        1 => Just(Step::Restart),
    ]
}

/// One of `items`; none if there are none.
fn choose<T: Copy>(items: &[T], number: u16) -> Option<T> {
    items.get(usize::from(number) % items.len().max(1)).copied()
}

/// Coins that nothing spends, confirmed ones first, in a fixed order.
fn spendable(world: &World) -> Vec<OutPoint> {
    let mut coins: Vec<OutPoint> = world.chain.coins.keys().copied().collect();
    let waiting = world.pool.all();
    coins
        .extend(waiting.iter().flat_map(|entry| (0..entry.tx.output.len()).map(|vout| output(&entry.tx, vout as u32))));
    coins.retain(|outpoint| world.pool.spender(outpoint).is_none());
    coins.sort();
    coins
}

fn take(world: &mut World, step: &Step) {
    match step {
        Step::Send { coins, outputs, fee, version } => {
            let all = spendable(world);
            let mut inputs: Vec<OutPoint> = coins.iter().filter_map(|number| choose(&all, *number)).collect();
            inputs.sort();
            inputs.dedup();
            send(world, &inputs, *outputs, *fee, *version);
        }
        Step::Replace { which, factor } => {
            let all: Vec<_> = world.pool.all().iter().map(|entry| (entry.txid, entry.descendants.fees)).collect();
            let Some((txid, fees)) = choose(&all, *which) else { return };
            let Some(old) = world.pool.get(&txid) else { return };
            let inputs: Vec<OutPoint> = old.input.iter().map(|input| input.previous_output).collect();
            send(world, &inputs, 1, fees.to_sat().saturating_mul(*factor) + 20, old.version.0);
        }
        Step::Mine { count } => {
            world.mine(*count);
        }
        Step::MineConflict { which } => {
            let spent: Vec<OutPoint> =
                world.chain.coins.keys().filter(|coin| world.pool.spender(coin).is_some()).copied().collect();
            let mut spent = spent;
            spent.sort();
            if let Some(coin) = choose(&spent, *which) {
                let tx = world.spend(&[coin], 1, 10);
                world.mine_block(vec![tx]);
            }
        }
        Step::Reorganise { depth } => {
            use mycoin_consensus::HeaderBranch as _;
            let height = usize::try_from(world.chain.tip_height().to_u32()).expect("usize has 32 bits");
            world.reorganise((*depth).min(height), Vec::new());
        }
        Step::Expire { hours } => {
            world.now += hours * 3_600;
            world.pool.expire(world.now);
        }
        Step::Restart => {
            let (bytes, count) = (world.pool.dump(), world.pool.len());
            let mut again = crate::Mempool::new(world.network.clone(), world.pool.limits.clone());
            let report = again.load(&bytes, &world.chain, &world.chain, world.now);
            assert_eq!((report.damaged, report.loaded + report.refused + report.expired), (0, count));
            world.pool = again;
        }
    }
    world.pool.assert_consistent();
    world.pool.take_events();
}

fn send(world: &mut World, inputs: &[OutPoint], outputs: u64, fee: u64, version: i32) {
    let held: u64 = inputs.iter().filter_map(|coin| world.value_of(coin)).sum();
    if !inputs.is_empty() && held > fee + outputs * 400 {
        let mut tx = world.spend(inputs, outputs, fee);
        tx.version = Version(version);
        let tx = world.sign(tx);
        // Refusals (limits on clusters and on version 3, immature coins, a full pool, poor replacements) are part of the game.
        let _ = world.accept(&tx);
    }
}

/// Every consensus rule but the proof of work.
fn check_block_holds(world: &World, block: &Block) {
    let checked = check_block(Arc::new(block.clone()), &world.network).expect("the template is a block");
    check_block_in_context(&checked, &world.network, &world.chain).expect("it fits on the tip");
    let needed = coins_needed(block).into_iter();
    let coins = needed.filter_map(|outpoint| world.chain.coin(&outpoint).map(|coin| (outpoint, coin))).collect();
    let effects = connect_block(&checked, &world.network, &world.chain, coins).expect("it spends what is there");
    effects.script_checks(&checked).iter().for_each(|check| check.run(None).expect("its scripts hold"));
}

fn check_template(world: &mut World, max_transactions: Option<u32>) -> Result<(), TestCaseError> {
    let options = TemplateOptions { max_transactions, ..world.options() };
    let template = world.pool.block_template(&world.chain, &options);
    let block = &template.block;
    let transactions: Vec<&Transaction> = block.txdata.iter().skip(1).collect();
    let ids: HashSet<_> = transactions.iter().map(|tx| tx.compute_txid()).collect();
    prop_assert_eq!(ids.len(), transactions.len());
    prop_assert!(max_transactions.is_none_or(|most| transactions.len() <= most as usize));
    prop_assert!(block.weight().to_wu() <= 4_000_000);
    prop_assert!(template.sigop_costs.iter().sum::<u64>() <= 80_000 - 400);
    prop_assert_eq!(template.fees.iter().copied().sum::<Amount>(), template.total_fees);
    for (tx, fee) in transactions.iter().zip(&template.fees) {
        prop_assert_eq!(world.pool.entry(&tx.compute_txid()).map(|entry| entry.fee), Some(*fee));
    }
    prop_assert_eq!(block.txdata[0].output[0].value, template.subsidy + template.total_fees);
    check_block_holds(world, block);
    if max_transactions.is_none() {
        // These pools are far smaller than a block.
        prop_assert_eq!(transactions.len(), world.pool.len());
    }
    // Panics when a transaction stands before one that it depends on.
    world.chain.clone().connect(block);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn totals_stay_right_and_templates_connect(
        steps in prop::collection::vec(step(), 1..60),
        memory in prop_oneof![Just(300_000_000usize), 8_000..40_000usize],
        most in 0..8u32,
    ) {
        let limits = MempoolLimits { memory, ..MempoolLimits::default() };
        let mut world = World::with(Network::demo(), limits);
        world.fund(12);
        for step in &steps {
            take(&mut world, step);
            prop_assert!(world.pool.info(world.now).memory <= memory);
        }
        check_template(&mut world, None)?;
        check_template(&mut world, Some(most))?;
        prop_assert!(world.pool.min_fee(world.now) >= FeeRate::from_sat_per_kvb(100));
    }

    #[test]
    fn a_damaged_file_never_stops_the_start(
        count in 0..5u8,
        damage in prop::collection::vec((any::<u16>(), any::<u8>()), 0..4),
        cut in any::<u16>(),
    ) {
        let mut world = World::new();
        for coin in world.fund(count) {
            world.send(&[coin], 1, 1_000);
        }
        let mut bytes = world.pool.dump();
        for (place, value) in damage {
            let place = usize::from(place) % bytes.len();
            bytes[place] = value;
        }
        bytes.truncate(bytes.len().saturating_sub(usize::from(cut % 300)));
        let mut again = crate::Mempool::new(world.network.clone(), MempoolLimits::default());
        let report = again.load(&bytes, &world.chain, &world.chain, world.now);
        again.assert_consistent();
        prop_assert!(report.loaded <= usize::from(count));
    }
}
