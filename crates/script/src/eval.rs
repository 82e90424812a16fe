//! The interpreter: runs one script on a stack.
//!
//! In:    a script, the stack that it begins with, the flags, what answers for its input.
//! Out:   the stack that it leaves, or the rule that it broke.
//! Never: the order in which scripts, redeem scripts and witnesses are run ([`crate::verify`]).
//!
//! Source: Bitcoin Core `EvalScript`, script/interpreter.cpp, whose order of checks decides which error is told.
//!
//! Start at [`eval`].

use mycoin_primitives::bitcoin::opcodes::all as op;
use mycoin_primitives::hashes::{Hash, hash160, ripemd160, sha1, sha256, sha256d};

use crate::checker::{Checker, SEQUENCE_DISABLED};
use crate::encoding;
use crate::number::{self, LOCK_TIME_BYTES};
use crate::reader::{Operation, Reader, find_and_delete, push_of};
use crate::sighash::TaprootExtension;
use crate::stack::{MAX_STACK_SIZE, Stack};
use crate::{ScriptError, ScriptFlags};

/// The longest script, tapscripts left out. Source: Bitcoin Core `MAX_SCRIPT_SIZE`, script/script.h.
const MAX_SCRIPT_SIZE: usize = 10_000;
/// The largest item. Source: Bitcoin Core `MAX_SCRIPT_ELEMENT_SIZE`, script/script.h.
pub(crate) const MAX_ELEMENT_SIZE: usize = 520;
/// The most operations above OP_16 in a script. Source: Bitcoin Core `MAX_OPS_PER_SCRIPT`, script/script.h.
const MAX_OPERATIONS: i64 = 201;
/// The most keys of a CHECKMULTISIG. Source: Bitcoin Core `MAX_PUBKEYS_PER_MULTISIG`, script/script.h.
const MAX_MULTISIG_KEYS: i64 = 20;
/// What a signature check takes of a tapscript's budget. Source: BIP342.
const VALIDATION_WEIGHT_PER_CHECK: i64 = 50;
/// What a tapscript signs as the place of the last CODESEPARATOR where there was none. Source: BIP342.
const NO_CODE_SEPARATOR: u32 = 0xffff_ffff;

/// Whose rules a script is run by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    /// Without a witness: signature scripts, outputs' scripts, redeem scripts.
    Base,
    /// Witness version 0. Source: BIP141, BIP143.
    WitnessV0,
    /// A taproot leaf of version 0xc0. Source: BIP342.
    Tapscript,
}

/// What a tapscript's signatures cover and may cost. Other scripts have none of it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Tapscript {
    /// The hash of the annex, where there is one.
    pub(crate) annex: Option<[u8; 32]>,
    /// The leaf's hash.
    pub(crate) leaf_hash: [u8; 32],
    /// How much validation the witness' size still pays for.
    pub(crate) weight_left: i64,
}

/// Runs `script` on `stack`.
pub(crate) fn eval(
    stack: &mut Stack,
    script: &[u8],
    flags: ScriptFlags,
    checker: &mut Checker<'_>,
    version: Version,
    tapscript: Tapscript,
) -> Result<(), ScriptError> {
    if version != Version::Tapscript && script.len() > MAX_SCRIPT_SIZE {
        return Err(ScriptError::ScriptSize);
    }
    let machine = Machine {
        stack,
        alt_stack: Vec::new(),
        conditions: Conditions::default(),
        script,
        code_from: 0,
        code_separator: NO_CODE_SEPARATOR,
        operations: 0,
        flags,
        version,
        tapscript,
        checker,
    };
    machine.run()
}

/// A script while it runs.
struct Machine<'a, 'b> {
    stack: &'a mut Stack,
    alt_stack: Vec<Vec<u8>>,
    conditions: Conditions,
    script: &'a [u8],
    /// Where the part begins that signatures cover: after the last executed CODESEPARATOR.
    code_from: usize,
    /// The last executed CODESEPARATOR's place among the operations.
    code_separator: u32,
    /// How many count against [`MAX_OPERATIONS`].
    operations: i64,
    flags: ScriptFlags,
    version: Version,
    tapscript: Tapscript,
    checker: &'a mut Checker<'b>,
}

