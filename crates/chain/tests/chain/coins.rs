//! The figures of `gettxoutsetinfo`.

use std::collections::{HashMap, HashSet};

use mycoin_primitives::bitcoin::consensus::encode;
use mycoin_primitives::hashes::{Hash as _, sha256d};

use crate::help::{Outcome, builder, feed, fresh, payment};

#[test]
fn hash_serialized_3_is_over_outpoint_origin_amount_and_script_in_the_order_of_outpoints() -> Outcome {
    let (_folder, chain) = fresh();
    assert_eq!(chain.coin_statistics()?.hash_serialized_3, sha256d::Hash::hash(b""));
    let mut builder = builder(5);
    builder.mine(vec![payment(&builder, 1, 700)]);
    feed(&chain, &builder)?;
    let mut coins: Vec<_> = builder.coins().iter().collect();
    coins.sort_by_key(|(outpoint, _)| (outpoint.txid.to_byte_array(), outpoint.vout));
    let (mut bytes, mut bogosize) = (Vec::new(), 0);
    for (outpoint, coin) in coins {
        let script = coin.output.script_pubkey.as_bytes();
        bytes.extend_from_slice(outpoint.txid.as_byte_array());
        bytes.extend_from_slice(&outpoint.vout.to_le_bytes());
        bytes.extend_from_slice(&(coin.height.to_u32() * 2 + u32::from(coin.is_coinbase)).to_le_bytes());
        bytes.extend_from_slice(&coin.output.value.to_sat().to_le_bytes());
        bytes.extend_from_slice(&encode::serialize(&encode::VarInt(script.len() as u64)));
        bytes.extend_from_slice(script);
        bogosize += 32 + 4 + 4 + 8 + 2 + script.len() as u64;
    }
    let statistics = chain.coin_statistics()?;
    assert_eq!(statistics.hash_serialized_3, sha256d::Hash::hash(&bytes));
    assert_eq!(statistics.bogosize, bogosize);
    let makers: HashSet<_> = builder.coins().keys().map(|outpoint| outpoint.txid).collect();
    assert_eq!(statistics.transactions, makers.len() as u64);
    Ok(())
}

#[test]
fn coins_are_found_by_their_scripts() -> Outcome {
    let (_folder, chain) = fresh();
    let mut builder = builder(4);
    builder.mine(vec![payment(&builder, 0, 700)]);
    feed(&chain, &builder)?;
    let script = builder.key().script();
    let found = chain.find_coins(&HashSet::from([script.clone()]))?;
    assert_eq!((found.tip.hash, found.looked_at), (builder.tip().block_hash(), builder.coins().len() as u64));
    let expected: HashMap<_, _> =
        builder.coins().iter().filter(|(_, coin)| coin.output.script_pubkey == script).collect();
    assert_eq!(found.coins.len(), expected.len());
    for (outpoint, coin, block) in &found.coins {
        assert_eq!(expected.get(outpoint), Some(&coin));
        assert_eq!(chain.hash_at(coin.height), Some(*block));
    }
    let elsewhere = mycoin_testkit::keys::Key::taproot(9).script();
    assert!(chain.find_coins(&HashSet::from([elsewhere]))?.coins.is_empty());
    Ok(())
}
