//! Ways to break a block, one at a time.

use mycoin_primitives::bitcoin::absolute::LockTime;
use mycoin_primitives::bitcoin::block::Version;
use mycoin_primitives::bitcoin::transaction;
use mycoin_primitives::hashes::Hash;
use mycoin_primitives::{
    Amount, Block, BlockHash, CompactTarget, MAX_MONEY, OutPoint, ScriptBuf, Sequence, Transaction, TxMerkleNode,
    TxOut, Txid, Witness,
};
use rand::seq::{IndexedRandom as _, SliceRandom as _};
use rand::{Rng as _, RngCore as _};

use super::world::{Plan, World};

/// When a block is spoilt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Before its commitment and Merkle root, which then fit.
    Unsealed,
    /// After them, before its proof of work.
    Sealed,
    /// At last.
    Solved,
}

/// A way to break a block.
pub(super) struct Spoiler {
    /// Its name.
    pub(super) name: &'static str,
    stage: Stage,
    apply: fn(&mut World, &Plan, &mut Block),
}

impl Spoiler {
    /// Any of them.
    pub(super) fn any(world: &mut World) -> &'static Self {
        SPOILERS.choose(&mut world.rng).unwrap_or(&SPOILERS[0])
    }

    /// Makes the block of the plan, broken in this way.
    pub(super) fn make(&self, world: &mut World, plan: &Plan) -> Block {
        let mut block = plan.draft.clone();
        let at = |stage, world: &mut World, block: &mut Block| {
            if self.stage == stage {
                (self.apply)(world, plan, block);
            }
        };
        at(Stage::Unsealed, world, &mut block);
        world.lab.seal(&mut block);
        at(Stage::Sealed, world, &mut block);
        let mut block = world.lab.solve(block).as_ref().clone();
        at(Stage::Solved, world, &mut block);
        world.lab.remember(&block);
        block
    }
}

const fn unsealed(name: &'static str, apply: fn(&mut World, &Plan, &mut Block)) -> Spoiler {
    Spoiler { name, stage: Stage::Unsealed, apply }
}

const fn sealed(name: &'static str, apply: fn(&mut World, &Plan, &mut Block)) -> Spoiler {
    Spoiler { name, stage: Stage::Sealed, apply }
}

const fn solved(name: &'static str, apply: fn(&mut World, &Plan, &mut Block)) -> Spoiler {
    Spoiler { name, stage: Stage::Solved, apply }
}