impl Machine<'_, '_> {
    fn run(mut self) -> Result<(), ScriptError> {
        let mut reader = Reader::new(self.script);
        let mut place: u32 = 0;
        while let Some(operation) = reader.next() {
            let operation = operation.map_err(|_| ScriptError::BadOpcode)?;
            self.step(operation, place, reader.position())?;
            if self.stack.len() + self.alt_stack.len() > MAX_STACK_SIZE {
                return Err(ScriptError::StackSize);
            }
            // A script has fewer operations than 2³².
            place = place.wrapping_add(1);
        }
        if self.conditions.is_empty() { Ok(()) } else { Err(ScriptError::UnbalancedConditional) }
    }

    /// Checks what holds for operations whether they are executed or not, then executes this one if it is.
    fn step(&mut self, operation: Operation<'_>, place: u32, after: usize) -> Result<(), ScriptError> {
        let code = operation.code;
        if operation.data.len() > MAX_ELEMENT_SIZE {
            return Err(ScriptError::PushSize);
        }
        if self.version != Version::Tapscript && code > op::OP_PUSHNUM_16.to_u8() {
            self.count_operations(1)?;
        }
        if is_disabled(code) {
            return Err(ScriptError::DisabledOpcode);
        }
        if code == op::OP_CODESEPARATOR.to_u8()
            && self.version == Version::Base
            && self.flags.contains(ScriptFlags::CONST_SCRIPTCODE)
        {
            return Err(ScriptError::OpCodeSeparator);
        }
        let executed = self.conditions.all_true();
        if code <= op::OP_PUSHDATA4.to_u8() {
            if executed {
                if self.minimal() && !operation.is_minimal_push() {
                    return Err(ScriptError::MinimalData);
                }
                self.stack.push(operation.data.to_vec());
            }
            return Ok(());
        }
        let conditional = (op::OP_IF.to_u8()..=op::OP_ENDIF.to_u8()).contains(&code);
        if !executed && !conditional {
            return Ok(());
        }
        if code == op::OP_CODESEPARATOR.to_u8() {
            self.code_from = after;
            self.code_separator = place;
            return Ok(());
        }
        self.execute(code, executed)
    }

    const fn minimal(&self) -> bool {
        self.flags.contains(ScriptFlags::MINIMALDATA)
    }

    const fn count_operations(&mut self, count: i64) -> Result<(), ScriptError> {
        self.operations += count;
        if self.operations > MAX_OPERATIONS { Err(ScriptError::OpCount) } else { Ok(()) }
    }

    fn execute(&mut self, code: u8, executed: bool) -> Result<(), ScriptError> {
        match code {
            0x4f | 0x51..=0x60 => {
                self.stack.push_number(i64::from(code) - 0x50);
                Ok(())
            }
            0x61 => Ok(()),                                       // NOP
            0x63 | 0x64 => self.begin_if(code == 0x64, executed), // IF, NOTIF
            0x67 => self.conditions.toggle(),                     // ELSE
            0x68 => self.conditions.end(),                        // ENDIF
            0x69 => self.verify(ScriptError::Verify),             // VERIFY
            0x6a => Err(ScriptError::OpReturn),                   // RETURN
            0x6b..=0x7d | 0x82 => self.execute_stack(code),
            0x87 | 0x88 => self.equal(code == 0x88), // EQUAL, EQUALVERIFY
            0x8b | 0x8c | 0x8f..=0x92 => self.execute_unary(code),
            0x93 | 0x94 | 0x9a..=0xa4 => self.execute_binary(code),
            0xa5 => self.within(),
            0xa6..=0xaa => self.hash(code),
            0xac | 0xad => self.check_sig(code == 0xad), // CHECKSIG, CHECKSIGVERIFY
            0xae | 0xaf => self.check_multisig(code == 0xaf), // CHECKMULTISIG, CHECKMULTISIGVERIFY
            0xb0 | 0xb3..=0xb9 => self.upgradable_nop(), // NOP1, NOP4 to NOP10
            0xb1 => self.check_lock_time(),
            0xb2 => self.check_sequence(),
            0xba => self.check_sig_add(),
            // RESERVED, VER, VERIF, VERNOTIF, RESERVED1, RESERVED2, and all that have no meaning.
            _ => Err(ScriptError::BadOpcode),
        }
    }

