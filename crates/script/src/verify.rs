//! Whether an input may spend its output.
//!
//! In:    a transaction, the outputs that it spends, the flags.
//! Out:   nothing, or the rule that the input breaks.
//! Never: a verdict that depends on anything else.
//!
//! Source: Bitcoin Core `VerifyScript`, `VerifyWitnessProgram`, script/interpreter.cpp.
//!
//! Start at [`verify_input`].

use std::sync::LazyLock;

use mycoin_primitives::Witness;
use mycoin_primitives::bitcoin::consensus::encode::{Encodable, VarInt};
use mycoin_primitives::bitcoin::secp256k1::{Parity, Scalar, XOnlyPublicKey};
use mycoin_primitives::hashes::{Hash, HashEngine, sha256};

use crate::cache::SignatureCache;
use crate::checker::{Checker, SECP};
use crate::eval::{MAX_ELEMENT_SIZE, Tapscript, Version, eval};
use crate::reader::{Reader, is_p2sh, is_push_only, push_of, witness_program};
use crate::sighash::{TaprootExtension, annex_hash, tagged};
use crate::stack::{MAX_STACK_SIZE, Stack};
use crate::{PrecomputedTransaction, RsaHashType, ScriptError, ScriptFlags, rsa};

/// The first byte of an annex. Source: BIP341.
const ANNEX_PREFIX: u8 = 0x50;
/// The leaf version of tapscript. Source: BIP342.
const TAPSCRIPT_LEAF: u8 = 0xc0;
/// A control block's bytes before its Merkle path: leaf version and parity, and the internal key. Source: BIP341.
const CONTROL_BASE_SIZE: usize = 33;
/// The longest Merkle path. Source: BIP341.
const CONTROL_MAX_NODES: usize = 128;
/// What a tapscript may validate beyond its witness' size. Source: BIP342.
const VALIDATION_WEIGHT_OFFSET: usize = 50;
/// The program that anyone may spend, so that anyone may raise a fee. Source: Bitcoin Core `CScript::IsPayToAnchor`, script/script.cpp.
const ANCHOR_PROGRAM: [u8; 2] = [0x4e, 0x73];

static TAP_LEAF: LazyLock<sha256::HashEngine> = LazyLock::new(|| tagged(b"TapLeaf"));
static TAP_BRANCH: LazyLock<sha256::HashEngine> = LazyLock::new(|| tagged(b"TapBranch"));
static TAP_TWEAK: LazyLock<sha256::HashEngine> = LazyLock::new(|| tagged(b"TapTweak"));

/// Checks that the input may spend its output.
///
/// # Errors
///
/// [`ScriptError`] names the rule that the input breaks.
pub fn verify_input(data: &PrecomputedTransaction<'_>, input: usize, flags: ScriptFlags) -> Result<(), ScriptError> {
    verify(data, input, flags, None)
}

/// Checks that the input may spend its output, and neither verifies a signature that `cache` knows nor forgets a valid one.
///
/// # Errors
///
/// As [`verify_input`].
pub fn verify_input_cached(
    data: &PrecomputedTransaction<'_>,
    input: usize,
    flags: ScriptFlags,
    cache: &SignatureCache,
) -> Result<(), ScriptError> {
    verify(data, input, flags, Some(cache))
}

