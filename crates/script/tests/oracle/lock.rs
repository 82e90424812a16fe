//! Outputs of every type around a script, and the inputs that open them.

use mycoin_primitives::hashes::{Hash, hash160, sha256};
use mycoin_primitives::{ScriptBuf, Transaction, TxOut, Witness};

use crate::code;
use crate::dice::Dice;
use crate::draft::{Arg, Kind, Signing, Template};
use crate::sign::{self, KEYS};

/// The leaf version of tapscript. Source: BIP342.
pub(crate) const TAPSCRIPT: u8 = 0xc0;

/// How a script becomes an output.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Wrap {
    Bare,
    ScriptHash,
    WitnessScriptHash,
    NestedWitnessScriptHash,
    WitnessKeyHash,
    NestedWitnessKeyHash,
    TaprootKey,
    TaprootScript,
    OtherProgram,
}

impl Wrap {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::ScriptHash => "P2SH",
            Self::WitnessScriptHash => "P2WSH",
            Self::NestedWitnessScriptHash => "P2SH-P2WSH",
            Self::WitnessKeyHash => "P2WPKH",
            Self::NestedWitnessKeyHash => "P2SH-P2WPKH",
            Self::TaprootKey => "P2TR key path",
            Self::TaprootScript => "P2TR script path",
            Self::OtherProgram => "other witness programs",
        }
    }

    pub(crate) const fn kind(self) -> Kind {
        match self {
            Self::Bare | Self::ScriptHash => Kind::Legacy,
            Self::TaprootKey | Self::TaprootScript => Kind::Tapscript,
            Self::WitnessScriptHash
            | Self::NestedWitnessScriptHash
            | Self::WitnessKeyHash
            | Self::NestedWitnessKeyHash
            | Self::OtherProgram => Kind::V0,
        }
    }
}

/// An output and how to open it.
#[derive(Clone, Debug)]
pub(crate) struct Lock {
    pub(crate) wrap: Wrap,
    pub(crate) script_pubkey: Vec<u8>,
    opening: Opening,
}

#[derive(Clone, Debug)]
enum Opening {
    /// Arguments, and the redeem script, in the signature script.
    Legacy {
        template: Template,
        redeem: bool,
    },
    /// Arguments, and the witness script, in the witness; the program in the signature script where it is nested.
    V0 {
        template: Template,
        script_sig: Vec<u8>,
        script_in_witness: bool,
    },
    KeyPath {
        key: usize,
        root: Option<[u8; 32]>,
        hash_type: u8,
        annex: Option<Vec<u8>>,
    },
    ScriptPath {
        template: Template,
        control: Vec<u8>,
        leaf: [u8; 32],
        annex: Option<Vec<u8>>,
    },
    /// Nothing is signed.
    Fixed {
        script_sig: Vec<u8>,
        witness: Vec<Vec<u8>>,
    },
}

/// The output of a witness program.
pub(crate) fn program(version: u8, bytes: &[u8]) -> Vec<u8> {
    let opcode = if version == 0 { 0 } else { 0x50 + version };
    [vec![opcode], code::pushed(bytes)].concat()
}

/// The output that pays to a script's hash. Source: BIP16.
pub(crate) fn script_hash(redeem: &[u8]) -> Vec<u8> {
    [&[0xa9], code::pushed(&hash160::Hash::hash(redeem).to_byte_array()).as_slice(), &[0x87]].concat()
}

/// The output that pays to a witness script's hash. Source: BIP141.
pub(crate) fn witness_script_hash(script: &[u8]) -> Vec<u8> {
    program(0, &sha256::Hash::hash(script).to_byte_array())
}

/// The script that checks a key's hash, as P2PKH has it.
pub(crate) fn key_hash_script(key: &[u8]) -> Vec<u8> {
    [&[0x76, 0xa9], code::pushed(&hash160::Hash::hash(key).to_byte_array()).as_slice(), &[0x88, 0xac]].concat()
}