    fn begin_if(&mut self, inverted: bool, executed: bool) -> Result<(), ScriptError> {
        let mut taken = false;
        if executed {
            let item = self.stack.peek(0)?;
            let is_minimal = matches!(item, [] | [1]);
            match self.version {
                Version::Tapscript if !is_minimal => return Err(ScriptError::TapscriptMinimalIf),
                Version::WitnessV0 if !is_minimal && self.flags.contains(ScriptFlags::MINIMALIF) => {
                    return Err(ScriptError::MinimalIf);
                }
                Version::Base | Version::WitnessV0 | Version::Tapscript => {}
            }
            taken = number::is_true(item) != inverted;
            self.stack.drop(1)?;
        }
        self.conditions.begin(taken);
        Ok(())
    }

    /// Takes the item on top off if it is true.
    fn verify(&mut self, error: ScriptError) -> Result<(), ScriptError> {
        self.stack.need(1)?;
        if self.stack.top_is_true() { self.stack.drop(1) } else { Err(error) }
    }

    fn execute_stack(&mut self, code: u8) -> Result<(), ScriptError> {
        let minimal = self.minimal();
        let stack = &mut *self.stack;
        match code {
            // TOALTSTACK
            0x6b => self.alt_stack.push(stack.pop()?),
            // FROMALTSTACK
            0x6c => stack.push(self.alt_stack.pop().ok_or(ScriptError::InvalidAltstackOperation)?),
            // 2DROP
            0x6d => stack.drop(2)?,
            // 2DUP
            0x6e => repeat(2, || stack.copy_up(1))?,
            // 3DUP
            0x6f => repeat(3, || stack.copy_up(2))?,
            // 2OVER
            0x70 => repeat(2, || stack.copy_up(3))?,
            // 2ROT
            0x71 => repeat(2, || stack.move_up(5))?,
            // 2SWAP
            0x72 => repeat(2, || stack.move_up(3))?,
            // IFDUP
            0x73 => {
                stack.need(1)?;
                if stack.top_is_true() {
                    stack.copy_up(0)?;
                }
            }
            // DEPTH
            0x74 => stack.push_number(i64::try_from(stack.len()).map_err(|_| ScriptError::StackSize)?),
            // DROP
            0x75 => stack.drop(1)?,
            // DUP
            0x76 => stack.copy_up(0)?,
            // NIP
            0x77 => drop(stack.remove(1)?),
            // OVER
            0x78 => stack.copy_up(1)?,
            // PICK, ROLL
            0x79 | 0x7a => {
                stack.need(2)?;
                let depth = stack.number(0, minimal)?;
                stack.drop(1)?;
                let depth = usize::try_from(depth).map_err(|_| ScriptError::InvalidStackOperation)?;
                if code == 0x79 { stack.copy_up(depth)? } else { stack.move_up(depth)? }
            }
            // ROT
            0x7b => stack.move_up(2)?,
            // SWAP
            0x7c => stack.move_up(1)?,
            // TUCK
            0x7d => {
                stack.need(2)?;
                let top = stack.peek(0)?.to_vec();
                stack.insert_below(1, top)?;
            }
            // SIZE
            0x82 => {
                let size = stack.peek(0)?.len();
                stack.push_number(i64::try_from(size).map_err(|_| ScriptError::PushSize)?);
            }
            _ => return Err(ScriptError::BadOpcode),
        }
        Ok(())
    }

    fn equal(&mut self, verify: bool) -> Result<(), ScriptError> {
        let equal = self.stack.peek(1)? == self.stack.peek(0)?;
        self.stack.drop(2)?;
        self.stack.push_bool(equal);
        if verify { self.verify(ScriptError::EqualVerify) } else { Ok(()) }
    }

    fn execute_unary(&mut self, code: u8) -> Result<(), ScriptError> {
        let number = self.stack.number(0, self.minimal())?;
        // Four bytes at most, so nothing overflows.
        let result = match code {
            0x8b => number + 1,             // 1ADD
            0x8c => number - 1,             // 1SUB
            0x8f => -number,                // NEGATE
            0x90 => number.abs(),           // ABS
            0x91 => i64::from(number == 0), // NOT
            _ => i64::from(number != 0),    // 0NOTEQUAL
        };
        self.stack.drop(1)?;
        self.stack.push_number(result);
        Ok(())
    }