fn verify(
    data: &PrecomputedTransaction<'_>,
    input: usize,
    flags: ScriptFlags,
    cache: Option<&SignatureCache>,
) -> Result<(), ScriptError> {
    let input = data.input(input)?;
    let (script_sig, script_pubkey) = (input.spending.script_sig.as_bytes(), input.output.script_pubkey.as_bytes());
    let mut spend = Spend { witness: &input.spending.witness, flags, checker: Checker::new(input, cache) };
    if flags.contains(ScriptFlags::SIGPUSHONLY) && !is_push_only(script_sig) {
        return Err(ScriptError::SigPushOnly);
    }
    // One after the other on one stack, not as one script. Source: CVE-2010-5141.
    let mut stack = Stack::default();
    spend.run(&mut stack, script_sig)?;
    let pushed = if flags.contains(ScriptFlags::P2SH) { stack.clone() } else { Stack::default() };
    spend.run(&mut stack, script_pubkey)?;
    if !stack.top_is_true() {
        return Err(ScriptError::EvalFalse);
    }
    let mut left = stack.len();
    let mut is_witness_spend = false;
    if flags.contains(ScriptFlags::WITNESS)
        && let Some((version, program)) = witness_program(script_pubkey)
    {
        if !script_sig.is_empty() {
            return Err(ScriptError::WitnessMalleated);
        }
        spend.run_witness_program(version, program, Nesting::Native)?;
        (is_witness_spend, left) = (true, 1);
    }
    if flags.contains(ScriptFlags::P2SH) && is_p2sh(script_pubkey) {
        (is_witness_spend, left) = spend.run_redeem_script(script_sig, pushed)?;
    }
    if flags.contains(ScriptFlags::CLEANSTACK) && left != 1 {
        return Err(ScriptError::CleanStack);
    }
    if flags.contains(ScriptFlags::WITNESS) && !is_witness_spend && !input.spending.witness.is_empty() {
        return Err(ScriptError::WitnessUnexpected);
    }
    Ok(())
}

/// Whether a witness program is the output's script itself or its redeem script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Nesting {
    Native,
    P2sh,
}

struct Spend<'a> {
    witness: &'a Witness,
    flags: ScriptFlags,
    checker: Checker<'a>,
}