impl Lock {
    /// Locks with a script.
    pub(crate) fn script(dice: &mut Dice, wrap: Wrap, template: Template) -> Self {
        let script = &template.script;
        let nested = witness_script_hash(script);
        let (script_pubkey, opening) = match wrap {
            Wrap::Bare => (script.clone(), Opening::Legacy { template, redeem: false }),
            Wrap::ScriptHash => (script_hash(script), Opening::Legacy { template, redeem: true }),
            Wrap::NestedWitnessScriptHash => {
                let script_sig = code::pushed(&nested);
                (script_hash(&nested), Opening::V0 { template, script_sig, script_in_witness: true })
            }
            Wrap::TaprootScript => return Self::leaf(dice, TAPSCRIPT, template, Annex::Maybe),
            Wrap::WitnessScriptHash
            | Wrap::WitnessKeyHash
            | Wrap::NestedWitnessKeyHash
            | Wrap::TaprootKey
            | Wrap::OtherProgram => (nested, Opening::V0 { template, script_sig: Vec::new(), script_in_witness: true }),
        };
        Self { wrap, script_pubkey, opening }
    }

    /// Locks with the hash of one of our keys, in a version 0 witness program.
    pub(crate) fn witness_key_hash(dice: &mut Dice, signing: Signing, nested: bool) -> Self {
        let key = sign::key_form(dice, &KEYS[signing.key]);
        let script = key_hash_script(&key);
        let own = program(0, &hash160::Hash::hash(&key).to_byte_array());
        let template = Template { script, args: vec![Arg::Signature(signing), Arg::Item(key)] };
        let (wrap, script_sig, script_pubkey) = if nested {
            (Wrap::NestedWitnessKeyHash, code::pushed(&own), script_hash(&own))
        } else {
            (Wrap::WitnessKeyHash, Vec::new(), own)
        };
        Self { wrap, script_pubkey, opening: Opening::V0 { template, script_sig, script_in_witness: false } }
    }

    /// Locks with a taproot key, which may commit to scripts that are not used.
    pub(crate) fn taproot_key(dice: &mut Dice) -> Self {
        let key = dice.below(KEYS.len());
        let root = dice.one_in(2).then(|| dice.hash());
        let (output, _) = sign::output_key(&KEYS[key].x_only_public_key().0, root);
        let annex = annex(dice);
        let opening = Opening::KeyPath { key, root, hash_type: sign::schnorr_hash_type(dice), annex };
        Self { wrap: Wrap::TaprootKey, script_pubkey: program(1, &output.serialize()), opening }
    }

    /// Locks with one leaf of a tree of scripts.
    pub(crate) fn leaf(dice: &mut Dice, version: u8, template: Template, annex: Annex) -> Self {
        let internal = KEYS[dice.below(KEYS.len())].x_only_public_key().0;
        let depth = if dice.one_in(40) { 129 } else { dice.pick(&[0, 0, 0, 1, 1, 2, 3, 7, 64, 127, 128]) };
        let depth = if annex.is_exact() { depth % 4 } else { depth };
        let path: Vec<[u8; 32]> = (0..depth).map(|_| dice.hash()).collect();
        let leaf = sign::leaf_hash(version, &template.script);
        let (output, parity) = sign::output_key(&internal, Some(sign::merkle_root(leaf, &path)));
        let control = [&[version | parity.to_u8()], internal.serialize().as_slice(), &path.concat()].concat();
        let annex = annex.draw(dice, &template, control.len());
        let opening = Opening::ScriptPath { template, control, leaf, annex };
        Self { wrap: Wrap::TaprootScript, script_pubkey: program(1, &output.serialize()), opening }
    }

    /// An output that is opened with these bytes.
    pub(crate) fn fixed(wrap: Wrap, script_pubkey: Vec<u8>, script_sig: Vec<u8>, witness: Vec<Vec<u8>>) -> Self {
        Self { wrap, script_pubkey, opening: Opening::Fixed { script_sig, witness } }
    }

