//! Sets of script flags: how Core's files write them, and which sets Core's tests derive from one.

use mycoin_script::ScriptFlags;

/// Core's flags with their names. The RSA lock's is ours: none of Core's vectors knows it.
pub(crate) fn core_flags() -> impl Iterator<Item = (&'static str, ScriptFlags)> {
    ScriptFlags::ALL.into_iter().filter(|(_, flag)| *flag != ScriptFlags::RSA_LOCK)
}

/// All of Core's flags that aren't in the set.
pub(crate) fn complement(flags: ScriptFlags) -> ScriptFlags {
    core_flags().fold(ScriptFlags::NONE, |all, (_, flag)| all.union(flag)).without(flags)
}

/// Reads names with commas between them.
///
/// # Panics
///
/// When there is no such flag.
pub(crate) fn parse_flags(text: &str) -> ScriptFlags {
    if text.is_empty() || text == "NONE" {
        return ScriptFlags::NONE;
    }
    let flag =
        |name: &str| core_flags().find(|(known, _)| *known == name).unwrap_or_else(|| panic!("the flag {name}")).1;
    text.split(',').map(flag).fold(ScriptFlags::NONE, ScriptFlags::union)
}

/// Takes away the flags that need one which isn't there. Source: Bitcoin Core `TrimFlags`, src/test/transaction_tests.cpp.
pub(crate) const fn trim(mut flags: ScriptFlags) -> ScriptFlags {
    if !flags.contains(ScriptFlags::P2SH) {
        flags = flags.without(ScriptFlags::WITNESS);
    }
    if !flags.contains(ScriptFlags::WITNESS) {
        flags = flags.without(ScriptFlags::CLEANSTACK);
    }
    flags
}

/// Adds the flags that those in the set need. Source: Bitcoin Core `FillFlags`, src/test/transaction_tests.cpp.
pub(crate) const fn fill(mut flags: ScriptFlags) -> ScriptFlags {
    if flags.contains(ScriptFlags::CLEANSTACK) {
        flags = flags.union(ScriptFlags::WITNESS);
    }
    if flags.contains(ScriptFlags::WITNESS) {
        flags = flags.union(ScriptFlags::P2SH);
    }
    flags
}

/// The sets that lack one flag of `flags`, and those which need it. Source: Bitcoin Core `ExcludeIndividualFlags`.
pub(crate) fn without_one(flags: ScriptFlags) -> impl Iterator<Item = ScriptFlags> {
    core_flags().map(move |(_, flag)| trim(flags.without(flag))).filter(move |fewer| *fewer != flags)
}

/// Sets of flags by chance, the same ones in each run.
pub(crate) struct RandomFlags(u64);

impl RandomFlags {
    /// The beginning of the row.
    pub(crate) const fn new() -> Self {
        Self(0)
    }

    /// The next set. Source of the numbers: SplitMix64.
    pub(crate) fn next(&mut self) -> ScriptFlags {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^= bits >> 31;
        let chosen = core_flags().enumerate().filter(|(index, _)| (bits >> index) & 1 == 1);
        chosen.fold(ScriptFlags::NONE, |set, (_, (_, flag))| set.union(flag))
    }
}