impl Spend<'_> {
    fn run(&mut self, stack: &mut Stack, script: &[u8]) -> Result<(), ScriptError> {
        eval(stack, script, self.flags, &mut self.checker, Version::Base, Tapscript::default())
    }

    /// Runs the script that the signature script pushed last. Says whether it was a witness program, and how many items are left.
    ///
    /// Source: BIP16, BIP141.
    fn run_redeem_script(&mut self, script_sig: &[u8], mut stack: Stack) -> Result<(bool, usize), ScriptError> {
        if !is_push_only(script_sig) {
            return Err(ScriptError::SigPushOnly);
        }
        // The output's own script found an item to hash, so there is one.
        let redeem_script = stack.pop()?;
        self.run(&mut stack, &redeem_script)?;
        if !stack.top_is_true() {
            return Err(ScriptError::EvalFalse);
        }
        match witness_program(&redeem_script) {
            Some((version, program)) if self.flags.contains(ScriptFlags::WITNESS) => {
                if script_sig != push_of(&redeem_script) {
                    return Err(ScriptError::WitnessMalleatedP2sh);
                }
                self.run_witness_program(version, program, Nesting::P2sh)?;
                Ok((true, 1))
            }
            Some(_) | None => Ok((false, stack.len())),
        }
    }

    fn run_witness_program(&mut self, version: u8, program: &[u8], nesting: Nesting) -> Result<(), ScriptError> {
        match (version, nesting, program.len()) {
            (0, _, 20) => self.run_key_hash(program),
            (0, _, 32) => self.run_script_hash(program),
            (0, ..) => Err(ScriptError::WitnessProgramWrongLength),
            (1, Nesting::Native, 32) if self.flags.contains(ScriptFlags::TAPROOT) => self.run_taproot(program),
            (1, Nesting::Native, 32) => Ok(()),
            (1, Nesting::Native, _) if program == ANCHOR_PROGRAM => Ok(()),
            (16, Nesting::Native, 32) if self.flags.contains(ScriptFlags::RSA_LOCK) => self.run_rsa_lock(program),
            // Without a meaning so far: anyone may spend it.
            _ if self.flags.contains(ScriptFlags::DISCOURAGE_UPGRADABLE_WITNESS_PROGRAM) => {
                Err(ScriptError::DiscourageUpgradableWitnessProgram)
            }
            _ => Ok(()),
        }
    }

    /// Source: BIP141, P2WPKH.
    fn run_key_hash(&mut self, program: &[u8]) -> Result<(), ScriptError> {
        let items = self.witness_items(self.witness.len());
        if items.len() != 2 {
            return Err(ScriptError::WitnessProgramMismatch);
        }
        let script = [&[0x76, 0xa9, 20][..], program, &[0x88, 0xac]].concat();
        self.run_witness_script(items, &script, Version::WitnessV0, Tapscript::default())
    }

    /// Source: BIP141, P2WSH.
    fn run_script_hash(&mut self, program: &[u8]) -> Result<(), ScriptError> {
        let script = self.witness.last().ok_or(ScriptError::WitnessProgramWitnessEmpty)?;
        if sha256::Hash::hash(script).as_byte_array() != program {
            return Err(ScriptError::WitnessProgramMismatch);
        }
        let items = self.witness_items(self.witness.len() - 1);
        self.run_witness_script(items, script, Version::WitnessV0, Tapscript::default())
    }

    /// Source: BIP341.
    fn run_taproot(&mut self, program: &[u8]) -> Result<(), ScriptError> {
        let witness = self.witness;
        let last = witness.last().ok_or(ScriptError::WitnessProgramWitnessEmpty)?;
        let annex = (witness.len() >= 2 && last.first() == Some(&ANNEX_PREFIX)).then(|| annex_hash(last));
        let items = witness.len() - usize::from(annex.is_some());
        if items == 1 {
            let signature = witness.nth(0).unwrap_or_default();
            return self.checker.check_schnorr(signature, program, TaprootExtension { annex, leaf: None });
        }
        let (script, control) =
            witness.nth(items - 2).zip(witness.nth(items - 1)).ok_or(ScriptError::WitnessProgramWitnessEmpty)?;
        let nodes = control.get(CONTROL_BASE_SIZE..).unwrap_or_default();
        if control.len() < CONTROL_BASE_SIZE || nodes.len() % 32 != 0 || nodes.len() / 32 > CONTROL_MAX_NODES {
            return Err(ScriptError::TaprootWrongControlSize);
        }
        let leaf_version = control.first().map_or(0, |first| first & 0xfe);
        let leaf_hash = tap_leaf_hash(leaf_version, script);
        if !commits_to_leaf(program, control, leaf_hash) {
            return Err(ScriptError::WitnessProgramMismatch);
        }
        if leaf_version == TAPSCRIPT_LEAF {
            let budget = witness.size() + VALIDATION_WEIGHT_OFFSET;
            let weight_left = i64::try_from(budget).unwrap_or(i64::MAX);
            let items = self.witness_items(items - 2);
            return self.run_tapscript(items, script, Tapscript { annex, leaf_hash, weight_left });
        }
        if self.flags.contains(ScriptFlags::DISCOURAGE_UPGRADABLE_TAPROOT_VERSION) {
            return Err(ScriptError::DiscourageUpgradableTaprootVersion);
        }
        Ok(())
    }

    /// Source: BIP342.
    fn run_tapscript(&mut self, items: Vec<Vec<u8>>, script: &[u8], tapscript: Tapscript) -> Result<(), ScriptError> {
        // An OP_SUCCESS before anything that cannot be read makes the script succeed, whatever else it holds.
        for operation in Reader::new(script) {
            let operation = operation.map_err(|_| ScriptError::BadOpcode)?;
            if !is_op_success(operation.code) {
                continue;
            }
            if self.flags.contains(ScriptFlags::DISCOURAGE_OP_SUCCESS) {
                return Err(ScriptError::DiscourageOpSuccess);
            }
            return Ok(());
        }
        if items.len() > MAX_STACK_SIZE {
            return Err(ScriptError::StackSize);
        }
        self.run_witness_script(items, script, Version::Tapscript, tapscript)
    }

    /// The witness' first items.
    fn witness_items(&self, count: usize) -> Vec<Vec<u8>> {
        self.witness.iter().take(count).map(<[u8]>::to_vec).collect()
    }

    /// Runs a witness' script, which has to leave one true item. Source: BIP141.
    fn run_witness_script(
        &mut self,
        items: Vec<Vec<u8>>,
        script: &[u8],
        version: Version,
        tapscript: Tapscript,
    ) -> Result<(), ScriptError> {
        if items.iter().any(|item| item.len() > MAX_ELEMENT_SIZE) {
            return Err(ScriptError::PushSize);
        }
        let mut stack = Stack::new(items);
        eval(&mut stack, script, self.flags, &mut self.checker, version, tapscript)?;
        if stack.len() != 1 {
            return Err(ScriptError::CleanStack);
        }
        if stack.top_is_true() { Ok(()) } else { Err(ScriptError::EvalFalse) }
    }

    /// The RSA lock: witness `[signature, SPKI]`. No annex, so that there is one form of each witness.
    fn run_rsa_lock(&self, program: &[u8]) -> Result<(), ScriptError> {
        let (signature, spki) = match (self.witness.len(), self.witness.nth(0), self.witness.nth(1)) {
            (0, ..) => return Err(ScriptError::WitnessProgramWitnessEmpty),
            (2, Some(signature), Some(spki)) => (signature, spki),
            (found, ..) => return Err(ScriptError::RsaWitnessItems { found }),
        };
        if rsa::key_hash(spki) != program {
            return Err(ScriptError::RsaKeyMismatch);
        }
        let size = rsa::check_spki(spki).map_err(|cause| ScriptError::RsaKey { cause })?;
        let modulus = size.modulus_bytes();
        let (signature, hash_type) = match signature.split_at_checked(modulus) {
            Some((bare, [])) => (bare, RsaHashType::Default),
            Some((bare, [0x01])) => (bare, RsaHashType::All),
            Some((_, &[hash_type])) => return Err(ScriptError::RsaHashType { hash_type }),
            Some(_) | None => return Err(ScriptError::RsaSignatureSize { found: signature.len(), modulus }),
        };
        self.checker.check_rsa(signature, spki, hash_type)
    }
}