    fn execute_binary(&mut self, code: u8) -> Result<(), ScriptError> {
        self.stack.need(2)?;
        let (a, b) = (self.stack.number(1, self.minimal())?, self.stack.number(0, self.minimal())?);
        let result = match code {
            0x93 => a + b,                       // ADD
            0x94 => a - b,                       // SUB
            0x9a => i64::from(a != 0 && b != 0), // BOOLAND
            0x9b => i64::from(a != 0 || b != 0), // BOOLOR
            0x9c | 0x9d => i64::from(a == b),    // NUMEQUAL, NUMEQUALVERIFY
            0x9e => i64::from(a != b),           // NUMNOTEQUAL
            0x9f => i64::from(a < b),            // LESSTHAN
            0xa0 => i64::from(a > b),            // GREATERTHAN
            0xa1 => i64::from(a <= b),           // LESSTHANOREQUAL
            0xa2 => i64::from(a >= b),           // GREATERTHANOREQUAL
            0xa3 => a.min(b),                    // MIN
            _ => a.max(b),                       // MAX
        };
        self.stack.drop(2)?;
        self.stack.push_number(result);
        if code == 0x9d { self.verify(ScriptError::NumEqualVerify) } else { Ok(()) }
    }

    fn within(&mut self) -> Result<(), ScriptError> {
        self.stack.need(3)?;
        let minimal = self.minimal();
        let (number, from) = (self.stack.number(2, minimal)?, self.stack.number(1, minimal)?);
        let until = self.stack.number(0, minimal)?;
        self.stack.drop(3)?;
        self.stack.push_bool((from..until).contains(&number));
        Ok(())
    }

    fn hash(&mut self, code: u8) -> Result<(), ScriptError> {
        let item = self.stack.pop()?;
        self.stack.push(match code {
            0xa6 => ripemd160::Hash::hash(&item).to_byte_array().to_vec(),
            0xa7 => sha1::Hash::hash(&item).to_byte_array().to_vec(),
            0xa8 => sha256::Hash::hash(&item).to_byte_array().to_vec(),
            0xa9 => hash160::Hash::hash(&item).to_byte_array().to_vec(),
            _ => sha256d::Hash::hash(&item).to_byte_array().to_vec(),
        });
        Ok(())
    }

    const fn upgradable_nop(&self) -> Result<(), ScriptError> {
        if self.flags.contains(ScriptFlags::DISCOURAGE_UPGRADABLE_NOPS) {
            return Err(ScriptError::DiscourageUpgradableNops);
        }
        Ok(())
    }

    /// Without its flag it does nothing, as when it was NOP2. Source: BIP65.
    fn check_lock_time(&self) -> Result<(), ScriptError> {
        if !self.flags.contains(ScriptFlags::CHECKLOCKTIMEVERIFY) {
            return Ok(());
        }
        let lock_time = self.lock_time()?;
        if self.checker.lock_time_is_met(lock_time) { Ok(()) } else { Err(ScriptError::UnsatisfiedLocktime) }
    }

    /// Without its flag it does nothing, as when it was NOP3. Source: BIP112.
    fn check_sequence(&self) -> Result<(), ScriptError> {
        if !self.flags.contains(ScriptFlags::CHECKSEQUENCEVERIFY) {
            return Ok(());
        }
        let sequence = self.lock_time()?;
        if sequence & SEQUENCE_DISABLED != 0 || self.checker.sequence_is_met(sequence) {
            return Ok(());
        }
        Err(ScriptError::UnsatisfiedLocktime)
    }

    fn lock_time(&self) -> Result<i64, ScriptError> {
        let number = number::decode(self.stack.peek(0)?, self.minimal(), LOCK_TIME_BYTES)?;
        if number < 0 { Err(ScriptError::NegativeLocktime) } else { Ok(number) }
    }

    /// The part of the script that signatures cover, before anything is taken out of it.
    fn script_code(&self) -> &[u8] {
        self.script.get(self.code_from..).unwrap_or_default()
    }

    fn check_sig(&mut self, verify: bool) -> Result<(), ScriptError> {
        self.stack.need(2)?;
        let valid = self.signature_is_valid(1, 0)?;
        self.stack.drop(2)?;
        self.stack.push_bool(valid);
        if verify { self.verify(ScriptError::CheckSigVerify) } else { Ok(()) }
    }

    /// Source: BIP342.
    fn check_sig_add(&mut self) -> Result<(), ScriptError> {
        if self.version != Version::Tapscript {
            return Err(ScriptError::BadOpcode);
        }
        self.stack.need(3)?;
        let number = self.stack.number(1, self.minimal())?;
        let valid = self.signature_is_valid(2, 0)?;
        self.stack.drop(3)?;
        self.stack.push_number(number + i64::from(valid));
        Ok(())
    }

