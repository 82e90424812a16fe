//! The operations that check signatures.
//!
//! In:    the stack with signatures and keys, the script that they stand in.
//! Out:   true or false on the stack, or the rule that was broken.
//! Never: the hash that is signed, and the curve ([`crate::checker`]).

use crate::eval::{Machine, Version};
use crate::reader::{find_and_delete, push_of};
use crate::sighash::TaprootExtension;
use crate::{ScriptError, ScriptFlags, encoding};

/// The most keys of a CHECKMULTISIG. Source: Bitcoin Core `MAX_PUBKEYS_PER_MULTISIG`, script/script.h.
const MAX_MULTISIG_KEYS: i64 = 20;
/// What a signature check takes of a tapscript's budget. Source: BIP342.
const VALIDATION_WEIGHT_PER_CHECK: i64 = 50;

impl Machine<'_, '_> {
    /// The part of the script that signatures cover, before anything is taken out of it.
    fn script_code(&self) -> &[u8] {
        self.script.get(self.code_from..).unwrap_or_default()
    }

    pub(crate) fn check_sig(&mut self, verify: bool) -> Result<(), ScriptError> {
        self.stack.need(2)?;
        let valid = self.signature_is_valid(1, 0)?;
        self.stack.drop(2)?;
        self.stack.push_bool(valid);
        if verify { self.verify(ScriptError::CheckSigVerify) } else { Ok(()) }
    }

    /// Source: BIP342.
    pub(crate) fn check_sig_add(&mut self) -> Result<(), ScriptError> {
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
    pub(crate) fn check_multisig(&mut self, verify: bool) -> Result<(), ScriptError> {
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