static SPOILERS: [Spoiler; 48] = [
    sealed("another target", |_, _, block| {
        block.header.bits = CompactTarget::from_consensus(block.header.bits.to_consensus() - 1);
    }),
    sealed("time of the median", |world, plan, block| block.header.time = world.lab.median_time_past(plan.parent)),
    sealed("earlier time", |world, plan, block| {
        let before = world.rng.random_range(0..10_000);
        block.header.time = world.lab.median_time_past(plan.parent) - before;
    }),
    sealed("time far ahead", |_, _, block| block.header.time = u32::MAX),
    sealed("any version", |world, _, block| {
        block.header.version = Version::from_consensus(world.rng.next_u32().cast_signed());
    }),
    sealed("small version", |world, _, block| {
        block.header.version = Version::from_consensus(world.rng.random_range(-3..=5));
    }),
    sealed("unknown parent", |world, _, block| {
        block.header.prev_blockhash = BlockHash::from_byte_array(bytes(world));
    }),
    sealed("another recent parent", |world, _, block| block.header.prev_blockhash = world.any_recent()),
    sealed("another root", |world, _, block| block.header.merkle_root = TxMerkleNode::from_byte_array(bytes(world))),
    solved("another nonce", |_, _, block| block.header.nonce = block.header.nonce.wrapping_add(1)),
    solved("any target", |world, _, block| block.header.bits = CompactTarget::from_consensus(world.rng.next_u32())),
    solved("a transaction left out", |world, _, block| {
        let place = world.rng.random_range(0..block.txdata.len());
        block.txdata.remove(place);
    }),
    solved("the tail repeated", |world, _, block| {
        let count = world.rng.random_range(1..=block.txdata.len());
        block.txdata.extend_from_within(block.txdata.len() - count..);
    }),
    solved("witnesses stripped", |_, _, block| {
        block.txdata.iter_mut().flat_map(|tx| &mut tx.input).for_each(|input| input.witness.clear());
    }),
    solved("a payment's witnesses stripped", |world, _, block| {
        with_payment(world, block, |_, tx| tx.input.iter_mut().for_each(|input| input.witness.clear()));
    }),
    solved("an amount altered", |world, _, block| {
        let place = world.rng.random_range(0..block.txdata.len());
        if let Some(output) = block.txdata[place].output.first_mut() {
            output.value = Amount::from_sat(output.value.to_sat() ^ 1);
        }
    }),
    solved("another nonce in the coinbase", |world, _, block| {
        let length = world.rng.random_range(0..40);
        block.txdata[0].input[0].witness = Witness::from_slice(&[vec![1; length]]);
    }),
    unsealed("a satoshi too much", |_, _, block| block.txdata[0].output[0].value += Amount::ONE_SAT),
    unsealed("any amount of the coinbase", |world, _, block| {
        block.txdata[0].output[0].value = Amount::from_sat(world.rng.random_range(0..=10_000_000_000));
    }),
    unsealed("another height", |world, _, block| {
        let mut script = block.txdata[0].input[0].script_sig.to_bytes();
        script[1] ^= world.rng.random_range(0..=3);
        block.txdata[0].input[0].script_sig = ScriptBuf::from_bytes(script);
    }),
    unsealed("another length of the coinbase's script", |world, _, block| {
        let mut script = block.txdata[0].input[0].script_sig.to_bytes();
        script.resize(world.rng.random_range(0..110), 0x51);
        block.txdata[0].input[0].script_sig = ScriptBuf::from_bytes(script);
    }),
    unsealed("a second coinbase", |_, _, block| {
        let mut second = block.txdata[0].clone();
        second.output[0].value = Amount::ZERO;
        block.txdata.push(second);
    }),
    unsealed("a lock time in the coinbase", |world, _, block| {
        block.txdata[0].lock_time = LockTime::from_consensus(world.rng.random_range(0..1_000));
        block.txdata[0].input[0].sequence = Sequence::ZERO;
    }),
    unsealed("no coinbase", |_, _, block| drop(block.txdata.remove(0))),
    unsealed("another order", |world, _, block| block.txdata.shuffle(&mut world.rng)),
    unsealed("payments in another order", |world, _, block| block.txdata[1..].shuffle(&mut world.rng)),
    unsealed("a payment twice", |world, _, block| {
        if let Some(tx) = block.txdata[1..].choose(&mut world.rng).cloned() {
            let place = world.rng.random_range(1..=block.txdata.len());
            block.txdata.insert(place, tx);
        }
    }),
    unsealed("an output spent again", |world, _, block| {
        let inputs: Vec<_> = block.txdata[1..].iter().flat_map(|tx| tx.input.clone()).collect();
        if let Some(input) = inputs.choose(&mut world.rng) {
            with_payment(world, block, |_, tx| tx.input.push(input.clone()));
        }
    }),
    unsealed("an unknown output spent", |world, _, block| {
        with_payment(world, block, |world, tx| {
            tx.input[0].previous_output.txid = Txid::from_byte_array(bytes(world));
        });
    }),
    unsealed("another index spent", |world, _, block| {
        with_payment(world, block, |world, tx| tx.input[0].previous_output.vout += world.rng.random_range(1..5));
    }),
    unsealed("an output of another branch spent", |world, plan, block| {
        let other = world.any_recent();
        let (Some(there), Some(here)) = (world.coins(other), world.coins(plan.parent)) else { return };
        let only_there: Vec<OutPoint> = there.keys().filter(|outpoint| !here.contains_key(outpoint)).copied().collect();
        if let Some(outpoint) = only_there.choose(&mut world.rng) {
            with_payment(world, block, |_, tx| tx.input[0].previous_output = *outpoint);
        }
    }),
    unsealed("a young coinbase spent", |world, plan, block| {
        let Some(coins) = world.coins(plan.parent) else { return };
        let height = world.lab.height(plan.parent).next().to_u32();
        let young: Vec<_> = coins.values().filter(|coin| coin.is_coinbase && height - coin.height < 100).collect();
        if let Some(coin) = young.choose(&mut world.rng) {
            let tx = world.lab.pay(&coin.owned, coin.owned.lock.clone());
            block.txdata.push(tx);
        }
    }),
    unsealed("a bit of a script", |world, _, block| {
        with_payment(world, block, |world, tx| {
            let place = world.rng.random_range(0..tx.input.len());
            let input = &mut tx.input[place];
            let mut script = input.script_sig.to_bytes();
            flip(world, &mut script);
            input.script_sig = ScriptBuf::from_bytes(script);
        });
    }),
    unsealed("a bit of a witness", |world, _, block| {
        with_witness(world, block, |world, items| {
            let place = world.rng.random_range(0..items.len());
            flip(world, &mut items[place]);
        })
    }),
    unsealed("a witness item more", |world, _, block| with_witness(world, block, |_, items| items.insert(0, vec![1]))),
    unsealed("a witness item less", |world, _, block| with_witness(world, block, |_, items| drop(items.remove(0)))),
    unsealed("a witness item cut", |world, _, block| {
        with_witness(world, block, |world, items| {
            let place = world.rng.random_range(0..items.len());
            items[place].pop();
        })
    }),
    unsealed("no witness", |world, _, block| with_witness(world, block, |_, items| items.clear())),
    unsealed("an unexpected witness", |world, _, block| {
        with_payment(world, block, |world, tx| {
            let place = world.rng.random_range(0..tx.input.len());
            tx.input[place].witness.push([1]);
        });
    }),
    unsealed("a push more in a script", |world, _, block| {
        with_payment(world, block, |world, tx| {
            let place = world.rng.random_range(0..tx.input.len());
            let script = [vec![0x51], tx.input[place].script_sig.to_bytes()].concat();
            tx.input[place].script_sig = ScriptBuf::from_bytes(script);
        });
    }),
    unsealed("an output altered after signing", |world, _, block| {
        with_payment(world, block, |world, tx| {
            let place = world.rng.random_range(0..tx.output.len());
            tx.output[place].value = Amount::from_sat(tx.output[place].value.to_sat() / 2);
        });
    }),
    unsealed("outputs above inputs", |world, _, block| {
        with_payment(world, block, |_, tx| tx.output[0].value += Amount::from_sat(2_000_000_000_000));
    }),
    unsealed("an amount at a bound", |world, _, block| {
        let bounds = [MAX_MONEY.to_sat(), MAX_MONEY.to_sat() + 1, u64::MAX, 1 << 63, (1 << 63) - 1];
        with_payment(world, block, |world, tx| {
            let value = *bounds.choose(&mut world.rng).unwrap_or(&u64::MAX);
            let place = world.rng.random_range(0..tx.output.len());
            tx.output[place].value = Amount::from_sat(value);
        });
    }),
    unsealed("no outputs", |world, _, block| with_payment(world, block, |_, tx| tx.output.clear())),
    unsealed("a null input", |world, _, block| {
        with_payment(world, block, |_, tx| {
            let mut input = tx.input[0].clone();
            input.previous_output = OutPoint::null();
            tx.input.push(input);
        });
    }),
    unsealed("any lock time and sequence", |world, _, block| {
        with_payment(world, block, |world, tx| {
            let far = world.chance(50);
            let bound = if far { u32::MAX } else { 1_000 };
            tx.lock_time = LockTime::from_consensus(world.rng.random_range(0..bound));
            let place = world.rng.random_range(0..tx.input.len());
            tx.input[place].sequence = Sequence::from_consensus(world.rng.random_range(0..bound));
        });
    }),
    unsealed("any transaction version", |world, _, block| {
        with_payment(world, block, |world, tx| tx.version = transaction::Version(world.rng.next_u32().cast_signed()));
    }),
    unsealed("many signature operations", |world, _, block| {
        let count = world.rng.random_range(19_900..20_100);
        let script_pubkey = ScriptBuf::from_bytes(vec![0xac; count]);
        block.txdata[0].output.push(TxOut { value: Amount::ZERO, script_pubkey });
    }),
];