    /// Judges the signature and the key at these depths.
    fn signature_is_valid(&mut self, signature: usize, key: usize) -> Result<bool, ScriptError> {
        match self.version {
            Version::Base | Version::WitnessV0 => {
                let code = self.code_without_signatures(signature, 1)?;
                let valid = self.ecdsa_is_valid(signature, key, code.as_deref())?;
                let is_empty = self.stack.peek(signature)?.is_empty();
                if !valid && !is_empty && self.flags.contains(ScriptFlags::NULLFAIL) {
                    return Err(ScriptError::SigNullFail);
                }
                Ok(valid)
            }
            Version::Tapscript => self.tapscript_signature_is_valid(signature, key),
        }
    }

    /// The covered part without the signatures from this depth down, where one stands in it; never in a witness.
    fn code_without_signatures(&self, signature: usize, count: usize) -> Result<Option<Vec<u8>>, ScriptError> {
        let mut code = None;
        if self.version != Version::Base {
            return Ok(code);
        }
        for depth in signature..signature + count {
            let pattern = push_of(self.stack.peek(depth)?);
            if let Some(shorter) = find_and_delete(code.as_deref().unwrap_or(self.script_code()), &pattern) {
                if self.flags.contains(ScriptFlags::CONST_SCRIPTCODE) {
                    return Err(ScriptError::SigFindAndDelete);
                }
                code = Some(shorter);
            }
        }
        Ok(code)
    }

    fn ecdsa_is_valid(&mut self, signature: usize, key: usize, code: Option<&[u8]>) -> Result<bool, ScriptError> {
        let (signature, key) = (self.stack.peek(signature)?, self.stack.peek(key)?);
        encoding::check_signature(signature, self.flags)?;
        encoding::check_key(key, self.flags, self.version)?;
        let code = code.unwrap_or(self.script.get(self.code_from..).unwrap_or_default());
        Ok(self.checker.ecdsa_is_valid(signature, key, code, self.version))
    }

    /// Source: BIP342, "Rules for signature opcodes".
    fn tapscript_signature_is_valid(&mut self, signature: usize, key: usize) -> Result<bool, ScriptError> {
        let (signature, key) = (self.stack.peek(signature)?, self.stack.peek(key)?);
        if !signature.is_empty() {
            self.tapscript.weight_left -= VALIDATION_WEIGHT_PER_CHECK;
            if self.tapscript.weight_left < 0 {
                return Err(ScriptError::TapscriptValidationWeight);
            }
        }
        match key.len() {
            0 => return Err(ScriptError::TapscriptEmptyPubkey),
            32 if !signature.is_empty() => {
                let leaf = Some((self.tapscript.leaf_hash, self.code_separator));
                let extension = TaprootExtension { annex: self.tapscript.annex, leaf };
                self.checker.check_schnorr(signature, key, extension)?;
            }
            32 => {}
            // A type without a meaning: any signature is valid.
            _ if self.flags.contains(ScriptFlags::DISCOURAGE_UPGRADABLE_PUBKEYTYPE) => {
                return Err(ScriptError::DiscourageUpgradablePubkeyType);
            }
            _ => {}
        }
        Ok(!signature.is_empty())
    }

    /// The stack holds, from the top: the number of keys, the keys, the number of signatures, the signatures, and one item more.
    fn check_multisig(&mut self, verify: bool) -> Result<(), ScriptError> {
        if self.version == Version::Tapscript {
            return Err(ScriptError::TapscriptCheckMultisig);
        }
        let keys = self.stack.number(0, self.minimal())?;
        if !(0..=MAX_MULTISIG_KEYS).contains(&keys) {
            return Err(ScriptError::PubkeyCount);
        }
        self.count_operations(keys)?;
        let keys = usize::try_from(keys).map_err(|_| ScriptError::PubkeyCount)?;
        self.stack.need(keys + 2)?;
        let signatures = self.stack.number(keys + 1, self.minimal())?;
        let signatures = usize::try_from(signatures).map_err(|_| ScriptError::SigCount)?;
        if signatures > keys {
            return Err(ScriptError::SigCount);
        }
        let first_signature = keys + 2;
        self.stack.need(first_signature + signatures + 1)?;
        let code = self.code_without_signatures(first_signature, signatures)?;
        let valid = self.signatures_fit_keys(keys, first_signature, signatures, code.as_deref())?;
        self.drop_multisig(first_signature, signatures, valid)?;
        self.stack.push_bool(valid);
        if verify { self.verify(ScriptError::CheckMultisigVerify) } else { Ok(()) }
    }

