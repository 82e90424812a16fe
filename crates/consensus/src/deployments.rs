//! The soft forks that Bitcoin deployed, and the height from which each holds.
//!
//! In:    a network and a height.
//! Out:   what scripts are held to there ([`script_flags`]), and the table for people ([`SOFT_FORKS`]).
//! Never: a vote of the miners. Everything is buried at fixed heights (BIP90), and no later than block 1.
//!
//! The heights are those of Bitcoin's regtest, and our own networks have the same. The genesis block is never checked, so
//! the rules that are no script's (in `header.rs`, `block.rs`, `spend.rs`, `connect.rs`) need not ask for a height.
//!
//! Source: Bitcoin Core `CRegTestParams`, kernel/chainparams.cpp; `GetBlockScriptFlags`, validation.cpp.

use mycoin_primitives::{Height, Network};
use mycoin_script::ScriptFlags;

/// One soft fork.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SoftFork {
    /// The number of the BIP that describes it.
    pub bip: u16,
    /// What it asks for.
    pub rule: &'static str,
    /// The first height at which it holds.
    pub from: Height,
    /// What it asks of scripts; empty for a rule about something else.
    pub flags: ScriptFlags,
}

const fn fork(bip: u16, from: u32, flags: ScriptFlags, rule: &'static str) -> SoftFork {
    SoftFork { bip, rule, from: Height::new(from), flags }
}

/// Every soft fork that Bitcoin deployed and that still asks for something, by BIP.
pub const SOFT_FORKS: [SoftFork; 13] = [
    fork(16, 0, ScriptFlags::P2SH, "an output that locks to a script's hash is spent by that script"),
    fork(30, 1, ScriptFlags::NONE, "no transaction has the id of one with unspent outputs"),
    fork(34, 1, ScriptFlags::NONE, "a coinbase begins with its block's height; versions from 2"),
    fork(65, 1, ScriptFlags::CHECKLOCKTIMEVERIFY, "a script can ask for a lock time; versions from 4"),
    fork(66, 1, ScriptFlags::DERSIG, "ECDSA signatures have their one encoding; versions from 3"),
    fork(68, 1, ScriptFlags::NONE, "sequence numbers are relative lock times"),
    fork(112, 1, ScriptFlags::CHECKSEQUENCEVERIFY, "a script can ask for a relative lock time"),
    fork(113, 1, ScriptFlags::NONE, "lock times are measured by the median time past"),
    fork(141, 0, ScriptFlags::WITNESS, "witnesses, their commitment, weight and the cost of signature operations"),
    fork(143, 0, ScriptFlags::WITNESS, "signatures of witness version 0 commit to the amount that they spend"),
    fork(147, 0, ScriptFlags::NULLDUMMY, "the item that CHECKMULTISIG takes in vain is empty"),
    fork(341, 0, ScriptFlags::TAPROOT, "taproot: a key or a tree of scripts"),
    fork(342, 0, ScriptFlags::TAPROOT, "tapscript, the language of taproot's scripts"),
];

/// What the scripts of the block at `height` are held to.
///
/// The RSA lock holds from the beginning where the network has it; as a script flag it is one more restriction.
///
/// Source: Bitcoin Core `GetBlockScriptFlags`, validation.cpp.
pub fn script_flags(network: &Network, height: Height) -> ScriptFlags {
    let own = if network.rsa { ScriptFlags::RSA_LOCK } else { ScriptFlags::NONE };
    let active = SOFT_FORKS.iter().filter(|fork| fork.from <= height);
    active.fold(own, |flags, fork| flags.union(fork.flags))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_block_after_genesis_is_held_to_the_same_script_flags() {
        for network in [Network::demo(), Network::mycoin(), Network::regtest()] {
            for height in [1, 2, 149, 150, 209_921, 1_983_702, u32::MAX] {
                assert_eq!(script_flags(&network, Height::new(height)), ScriptFlags::consensus(&network), "{height}");
            }
        }
    }

    /// Regtest's genesis has segwit and taproot already, and not what was buried at height 1.
    #[test]
    fn heights_are_those_of_bitcoins_regtest() {
        let genesis = script_flags(&Network::regtest(), Height::GENESIS);
        for flag in [ScriptFlags::P2SH, ScriptFlags::WITNESS, ScriptFlags::NULLDUMMY, ScriptFlags::TAPROOT] {
            assert!(genesis.contains(flag));
        }
        for flag in [ScriptFlags::DERSIG, ScriptFlags::CHECKLOCKTIMEVERIFY, ScriptFlags::CHECKSEQUENCEVERIFY] {
            assert!(!genesis.contains(flag));
        }
        let late: Vec<u16> =
            SOFT_FORKS.iter().filter(|fork| fork.from == Height::new(1)).map(|fork| fork.bip).collect();
        assert_eq!(late, [30, 34, 65, 66, 68, 112, 113]);
        assert!(SOFT_FORKS.is_sorted_by_key(|fork| fork.bip));
    }

    #[test]
    fn the_rsa_lock_is_a_rule_of_our_own_networks_only() {
        let has = |network| script_flags(&network, Height::new(1)).contains(ScriptFlags::RSA_LOCK);
        assert!(has(Network::demo()) && has(Network::mycoin()) && !has(Network::regtest()));
    }
}