/// Source: BIP341.
fn tap_leaf_hash(leaf_version: u8, script: &[u8]) -> [u8; 32] {
    let mut engine = TAP_LEAF.clone();
    engine.input(&[leaf_version]);
    VarInt::from(script.len()).consensus_encode(&mut engine).expect("a hash takes every byte");
    engine.input(script);
    sha256::Hash::from_engine(engine).to_byte_array()
}

/// Whether the output's key is the control block's key, tweaked by the root that its path leads to from the leaf.
///
/// Source: BIP341.
fn commits_to_leaf(program: &[u8], control: &[u8], leaf_hash: [u8; 32]) -> bool {
    let Some(([first, internal @ ..], nodes)) = control.split_first_chunk::<CONTROL_BASE_SIZE>() else { return false };
    let root = nodes.chunks_exact(32).fold(leaf_hash, |hash, node| {
        let mut engine = TAP_BRANCH.clone();
        let (lower, higher) = if hash.as_slice() < node { (hash.as_slice(), node) } else { (node, hash.as_slice()) };
        engine.input(lower);
        engine.input(higher);
        sha256::Hash::from_engine(engine).to_byte_array()
    });
    let mut engine = TAP_TWEAK.clone();
    engine.input(internal);
    engine.input(&root);
    let tweak = Scalar::from_be_bytes(sha256::Hash::from_engine(engine).to_byte_array());
    let parity = if first & 1 == 0 { Parity::Even } else { Parity::Odd };
    match (XOnlyPublicKey::from_slice(internal), XOnlyPublicKey::from_slice(program), tweak) {
        (Ok(internal), Ok(output), Ok(tweak)) => internal.tweak_add_check(&SECP, &output, parity, tweak),
        _ => false,
    }
}

/// The codes that succeed in tapscript until a later rule gives them a meaning. Source: BIP342.
const fn is_op_success(code: u8) -> bool {
    matches!(
        code,
        80 | 98 | 126..=129 | 131..=134 | 137..=138 | 141..=142 | 149..=153 | 187..=254
    )
}
