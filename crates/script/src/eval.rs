//! The interpreter: runs one script on a stack.
//!
//! In:    a script, the stack that it begins with, the flags, what answers for its input.
//! Out:   the stack that it leaves, or the rule that it broke.
//! Never: the order in which scripts, redeem scripts and witnesses are run ([`crate::verify`]).
//!
//! Source: Bitcoin Core `EvalScript`, script/interpreter.cpp, whose order of checks decides which error is told.
//!
//! Start at [`eval`].

use mycoin_primitives::bitcoin::opcodes::Opcode;
use mycoin_primitives::bitcoin::opcodes::all::*;

use crate::checker::{Checker, SEQUENCE_DISABLED};
use crate::conditions::Conditions;
use crate::number::{self, LOCK_TIME_BYTES};
use crate::reader::{Operation, Reader};
use crate::stack::{MAX_STACK_SIZE, Stack};
use crate::{ScriptError, ScriptFlags};

/// The longest script, tapscripts left out. Source: Bitcoin Core `MAX_SCRIPT_SIZE`, script/script.h.
const MAX_SCRIPT_SIZE: usize = 10_000;
/// The largest item. Source: Bitcoin Core `MAX_SCRIPT_ELEMENT_SIZE`, script/script.h.
pub(crate) const MAX_ELEMENT_SIZE: usize = 520;
/// The most operations above OP_16 in a script. Source: Bitcoin Core `MAX_OPS_PER_SCRIPT`, script/script.h.
const MAX_OPERATIONS: i64 = 201;
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
pub(crate) struct Machine<'a, 'b> {
    pub(crate) stack: &'a mut Stack,
    pub(crate) alt_stack: Vec<Vec<u8>>,
    pub(crate) conditions: Conditions,
    pub(crate) script: &'a [u8],
    /// Where the part begins that signatures cover: after the last executed CODESEPARATOR.
    pub(crate) code_from: usize,
    /// The last executed CODESEPARATOR's place among the operations.
    pub(crate) code_separator: u32,
    /// How many count against [`MAX_OPERATIONS`].
    pub(crate) operations: i64,
    pub(crate) flags: ScriptFlags,
    pub(crate) version: Version,
    pub(crate) tapscript: Tapscript,
    pub(crate) checker: &'a mut Checker<'b>,
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
        if self.version != Version::Tapscript && code > OP_PUSHNUM_16.to_u8() {
            self.count_operations(1)?;
        }
        if is_disabled(code) {
            return Err(ScriptError::DisabledOpcode);
        }
        if operation.is(OP_CODESEPARATOR)
            && self.version == Version::Base
            && self.flags.contains(ScriptFlags::CONST_SCRIPTCODE)
        {
            return Err(ScriptError::OpCodeSeparator);
        }
        let executed = self.conditions.all_true();
        if code <= OP_PUSHDATA4.to_u8() {
            if executed {
                if self.minimal() && !operation.is_minimal_push() {
                    return Err(ScriptError::MinimalData);
                }
                self.stack.push(operation.data.to_vec());
            }
            return Ok(());
        }
        let conditional = (OP_IF.to_u8()..=OP_ENDIF.to_u8()).contains(&code);
        if !executed && !conditional {
            return Ok(());
        }
        if operation.is(OP_CODESEPARATOR) {
            self.code_from = after;
            self.code_separator = place;
            return Ok(());
        }
        if operation.is(OP_PUSHNUM_NEG1) || (OP_PUSHNUM_1.to_u8()..=OP_PUSHNUM_16.to_u8()).contains(&code) {
            self.stack.push_number(i64::from(code) - i64::from(OP_RESERVED.to_u8()));
            return Ok(());
        }
        self.execute(Opcode::from(code), executed)
    }

    pub(crate) const fn minimal(&self) -> bool {
        self.flags.contains(ScriptFlags::MINIMALDATA)
    }

    pub(crate) const fn count_operations(&mut self, count: i64) -> Result<(), ScriptError> {
        self.operations += count;
        if self.operations > MAX_OPERATIONS { Err(ScriptError::OpCount) } else { Ok(()) }
    }

    fn execute(&mut self, operation: Opcode, executed: bool) -> Result<(), ScriptError> {
        match operation {
            OP_NOP => Ok(()),
            OP_IF | OP_NOTIF => self.begin_if(operation == OP_NOTIF, executed),
            OP_ELSE => self.conditions.toggle(),
            OP_ENDIF => self.conditions.end(),
            OP_VERIFY => self.verify(ScriptError::Verify),
            OP_RETURN => Err(ScriptError::OpReturn),
            OP_TOALTSTACK | OP_FROMALTSTACK | OP_2DROP | OP_2DUP | OP_3DUP | OP_2OVER | OP_2ROT | OP_2SWAP
            | OP_IFDUP | OP_DEPTH | OP_DROP | OP_DUP | OP_NIP | OP_OVER | OP_PICK | OP_ROLL | OP_ROT | OP_SWAP
            | OP_TUCK | OP_SIZE => self.execute_stack(operation),
            OP_EQUAL | OP_EQUALVERIFY => self.equal(operation == OP_EQUALVERIFY),
            OP_1ADD | OP_1SUB | OP_NEGATE | OP_ABS | OP_NOT | OP_0NOTEQUAL => self.execute_unary(operation),
            OP_ADD
            | OP_SUB
            | OP_BOOLAND
            | OP_BOOLOR
            | OP_NUMEQUAL
            | OP_NUMEQUALVERIFY
            | OP_NUMNOTEQUAL
            | OP_LESSTHAN
            | OP_GREATERTHAN
            | OP_LESSTHANOREQUAL
            | OP_GREATERTHANOREQUAL
            | OP_MIN
            | OP_MAX => self.execute_binary(operation),
            OP_WITHIN => self.within(),
            OP_RIPEMD160 | OP_SHA1 | OP_SHA256 | OP_HASH160 | OP_HASH256 => self.hash(operation),
            OP_CHECKSIG | OP_CHECKSIGVERIFY => self.check_sig(operation == OP_CHECKSIGVERIFY),
            OP_CHECKSIGADD => self.check_sig_add(),
            OP_CHECKMULTISIG | OP_CHECKMULTISIGVERIFY => self.check_multisig(operation == OP_CHECKMULTISIGVERIFY),
            OP_CLTV => self.check_lock_time(),
            OP_CSV => self.check_sequence(),
            OP_NOP1 | OP_NOP4 | OP_NOP5 | OP_NOP6 | OP_NOP7 | OP_NOP8 | OP_NOP9 | OP_NOP10 => self.upgradable_nop(),
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
    pub(crate) fn verify(&mut self, error: ScriptError) -> Result<(), ScriptError> {
        self.stack.need(1)?;
        if self.stack.top_is_true() { self.stack.drop(1) } else { Err(error) }
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
}

/// CAT, SUBSTR, LEFT, RIGHT, INVERT, AND, OR, XOR, 2MUL, 2DIV, MUL, DIV, MOD, LSHIFT, RSHIFT: switched off in 2010.
const fn is_disabled(code: u8) -> bool {
    matches!(code, 0x7e..=0x81 | 0x83..=0x86 | 0x8d | 0x8e | 0x95..=0x99)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fifteen_operations_are_switched_off() {
        assert_eq!((0..=255).filter(|code| is_disabled(*code)).count(), 15);
    }
}
