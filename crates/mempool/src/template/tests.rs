//! What goes into a block, in what order, and what stands around it.

use mycoin_primitives::bitcoin::consensus;

use super::*;
use crate::MempoolLimits;
use crate::test_support::{COIN, World, output, own_script, pay, unsigned};

fn chosen(world: &mut World, most: Option<u32>) -> Vec<Txid> {
    let options = TemplateOptions { max_transactions: most, ..world.options() };
    let template = world.pool.block_template(&world.chain, &options);
    world.chain.clone().connect(&template.block);
    template.block.txdata.iter().skip(1).map(Transaction::compute_txid).collect()
}

fn ids<const N: usize>(transactions: [&Transaction; N]) -> Vec<Txid> {
    transactions.map(Transaction::compute_txid).to_vec()
}

#[test]
fn the_best_rate_comes_first() {
    let mut world = World::new();
    let coins = world.fund(3);
    let [low, high, middle] = [(0, 100), (1, 900), (2, 500)].map(|(coin, fee)| world.send(&[coins[coin]], 1, fee));
    assert_eq!(chosen(&mut world, None), ids([&high, &middle, &low]));
    assert_eq!(chosen(&mut world, Some(2)), ids([&high, &middle]));
}

#[test]
fn a_child_pays_for_its_parents() {
    let mut world = World::new();
    let coins = world.fund(2);
    let parent = world.send(&coins[..1], 1, 100);
    let other = world.send(&coins[1..], 1, 500);
    let child = world.send(&[output(&parent, 0)], 1, 5_000);
    assert_eq!(chosen(&mut world, None), ids([&parent, &child, &other]));
}

#[test]
fn once_a_parent_is_in_its_other_children_stand_better() {
    let mut world = World::new();
    let coins = world.fund(2);
    let parent = world.send(&coins[..1], 2, 20);
    let rich = world.send(&[output(&parent, 0)], 1, 5_000);
    // With the parent it would pay less than the other, alone it pays more.
    let sibling = world.send(&[output(&parent, 1)], 1, 600);
    let other = world.send(&coins[1..], 1, 500);
    assert_eq!(chosen(&mut world, None), ids([&parent, &rich, &sibling, &other]));
}

#[test]
fn a_choice_within_a_count_holds_every_ancestor() {
    let mut world = World::new();
    let coins = world.fund(2);
    let first = world.send(&coins[..1], 1, 300);
    let second = world.send(&[output(&first, 0)], 1, 400);
    world.send(&[output(&second, 0)], 1, 90_000);
    let other = world.send(&coins[1..], 1, 200);
    // The package of three would pay most, but two are wanted.
    assert_eq!(chosen(&mut world, Some(2)), ids([&first, &second]));
    assert_eq!(chosen(&mut world, Some(1)), ids([&first]));
    assert_eq!(chosen(&mut world, Some(0)), []);
    assert_eq!(chosen(&mut world, Some(4)).last(), Some(&other.compute_txid()));
}

#[test]
fn a_block_never_weighs_too_much() {
    let mut world = World::new();
    for coin in world.fund(28) {
        let mut data = vec![0x6a, 0x4d];
        data.extend(39_800u16.to_le_bytes());
        data.resize(data.len() + 39_800, 1);
        let data = TxOut { value: Amount::ZERO, script_pubkey: data.into() };
        let tx = world.sign(unsigned(&[coin], vec![pay(COIN - 10_000), data]));
        world.pool.accept(tx, &world.chain, &world.chain, world.now).expect("it is within the limits");
    }
    let options = TemplateOptions { coinbase_script: ScriptBuf::from_bytes(vec![0x6a; 9_900]), ..world.options() };
    let block = world.pool.block_template(&world.chain, &options).block;
    let weight = block.weight().to_wu();
    assert!((3_800_000..=MAX_BLOCK_WEIGHT).contains(&weight), "{weight}");
    assert!(u64::try_from(consensus::serialize(&block).len()).is_ok_and(|size| size < MAX_BLOCK_WEIGHT));
}

