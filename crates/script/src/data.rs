//! The operations on items alone: moving, comparing, counting and hashing them.
//!
//! In:    the stack.
//! Out:   the stack after the operation, or the rule that it broke.
//! Never: a look at the transaction.

use mycoin_primitives::bitcoin::opcodes::Opcode;
use mycoin_primitives::bitcoin::opcodes::all::*;
use mycoin_primitives::hashes::{Hash, hash160, ripemd160, sha1, sha256, sha256d};

use crate::ScriptError;
use crate::eval::Machine;

impl Machine<'_, '_> {
    pub(crate) fn execute_stack(&mut self, operation: Opcode) -> Result<(), ScriptError> {
        let minimal = self.minimal();
        let stack = &mut *self.stack;
        match operation {
            OP_TOALTSTACK => self.alt_stack.push(stack.pop()?),
            OP_FROMALTSTACK => stack.push(self.alt_stack.pop().ok_or(ScriptError::InvalidAltstackOperation)?),
            OP_2DROP => stack.drop(2)?,
            OP_2DUP => repeat(2, || stack.copy_up(1))?,
            OP_3DUP => repeat(3, || stack.copy_up(2))?,
            OP_2OVER => repeat(2, || stack.copy_up(3))?,
            OP_2ROT => repeat(2, || stack.move_up(5))?,
            OP_2SWAP => repeat(2, || stack.move_up(3))?,
            OP_IFDUP => {
                stack.need(1)?;
                if stack.top_is_true() {
                    stack.copy_up(0)?;
                }
            }
            OP_DEPTH => stack.push_number(i64::try_from(stack.len()).map_err(|_| ScriptError::StackSize)?),
            OP_DROP => stack.drop(1)?,
            OP_DUP => stack.copy_up(0)?,
            OP_NIP => drop(stack.remove(1)?),
            OP_OVER => stack.copy_up(1)?,
            OP_PICK | OP_ROLL => {
                stack.need(2)?;
                let depth = stack.number(0, minimal)?;
                stack.drop(1)?;
                let depth = usize::try_from(depth).map_err(|_| ScriptError::InvalidStackOperation)?;
                if operation == OP_PICK { stack.copy_up(depth)? } else { stack.move_up(depth)? }
            }
            OP_ROT => stack.move_up(2)?,
            OP_SWAP => stack.move_up(1)?,
            OP_TUCK => {
                stack.need(2)?;
                let top = stack.peek(0)?.to_vec();
                stack.insert_below(1, top)?;
            }
            OP_SIZE => {
                let size = stack.peek(0)?.len();
                stack.push_number(i64::try_from(size).map_err(|_| ScriptError::PushSize)?);
            }
            _ => return Err(ScriptError::BadOpcode),
        }
        Ok(())
    }

    pub(crate) fn equal(&mut self, verify: bool) -> Result<(), ScriptError> {
        let equal = self.stack.peek(1)? == self.stack.peek(0)?;
        self.stack.drop(2)?;
        self.stack.push_bool(equal);
        if verify { self.verify(ScriptError::EqualVerify) } else { Ok(()) }
    }

    pub(crate) fn execute_unary(&mut self, operation: Opcode) -> Result<(), ScriptError> {
        let number = self.stack.number(0, self.minimal())?;
        // Four bytes at most, so nothing overflows.
        let result = match operation {
            OP_1ADD => number + 1,
            OP_1SUB => number - 1,
            OP_NEGATE => -number,
            OP_ABS => number.abs(),
            OP_NOT => i64::from(number == 0),
            OP_0NOTEQUAL => i64::from(number != 0),
            _ => return Err(ScriptError::BadOpcode),
        };
        self.stack.drop(1)?;
        self.stack.push_number(result);
        Ok(())
    }

    pub(crate) fn execute_binary(&mut self, operation: Opcode) -> Result<(), ScriptError> {
        self.stack.need(2)?;
        let (a, b) = (self.stack.number(1, self.minimal())?, self.stack.number(0, self.minimal())?);
        let result = match operation {
            OP_ADD => a + b,
            OP_SUB => a - b,
            OP_BOOLAND => i64::from(a != 0 && b != 0),
            OP_BOOLOR => i64::from(a != 0 || b != 0),
            OP_NUMEQUAL | OP_NUMEQUALVERIFY => i64::from(a == b),
            OP_NUMNOTEQUAL => i64::from(a != b),
            OP_LESSTHAN => i64::from(a < b),
            OP_GREATERTHAN => i64::from(a > b),
            OP_LESSTHANOREQUAL => i64::from(a <= b),
            OP_GREATERTHANOREQUAL => i64::from(a >= b),
            OP_MIN => a.min(b),
            OP_MAX => a.max(b),
            _ => return Err(ScriptError::BadOpcode),
        };
        self.stack.drop(2)?;
        self.stack.push_number(result);
        if operation == OP_NUMEQUALVERIFY { self.verify(ScriptError::NumEqualVerify) } else { Ok(()) }
    }

    pub(crate) fn within(&mut self) -> Result<(), ScriptError> {
        self.stack.need(3)?;
        let minimal = self.minimal();
        let (number, from) = (self.stack.number(2, minimal)?, self.stack.number(1, minimal)?);
        let until = self.stack.number(0, minimal)?;
        self.stack.drop(3)?;
        self.stack.push_bool((from..until).contains(&number));
        Ok(())
    }

    pub(crate) fn hash(&mut self, operation: Opcode) -> Result<(), ScriptError> {
        let item = self.stack.pop()?;
        self.stack.push(match operation {
            OP_RIPEMD160 => ripemd160::Hash::hash(&item).to_byte_array().to_vec(),
            OP_SHA1 => sha1::Hash::hash(&item).to_byte_array().to_vec(),
            OP_SHA256 => sha256::Hash::hash(&item).to_byte_array().to_vec(),
            OP_HASH160 => hash160::Hash::hash(&item).to_byte_array().to_vec(),
            OP_HASH256 => sha256d::Hash::hash(&item).to_byte_array().to_vec(),
            _ => return Err(ScriptError::BadOpcode),
        });
        Ok(())
    }
}

/// Does it this many times; the first failure ends it.
fn repeat(times: usize, mut action: impl FnMut() -> Result<(), ScriptError>) -> Result<(), ScriptError> {
    (0..times).try_for_each(|_| action())
}
