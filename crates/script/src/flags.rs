//! Which rules a script is held to.
//!
//! In:    a network.
//! Out:   [`ScriptFlags`]: the set that blocks are judged by, and the stricter one that relay asks for.
//! Never: a flag that makes an invalid script valid. Each one only refuses more.

use mycoin_primitives::Network;

/// A set of script verification flags, with Bitcoin Core's bits and names.
///
/// [`Self::WITNESS`] and [`Self::CLEANSTACK`] are used only together with [`Self::P2SH`], as everywhere.
/// Source: Bitcoin Core `script_verify_flags`, script/interpreter.h.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct ScriptFlags(u32);

impl ScriptFlags {
    /// No flag: the rules of Bitcoin's first version.
    pub const NONE: Self = Self(0);
    /// Outputs of pay-to-script-hash form run the pushed script. Source: BIP16.
    pub const P2SH: Self = Self(1);
    /// Signatures are strictly DER-encoded with a defined hash type, keys have a known form.
    pub const STRICTENC: Self = Self(1 << 1);
    /// Signatures are strictly DER-encoded. Source: BIP66.
    pub const DERSIG: Self = Self(1 << 2);
    /// Of a signature's two forms the one with the low S. Source: BIP146.
    pub const LOW_S: Self = Self(1 << 3);
    /// The item that CHECKMULTISIG takes in vain is empty. Source: BIP147.
    pub const NULLDUMMY: Self = Self(1 << 4);
    /// Signature scripts only push. Source: BIP62.
    pub const SIGPUSHONLY: Self = Self(1 << 5);
    /// Pushes and numbers have their shortest form. Source: BIP62.
    pub const MINIMALDATA: Self = Self(1 << 6);
    /// Operations that a later rule may give a meaning to are not used.
    pub const DISCOURAGE_UPGRADABLE_NOPS: Self = Self(1 << 7);
    /// One item is left at the end. Source: BIP62.
    pub const CLEANSTACK: Self = Self(1 << 8);
    /// CHECKLOCKTIMEVERIFY. Source: BIP65.
    pub const CHECKLOCKTIMEVERIFY: Self = Self(1 << 9);
    /// CHECKSEQUENCEVERIFY. Source: BIP112.
    pub const CHECKSEQUENCEVERIFY: Self = Self(1 << 10);
    /// Witness programs. Source: BIP141.
    pub const WITNESS: Self = Self(1 << 11);
    /// Witness programs without a meaning are not spent.
    pub const DISCOURAGE_UPGRADABLE_WITNESS_PROGRAM: Self = Self(1 << 12);
    /// In witness version 0, IF takes nothing but an empty item and 1.
    pub const MINIMALIF: Self = Self(1 << 13);
    /// A signature that fails is empty. Source: BIP146.
    pub const NULLFAIL: Self = Self(1 << 14);
    /// In witness version 0, keys are compressed.
    pub const WITNESS_PUBKEYTYPE: Self = Self(1 << 15);
    /// Without a witness, neither CODESEPARATOR nor a signature inside the script that it signs.
    pub const CONST_SCRIPTCODE: Self = Self(1 << 16);
    /// Taproot and tapscript. Source: BIP341, BIP342.
    pub const TAPROOT: Self = Self(1 << 17);
    /// Taproot leaves of versions without a meaning are not spent.
    pub const DISCOURAGE_UPGRADABLE_TAPROOT_VERSION: Self = Self(1 << 18);
    /// OP_SUCCESS is not used.
    pub const DISCOURAGE_OP_SUCCESS: Self = Self(1 << 19);
    /// Keys of types without a meaning are not used in tapscript.
    pub const DISCOURAGE_UPGRADABLE_PUBKEYTYPE: Self = Self(1 << 20);
    /// Witness version 16 with 32 bytes is the RSA lock. Ours; see `docs/rsa-lock.md`.
    pub const RSA_LOCK: Self = Self(1 << 31);

    /// What every block is held to. Source: Bitcoin Core `MANDATORY_SCRIPT_VERIFY_FLAGS`, policy/policy.h.
    pub const CONSENSUS: Self = Self::P2SH
        .union(Self::DERSIG)
        .union(Self::NULLDUMMY)
        .union(Self::CHECKLOCKTIMEVERIFY)
        .union(Self::CHECKSEQUENCEVERIFY)
        .union(Self::WITNESS)
        .union(Self::TAPROOT);