fn bytes(world: &mut World) -> [u8; 32] {
    let mut bytes = [0; 32];
    world.rng.fill_bytes(&mut bytes);
    bytes
}

fn flip(world: &mut World, bytes: &mut [u8]) {
    if !bytes.is_empty() {
        let place = world.rng.random_range(0..bytes.len());
        bytes[place] ^= 1 << world.rng.random_range(0..8);
    }
}

/// Changes one of the payments, if there is one.
fn with_payment(world: &mut World, block: &mut Block, change: impl FnOnce(&mut World, &mut Transaction)) {
    if block.txdata.len() > 1 {
        let place = world.rng.random_range(1..block.txdata.len());
        change(world, &mut block.txdata[place]);
    }
}

/// Changes one of the payments' witnesses, if there is one.
fn with_witness(world: &mut World, block: &mut Block, change: impl FnOnce(&mut World, &mut Vec<Vec<u8>>)) {
    let has_witness = |tx: &Transaction, input: usize| !tx.input[input].witness.is_empty();
    let places: Vec<(usize, usize)> = (1..block.txdata.len())
        .flat_map(|tx| (0..block.txdata[tx].input.len()).map(move |input| (tx, input)))
        .filter(|(tx, input)| has_witness(&block.txdata[*tx], *input))
        .collect();
    if let Some((tx, input)) = places.choose(&mut world.rng) {
        let mut items = block.txdata[*tx].input[*input].witness.to_vec();
        change(world, &mut items);
        block.txdata[*tx].input[*input].witness = Witness::from_slice(&items);
    }
}