#[test]
fn a_block_never_costs_too_many_signature_operations() {
    let mut world = World::new();
    for coin in world.fund(8) {
        let tx = world.send(&[coin], 1, 1_000);
        world.pool.entries.get_mut(&tx.compute_txid()).expect("it waits").sigop_cost = 16_000;
    }
    // Four fit in 80,000; 400 are kept for the coinbase, so five do not.
    assert_eq!(chosen(&mut world, None).len(), 4);
}

#[test]
fn what_is_locked_stays_out_with_its_descendants() {
    let mut world = World::new();
    let coins = world.fund(2);
    world.mine(0);
    let mut locked = unsigned(&coins[..1], vec![pay(COIN - 9_000)]);
    locked.lock_time = LockTime::from_consensus(1);
    let locked = world.sign(locked);
    world.accept(&locked).expect("height 2 is next");
    world.send(&[output(&locked, 0)], 1, 9_000);
    let free = world.send(&coins[1..], 1, 100);
    world.chain.disconnect();
    assert_eq!(chosen(&mut world, None), ids([&free]));
}

#[test]
fn the_coinbase_collects_subsidy_and_fees_and_differs_in_each_block() {
    let mut world = World::new();
    let coins = world.fund(1);
    world.send(&coins, 1, 1_234);
    world.mine(0);
    let options = world.options();
    let template = world.pool.block_template(&world.chain, &options);
    let coinbase = &template.block.txdata[0];
    assert_eq!(template.height, Height::new(2));
    assert_eq!(coinbase.output[0].value, world.network.first_subsidy + Amount::from_sat(1_234));
    assert_eq!(coinbase.output[0].script_pubkey, own_script());
    assert_eq!((template.fees, template.total_fees), (vec![Amount::from_sat(1_234)], Amount::from_sat(1_234)));
    assert!(coinbase.input[0].script_sig.as_bytes().starts_with(&[0x52]));
    // BIP54.
    assert_eq!(coinbase.lock_time.to_consensus_u32(), 1);
    assert_eq!(coinbase.input[0].sequence, Sequence(0xffff_fffe));

    let again = TemplateOptions { extra_nonce: options.extra_nonce + 1, ..options };
    let other = world.pool.block_template(&world.chain, &again).block;
    assert_ne!(other.header.merkle_root, template.block.header.merkle_root);
}

#[test]
fn without_bip54_the_coinbase_is_bitcoins() {
    let mut world = World::with(Network::regtest(), MempoolLimits::default());
    world.mine(0);
    let block = world.mine(0);
    assert_eq!(block.txdata[0].lock_time, LockTime::ZERO);
    assert_eq!(block.txdata[0].input[0].sequence, Sequence::MAX);
    assert_eq!(block.header.bits, world.network.pow_limit);
}

#[test]
fn the_header_is_never_earlier_than_allowed() {
    let mut world = World::new();
    world.mine(0);
    world.now += 60;
    let late = world.options();
    let template = world.pool.block_template(&world.chain, &late);
    assert_eq!(template.block.header.time, late.now);
    let early = TemplateOptions { now: 1, ..late };
    let template = world.pool.block_template(&world.chain, &early);
    assert_eq!(template.block.header.time, template.minimum_time);
    assert!(template.minimum_time > world.network.genesis.time);
}

#[test]
fn what_pays_less_than_the_lowest_rate_is_not_mined() {
    let limits = MempoolLimits { minimum_rate: mycoin_primitives::FeeRate::ZERO, ..MempoolLimits::default() };
    let mut world = World::with(Network::demo(), limits);
    let coins = world.fund(2);
    // One satoshi pays for up to 1,000 virtual bytes.
    let free = world.send(&coins[..1], 1, 0);
    let cheap = world.send(&coins[1..], 1, 1);
    assert_eq!(chosen(&mut world, None), ids([&cheap]));
    // A child pays for both.
    let child = world.send(&[output(&free, 0)], 1, 1);
    assert_eq!(chosen(&mut world, None), ids([&cheap, &free, &child]));
}