    /// What relay asks for beside it. Source: Bitcoin Core `STANDARD_SCRIPT_VERIFY_FLAGS`, policy/policy.h.
    pub const STANDARD: Self = Self::CONSENSUS
        .union(Self::STRICTENC)
        .union(Self::MINIMALDATA)
        .union(Self::DISCOURAGE_UPGRADABLE_NOPS)
        .union(Self::CLEANSTACK)
        .union(Self::MINIMALIF)
        .union(Self::NULLFAIL)
        .union(Self::LOW_S)
        .union(Self::DISCOURAGE_UPGRADABLE_WITNESS_PROGRAM)
        .union(Self::WITNESS_PUBKEYTYPE)
        .union(Self::CONST_SCRIPTCODE)
        .union(Self::DISCOURAGE_UPGRADABLE_TAPROOT_VERSION)
        .union(Self::DISCOURAGE_OP_SUCCESS)
        .union(Self::DISCOURAGE_UPGRADABLE_PUBKEYTYPE);

    /// Every flag with its name in Bitcoin Core, `SCRIPT_VERIFY_` left out.
    pub const ALL: [(&'static str, Self); 22] = [
        ("P2SH", Self::P2SH),
        ("STRICTENC", Self::STRICTENC),
        ("DERSIG", Self::DERSIG),
        ("LOW_S", Self::LOW_S),
        ("NULLDUMMY", Self::NULLDUMMY),
        ("SIGPUSHONLY", Self::SIGPUSHONLY),
        ("MINIMALDATA", Self::MINIMALDATA),
        ("DISCOURAGE_UPGRADABLE_NOPS", Self::DISCOURAGE_UPGRADABLE_NOPS),
        ("CLEANSTACK", Self::CLEANSTACK),
        ("CHECKLOCKTIMEVERIFY", Self::CHECKLOCKTIMEVERIFY),
        ("CHECKSEQUENCEVERIFY", Self::CHECKSEQUENCEVERIFY),
        ("WITNESS", Self::WITNESS),
        ("DISCOURAGE_UPGRADABLE_WITNESS_PROGRAM", Self::DISCOURAGE_UPGRADABLE_WITNESS_PROGRAM),
        ("MINIMALIF", Self::MINIMALIF),
        ("NULLFAIL", Self::NULLFAIL),
        ("WITNESS_PUBKEYTYPE", Self::WITNESS_PUBKEYTYPE),
        ("CONST_SCRIPTCODE", Self::CONST_SCRIPTCODE),
        ("TAPROOT", Self::TAPROOT),
        ("DISCOURAGE_UPGRADABLE_TAPROOT_VERSION", Self::DISCOURAGE_UPGRADABLE_TAPROOT_VERSION),
        ("DISCOURAGE_OP_SUCCESS", Self::DISCOURAGE_OP_SUCCESS),
        ("DISCOURAGE_UPGRADABLE_PUBKEYTYPE", Self::DISCOURAGE_UPGRADABLE_PUBKEYTYPE),
        ("RSA_LOCK", Self::RSA_LOCK),
    ];

    /// What the blocks of `network` are held to, from the first after genesis on.
    pub const fn consensus(network: &Network) -> Self {
        if network.rsa { Self::CONSENSUS.union(Self::RSA_LOCK) } else { Self::CONSENSUS }
    }

    /// What the relay of `network` asks for; it contains [`Self::consensus`].
    pub const fn standard(network: &Network) -> Self {
        Self::STANDARD.union(Self::consensus(network))
    }

    /// Both sets together.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// This set without the flags of `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether every flag of `other` is in this set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The set as a number, one bit for each flag.
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// The names of the flags that it holds, in the order of the alphabet, as Core's RPC tells them.
    ///
    /// Source: Bitcoin Core `GetScriptFlagNames`, script/interpreter.cpp.
    pub fn names(self) -> Vec<&'static str> {
        let held = Self::ALL.iter().filter(|(_, flag)| self.contains(*flag));
        let mut names: Vec<&'static str> = held.map(|(name, _)| *name).collect();
        names.sort_unstable();
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn standard_contains_consensus() {
        for network in [Network::demo(), Network::mycoin(), Network::regtest()] {
            let (consensus, standard) = (ScriptFlags::consensus(&network), ScriptFlags::standard(&network));
            assert!(standard.contains(consensus), "{}", network.name);
            assert_eq!(consensus.contains(ScriptFlags::RSA_LOCK), network.rsa, "{}", network.name);
        }
    }

    #[test]
    fn every_flag_has_its_own_bit_and_name() {
        for (place, (name, flag)) in ScriptFlags::ALL.iter().enumerate() {
            assert_eq!(flag.bits().count_ones(), 1, "{name}");
            for (other_name, other) in &ScriptFlags::ALL[place + 1..] {
                assert!(flag != other && name != other_name, "{name} {other_name}");
            }
        }
        assert_eq!(
            ScriptFlags::ALL.iter().fold(ScriptFlags::NONE, |all, (_, flag)| all.union(*flag)).bits(),
            0x801f_ffff
        );
    }
}