    /// Signs, and fills in the input.
    pub(crate) fn open(&self, dice: &mut Dice, tx: &mut Transaction, spent: &[TxOut], input: usize) {
        let mut script_sig = Vec::new();
        let mut witness: Vec<Vec<u8>> = Vec::new();
        match &self.opening {
            Opening::Legacy { template, redeem } => {
                let hash = |signing: &Signing| {
                    let script_code = template.signed_part(signing);
                    sign::legacy_hash(tx, input, script_code, signing.hash_type)
                };
                template.args.iter().for_each(|arg| code::push(&mut script_sig, &ecdsa_arg(dice, arg, hash)));
                if *redeem {
                    code::push(&mut script_sig, &template.script);
                }
            }
            Opening::V0 { template, script_sig: nested, script_in_witness } => {
                let hash = |signing: &Signing| {
                    let script_code = template.signed_part(signing);
                    sign::v0_hash(tx, &spent[input], input, script_code, signing.hash_type)
                };
                witness.extend(template.args.iter().map(|arg| ecdsa_arg(dice, arg, hash)));
                if *script_in_witness {
                    witness.push(template.script.clone());
                }
                script_sig.clone_from(nested);
            }
            Opening::KeyPath { key, root, hash_type, annex } => {
                let hash = sign::taproot_hash(tx, spent, input, None, annex.as_deref(), *hash_type);
                let tweak = sign::tap_tweak(&KEYS[*key].x_only_public_key().0, *root);
                let key = KEYS[*key].add_xonly_tweak(&sign::SECP, &tweak).expect("a key and a hash make a key");
                witness.push(sign::schnorr(&key, hash, *hash_type));
                witness.extend(annex.clone());
            }
            Opening::ScriptPath { template, control, leaf, annex } => {
                witness.extend(template.args.iter().map(|arg| match arg {
                    Arg::Item(item) => item.clone(),
                    Arg::Signature(Signing { disfigured: true, .. }) => {
                        let length = dice.pick(&[1, 63, 64, 65, 66]);
                        dice.bytes(length)
                    }
                    Arg::Signature(Signing { key, hash_type, separator, .. }) => {
                        let leaf = Some((*leaf, *separator));
                        let hash = sign::taproot_hash(tx, spent, input, leaf, annex.as_deref(), *hash_type);
                        sign::schnorr(&KEYS[*key], hash, *hash_type)
                    }
                }));
                witness.extend([template.script.clone(), control.clone()]);
                witness.extend(annex.clone());
            }
            Opening::Fixed { script_sig: fixed, witness: items } => {
                script_sig.clone_from(fixed);
                witness.clone_from(items);
            }
        }
        tx.input[input].script_sig = ScriptBuf::from_bytes(script_sig);
        tx.input[input].witness = Witness::from_slice(&witness);
    }
}

fn ecdsa_arg(dice: &mut Dice, arg: &Arg, hash: impl Fn(&Signing) -> [u8; 32]) -> Vec<u8> {
    match arg {
        Arg::Item(item) => item.clone(),
        Arg::Signature(signing) => {
            let signature = sign::ecdsa(&KEYS[signing.key], hash(signing), signing.hash_type);
            if signing.disfigured { sign::disfigure_ecdsa(dice, &signature) } else { signature }
        }
    }
}

fn annex(dice: &mut Dice) -> Option<Vec<u8>> {
    let length = dice.pick(&[0, 1, 31, 252, 253, 600]);
    dice.one_in(5).then(|| [vec![0x50], dice.bytes(length)].concat())
}

/// Which annex a script path has.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Annex {
    Maybe,
    /// So long that the witness has this size, where an annex can make it so.
    /// `template_size` is that of the arguments, with their lengths.
    Exact {
        witness_size: usize,
        template_size: usize,
    },
}

impl Annex {
    const fn is_exact(self) -> bool {
        matches!(self, Self::Exact { .. })
    }

    fn draw(self, dice: &mut Dice, template: &Template, control: usize) -> Option<Vec<u8>> {
        match self {
            Self::Maybe => annex(dice),
            Self::Exact { witness_size, template_size } => {
                let prefix = |length: usize| if length < 253 { 1 } else { 3 };
                let script = template.script.len();
                let without = 1 + template_size + prefix(script) + script + prefix(control) + control;
                let room = witness_size.checked_sub(without).filter(|room| *room >= 2)?;
                let length = if room < 254 { room - 1 } else { room.checked_sub(3)? };
                Some([vec![0x50], dice.bytes(length - 1)].concat())
            }
        }
    }
}