    /// Whether each signature is valid for a key, in one order with the keys: the key on top first.
    fn signatures_fit_keys(
        &mut self,
        keys: usize,
        first_signature: usize,
        signatures: usize,
        code: Option<&[u8]>,
    ) -> Result<bool, ScriptError> {
        let (mut key, mut signature) = (0, 0);
        while signature < signatures {
            if signatures - signature > keys - key {
                return Ok(false);
            }
            if self.ecdsa_is_valid(first_signature + signature, 1 + key, code)? {
                signature += 1;
            }
            key += 1;
        }
        Ok(true)
    }

    /// Takes all that CHECKMULTISIG looked at off the stack, and the item that it takes in vain. Source: BIP146, BIP147.
    fn drop_multisig(&mut self, first_signature: usize, signatures: usize, valid: bool) -> Result<(), ScriptError> {
        if !valid && self.flags.contains(ScriptFlags::NULLFAIL) {
            for depth in first_signature..first_signature + signatures {
                if !self.stack.peek(depth)?.is_empty() {
                    return Err(ScriptError::SigNullFail);
                }
            }
        }
        self.stack.drop(first_signature + signatures)?;
        let in_vain = self.stack.pop()?;
        if !in_vain.is_empty() && self.flags.contains(ScriptFlags::NULLDUMMY) {
            return Err(ScriptError::SigNullDummy);
        }
        Ok(())
    }
}

/// Does it this many times; the first failure ends it.
fn repeat(times: usize, mut action: impl FnMut() -> Result<(), ScriptError>) -> Result<(), ScriptError> {
    (0..times).try_for_each(|_| action())
}

/// CAT, SUBSTR, LEFT, RIGHT, INVERT, AND, OR, XOR, 2MUL, 2DIV, MUL, DIV, MOD, LSHIFT, RSHIFT: switched off in 2010.
const fn is_disabled(code: u8) -> bool {
    matches!(code, 0x7e..=0x81 | 0x83..=0x86 | 0x8d | 0x8e | 0x95..=0x99)
}

/// The nested IFs that the script stands in. How many there are and the first that is not taken are all that matters.
///
/// Source: Bitcoin Core `ConditionStack`, script/interpreter.cpp, which makes deep nesting cheap.
#[derive(Debug, Default)]
struct Conditions {
    depth: usize,
    first_false: Option<usize>,
}

impl Conditions {
    const fn is_empty(&self) -> bool {
        self.depth == 0
    }

    const fn all_true(&self) -> bool {
        self.first_false.is_none()
    }

    const fn begin(&mut self, taken: bool) {
        if !taken && self.first_false.is_none() {
            self.first_false = Some(self.depth);
        }
        self.depth += 1;
    }

    fn toggle(&mut self) -> Result<(), ScriptError> {
        let top = self.depth.checked_sub(1).ok_or(ScriptError::UnbalancedConditional)?;
        match self.first_false {
            None => self.first_false = Some(top),
            Some(place) if place == top => self.first_false = None,
            // One further out is not taken, whatever this one is.
            Some(_) => {}
        }
        Ok(())
    }

    fn end(&mut self) -> Result<(), ScriptError> {
        self.depth = self.depth.checked_sub(1).ok_or(ScriptError::UnbalancedConditional)?;
        if self.first_false == Some(self.depth) {
            self.first_false = None;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_count_as_a_stack_would() {
        // Every sequence of eight steps, beside a plain stack of truths.
        for steps in 0..4_u32.pow(8) {
            let (mut conditions, mut plain) = (Conditions::default(), Vec::new());
            for step in 0..8 {
                let (ours, theirs) = match steps >> (2 * step) & 3 {
                    0 | 1 => {
                        let taken = steps >> (2 * step) & 1 == 1;
                        conditions.begin(taken);
                        plain.push(taken);
                        (true, true)
                    }
                    2 => (conditions.toggle().is_ok(), plain.last_mut().map(|top| *top = !*top).is_some()),
                    _ => (conditions.end().is_ok(), plain.pop().is_some()),
                };
                assert_eq!(ours, theirs);
                assert_eq!(conditions.all_true(), plain.iter().all(|taken| *taken));
                assert_eq!(conditions.is_empty(), plain.is_empty());
            }
        }
    }

    #[test]
    fn fifteen_operations_are_switched_off() {
        assert_eq!((0..=255).filter(|code| is_disabled(*code)).count(), 15);
    }
}
