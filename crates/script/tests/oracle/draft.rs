//! A script while it is being written, together with what has to be on the stack to satisfy it.

use mycoin_primitives::bitcoin::Opcode;
use mycoin_primitives::bitcoin::opcodes::all as op;

use crate::code;
use crate::dice::Dice;
use crate::sign;

/// Which rules a script will run under.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Legacy,
    V0,
    Tapscript,
}

/// One item of the stack that a script starts with.
#[derive(Clone, Debug)]
pub(crate) enum Arg {
    Item(Vec<u8>),
    Signature(Signing),
}

/// A signature that can be made once the transaction is complete.
#[derive(Clone, Debug)]
pub(crate) struct Signing {
    /// Index into [`sign::KEYS`].
    pub(crate) key: usize,
    pub(crate) hash_type: u8,
    /// Where the signed part of the script begins. Legacy and version 0.
    pub(crate) code_from: usize,
    /// Which operation was the last separator. Tapscript.
    pub(crate) separator: u32,
    pub(crate) disfigured: bool,
}

/// A finished script and its arguments, the lowest of the stack first.
#[derive(Clone, Debug)]
pub(crate) struct Template {
    pub(crate) script: Vec<u8>,
    pub(crate) args: Vec<Arg>,
}

impl Template {
    /// What a legacy or version 0 signature covers; nothing where the script was damaged until it ends before that.
    pub(crate) fn signed_part(&self, signing: &Signing) -> &[u8] {
        self.script.get(signing.code_from..).unwrap_or_default()
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Draft {
    pub(crate) kind: Kind,
    pub(crate) lock_time: u32,
    pub(crate) sequence: u32,
    code: Vec<u8>,
    operations: u32,
    code_from: usize,
    separator: u32,
    /// In the order in which the script takes them from the stack.
    taken: Vec<Arg>,
    /// Whether mistakes are made on purpose.
    flaws: bool,
}

impl Draft {
    pub(crate) fn new(kind: Kind, lock_time: u32, sequence: u32, flaws: bool) -> Self {
        let (code, taken) = (Vec::new(), Vec::new());
        let separator = u32::MAX;
        Self { kind, lock_time, sequence, code, operations: 0, code_from: 0, separator, taken, flaws }
    }

    pub(crate) fn finish(self) -> Template {
        Template { script: self.code, args: self.taken.into_iter().rev().collect() }
    }

    /// Whether to make a mistake here.
    pub(crate) fn flawed(&self, dice: &mut Dice) -> bool {
        self.flaws && dice.one_in(6)
    }

    pub(crate) fn len(&self) -> usize {
        self.code.len()
    }

    pub(crate) fn op(&mut self, opcode: Opcode) -> &mut Self {
        self.raw(&[opcode.to_u8()])
    }

    /// One operation, as it stands in the script.
    pub(crate) fn raw(&mut self, operation: &[u8]) -> &mut Self {
        self.code.extend(operation);
        self.operations += 1;
        self
    }

    pub(crate) fn push(&mut self, data: &[u8]) -> &mut Self {
        self.raw(&code::pushed(data))
    }

    /// A push in any form that leaves the same bytes on the stack.
    pub(crate) fn push_any(&mut self, dice: &mut Dice, data: &[u8]) -> &mut Self {
        match data {
            [] | [_, _, ..] => {}
            [small @ 1..=16] => return self.raw(&[0x50 + small]),
            [0x81] if dice.one_in(2) => return self.op(op::OP_PUSHNUM_NEG1),
            [_] => {}
        }
        if dice.one_in(12) {
            let mut long = Vec::new();
            code::push_long(&mut long, data, dice.below(3));
            return self.raw(&long);
        }
        self.push(data)
    }

    pub(crate) fn number(&mut self, value: i64) -> &mut Self {
        match value {
            1..=16 => self.raw(&[0x50 + value as u8]),
            _ => self.push(&code::number(value)),
        }
    }

    pub(crate) fn separate(&mut self) -> &mut Self {
        self.separator = self.operations;
        self.op(op::OP_CODESEPARATOR);
        self.code_from = self.code.len();
        self
    }

    pub(crate) fn take(&mut self, item: &[u8]) -> &mut Self {
        self.taken.push(Arg::Item(item.to_vec()));
        self
    }

    pub(crate) fn take_signature(&mut self, dice: &mut Dice, key: usize) -> &mut Self {
        let hash_type = match self.kind {
            Kind::Legacy | Kind::V0 => sign::ecdsa_hash_type(dice),
            Kind::Tapscript => sign::schnorr_hash_type(dice),
        };
        let flawed = self.flawed(dice);
        if flawed && dice.one_in(3) {
            return self.take(&[]);
        }
        let disfigured = flawed && dice.one_in(2);
        let key = if flawed && !disfigured { dice.below(sign::KEYS.len()) } else { key };
        let signing = Signing { key, hash_type, code_from: self.code_from, separator: self.separator, disfigured };
        self.taken.push(Arg::Signature(signing));
        self
    }

    /// Writes a branch that does not run: it takes nothing and separates nothing.
    pub(crate) fn dead(&mut self, write: impl FnOnce(&mut Self)) {
        let (taken, code_from, separator) = (self.taken.len(), self.code_from, self.separator);
        write(self);
        self.taken.truncate(taken);
        (self.code_from, self.separator) = (code_from, separator);
    }

    /// The public key in the form that this script checks signatures with.
    pub(crate) fn key(&self, dice: &mut Dice, key: usize) -> Vec<u8> {
        match self.kind {
            Kind::Legacy | Kind::V0 => sign::key_form(dice, &sign::KEYS[key]),
            Kind::Tapscript => sign::KEYS[key].x_only_public_key().0.serialize().to_vec(),
        }
    }
}
