//! Every kind of output, and how it is spent.
//!
//! Signatures come from the library's signature hashes, so that they do not depend on ours.

use mycoin_primitives::bitcoin::absolute::LockTime;
use mycoin_primitives::bitcoin::hashes::Hash;
use mycoin_primitives::bitcoin::key::TapTweak;
use mycoin_primitives::bitcoin::opcodes::all::{OP_CHECKMULTISIG, OP_CHECKSIG, OP_DUP, OP_EQUALVERIFY, OP_HASH160};
use mycoin_primitives::bitcoin::opcodes::{OP_FALSE, OP_TRUE};
use mycoin_primitives::bitcoin::script::{Builder, PushBytesBuf};
use mycoin_primitives::bitcoin::secp256k1::{Keypair, Message, Secp256k1, SecretKey};
use mycoin_primitives::bitcoin::sighash::{EcdsaSighashType, Prevouts, SighashCache, TapSighashType};
use mycoin_primitives::bitcoin::taproot::{LeafVersion, TaprootBuilder, TaprootSpendInfo};
use mycoin_primitives::bitcoin::{CompressedPublicKey, PubkeyHash, WitnessProgram, WitnessVersion, transaction};
use mycoin_primitives::{Amount, OutPoint, ScriptBuf, Sequence, Transaction, TxIn, TxOut, Witness};

/// What a script asks of whoever spends it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// Nothing.
    Anyone,
    /// A signature by the key of this number.
    Key(u8),
    /// That key and its signature.
    KeyHash(u8),
    /// Signatures by the first `needed` of these keys.
    Multisig {
        /// How many.
        needed: u8,
        /// The keys' numbers.
        keys: Vec<u8>,
    },
    /// A script of the test's own.
    Script {
        /// The script.
        script: ScriptBuf,
        /// What is pushed to satisfy it, first pushed first.
        stack: Vec<Vec<u8>>,
    },
}

/// An output's kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lock {
    /// The condition's script itself.
    Bare(Condition),
    /// Its hash. Source: BIP16.
    ScriptHash(Condition),
    /// A witness program of its hash. Source: BIP141.
    WitnessScriptHash(Condition),
    /// The same, within P2SH.
    NestedWitnessScriptHash(Condition),
    /// A witness program of a key's hash.
    WitnessKeyHash(u8),
    /// The same, within P2SH.
    NestedWitnessKeyHash(u8),
    /// Taproot, spent by its key. Source: BIP341.
    TaprootKey(u8),
    /// Taproot, spent by a script of [`Condition::Anyone`], [`Condition::Key`] or [`Condition::Script`]. Source: BIP342.
    TaprootScript(Condition),
    /// A witness version that has no rules yet, with a program of so many bytes.
    FutureWitness {
        /// 2 to 16; 1 too, if the program is not 32 bytes long.
        version: u8,
        /// 2 to 40.
        bytes: usize,
    },
}

/// An output and how to spend it.
#[derive(Debug, Clone)]
pub struct Owned {
    /// Where it is.
    pub outpoint: OutPoint,
    /// The output.
    pub output: TxOut,
    /// Its kind.
    pub lock: Lock,
}

impl Owned {
    /// Output `vout` of the transaction, which `lock` locks.
    pub fn output(tx: &Transaction, vout: u32, lock: Lock) -> Self {
        let output = tx.output[usize::try_from(vout).expect("an index fits")].clone();
        Self { outpoint: OutPoint { txid: tx.compute_txid(), vout }, output, lock }
    }
}

/// The secret key of this number, the same each time.
pub(super) fn keypair(number: u8) -> Keypair {
    let secret = SecretKey::from_slice(&[number.max(1); 32]).expect("32 equal bytes up to 254 are a secret key");
    Keypair::from_secret_key(&Secp256k1::new(), &secret)
}

fn public_key(number: u8) -> CompressedPublicKey {
    CompressedPublicKey(keypair(number).public_key())
}

fn push(bytes: &[u8]) -> PushBytesBuf {
    PushBytesBuf::try_from(bytes.to_vec()).expect("a test pushes less than 4 GiB")
}

impl Condition {
    /// The script outside of taproot.
    pub fn script(&self) -> ScriptBuf {
        match self {
            Self::Anyone => Builder::new().push_opcode(OP_TRUE).into_script(),
            Self::Key(key) => {
                Builder::new().push_slice(public_key(*key).to_bytes()).push_opcode(OP_CHECKSIG).into_script()
            }
            Self::KeyHash(key) => Builder::new()
                .push_opcode(OP_DUP)
                .push_opcode(OP_HASH160)
                .push_slice(PubkeyHash::from(public_key(*key)).to_byte_array())
                .push_opcode(OP_EQUALVERIFY)
                .push_opcode(OP_CHECKSIG)
                .into_script(),
            Self::Multisig { needed, keys } => {
                let with_keys = keys.iter().fold(Builder::new().push_int(i64::from(*needed)), |script, key| {
                    script.push_slice(public_key(*key).to_bytes())
                });
                let count = i64::try_from(keys.len()).expect("few keys");
                with_keys.push_int(count).push_opcode(OP_CHECKMULTISIG).into_script()
            }
            Self::Script { script, .. } => script.clone(),
        }
    }

    fn leaf(&self) -> ScriptBuf {
        match self {
            Self::Key(key) => Builder::new()
                .push_slice(keypair(*key).x_only_public_key().0.serialize())
                .push_opcode(OP_CHECKSIG)
                .into_script(),
            Self::Anyone | Self::KeyHash(_) | Self::Multisig { .. } | Self::Script { .. } => self.script(),
        }
    }

    /// What satisfies the script, with signatures from `sign`.
    fn stack(&self, sign: impl Fn(u8) -> Vec<u8>) -> Vec<Vec<u8>> {
        match self {
            Self::Anyone => Vec::new(),
            Self::Key(key) => vec![sign(*key)],
            Self::KeyHash(key) => vec![sign(*key), public_key(*key).to_bytes().to_vec()],
            Self::Multisig { needed, keys } => std::iter::once(Vec::new())
                .chain(keys.iter().take(usize::from(*needed)).map(|key| sign(*key)))
                .collect(),
            Self::Script { stack, .. } => stack.clone(),
        }
    }
}

impl Lock {
    /// The output's script.
    pub fn script(&self) -> ScriptBuf {
        match self {
            Self::Bare(condition) => condition.script(),
            Self::ScriptHash(condition) => condition.script().to_p2sh(),
            Self::WitnessScriptHash(condition) => condition.script().to_p2wsh(),
            Self::NestedWitnessScriptHash(condition) => condition.script().to_p2wsh().to_p2sh(),
            Self::WitnessKeyHash(key) => ScriptBuf::new_p2wpkh(&public_key(*key).wpubkey_hash()),
            Self::NestedWitnessKeyHash(key) => Self::WitnessKeyHash(*key).script().to_p2sh(),
            Self::TaprootKey(key) => ScriptBuf::new_p2tr(&Secp256k1::new(), keypair(*key).x_only_public_key().0, None),
            Self::TaprootScript(condition) => ScriptBuf::new_p2tr_tweaked(spend_info(condition).output_key()),
            Self::FutureWitness { version, bytes } => {
                let version = WitnessVersion::try_from(*version).expect("a test names a version up to 16");
                let program = WitnessProgram::new(version, &vec![0x5a; *bytes]).expect("a test names 2 to 40 bytes");
                ScriptBuf::new_witness_program(&program)
            }
        }
    }

    /// Spends the input: its script and its witness.
    pub fn unlock(
        &self,
        tx: &Transaction,
        input: usize,
        spent: &[TxOut],
        hash_type: EcdsaSighashType,
    ) -> (ScriptBuf, Witness) {
        let value = spent[input].value;
        let legacy = |script: &ScriptBuf, key| sign_legacy(tx, input, script, key, hash_type);
        let witness_script = |condition: &Condition| {
            let script = condition.script();
            let mut stack = condition.stack(|key| sign_v0(tx, input, &script, value, key, hash_type));
            stack.push(script.into_bytes());
            Witness::from_slice(&stack)
        };
        let witness_key = |key: u8| {
            let code = Condition::KeyHash(key).script();
            let signature = sign_v0(tx, input, &code, value, key, hash_type);
            Witness::from_slice(&[signature, public_key(key).to_bytes().to_vec()])
        };
        match self {
            Self::Bare(condition) => (pushes(&condition.stack(|key| legacy(&condition.script(), key))), Witness::new()),
            Self::ScriptHash(condition) => {
                let script = condition.script();
                let mut stack = condition.stack(|key| legacy(&script, key));
                stack.push(script.into_bytes());
                (pushes(&stack), Witness::new())
            }
            Self::WitnessScriptHash(condition) => (ScriptBuf::new(), witness_script(condition)),
            Self::NestedWitnessScriptHash(condition) => {
                (pushes(&[condition.script().to_p2wsh().into_bytes()]), witness_script(condition))
            }
            Self::WitnessKeyHash(key) => (ScriptBuf::new(), witness_key(*key)),
            Self::NestedWitnessKeyHash(key) => {
                (pushes(&[Self::WitnessKeyHash(*key).script().into_bytes()]), witness_key(*key))
            }
            Self::TaprootKey(key) => {
                let tweaked = keypair(*key).tap_tweak(&Secp256k1::new(), None).to_keypair();
                (ScriptBuf::new(), Witness::from_slice(&[sign_taproot(tx, input, spent, None, &tweaked, hash_type)]))
            }
            Self::TaprootScript(condition) => {
                let leaf = condition.leaf();
                let mut stack =
                    condition.stack(|key| sign_taproot(tx, input, spent, Some(&leaf), &keypair(key), hash_type));
                let control = spend_info(condition)
                    .control_block(&(leaf.clone(), LeafVersion::TapScript))
                    .expect("the leaf stands in the tree");
                stack.extend([leaf.into_bytes(), control.serialize()]);
                (ScriptBuf::new(), Witness::from_slice(&stack))
            }
            Self::FutureWitness { .. } => (ScriptBuf::new(), Witness::new()),
        }
    }
}

fn spend_info(condition: &Condition) -> TaprootSpendInfo {
    TaprootBuilder::with_huffman_tree([(1, condition.leaf())])
        .expect("one leaf is a tree")
        .finalize(&Secp256k1::new(), keypair(200).x_only_public_key().0)
        .expect("one leaf is a whole tree")
}

/// A script of nothing but pushes.
pub(super) fn pushes(stack: &[Vec<u8>]) -> ScriptBuf {
    let push_item = |script: Builder, item: &Vec<u8>| match item.as_slice() {
        [] => script.push_opcode(OP_FALSE),
        bytes => script.push_slice(push(bytes)),
    };
    stack.iter().fold(Builder::new(), push_item).into_script()
}

fn sign_legacy(tx: &Transaction, input: usize, script: &ScriptBuf, key: u8, hash_type: EcdsaSighashType) -> Vec<u8> {
    let hash = SighashCache::new(tx)
        .legacy_signature_hash(input, script, hash_type.to_u32())
        .expect("the input is one of the transaction's");
    ecdsa(hash.to_byte_array(), key, hash_type)
}

fn sign_v0(
    tx: &Transaction,
    input: usize,
    script: &ScriptBuf,
    value: Amount,
    key: u8,
    hash_type: EcdsaSighashType,
) -> Vec<u8> {
    let hash = SighashCache::new(tx)
        .p2wsh_signature_hash(input, script, value, hash_type)
        .expect("the input is one of the transaction's");
    ecdsa(hash.to_byte_array(), key, hash_type)
}

fn ecdsa(hash: [u8; 32], key: u8, hash_type: EcdsaSighashType) -> Vec<u8> {
    let signature = Secp256k1::new().sign_ecdsa(&Message::from_digest(hash), &keypair(key).secret_key());
    mycoin_primitives::bitcoin::ecdsa::Signature { signature, sighash_type: hash_type }.to_vec()
}

/// With the same type as ECDSA's, but that the plain one is taproot's default; SINGLE without its output becomes the default.
fn sign_taproot(
    tx: &Transaction,
    input: usize,
    spent: &[TxOut],
    leaf: Option<&ScriptBuf>,
    key: &Keypair,
    hash_type: EcdsaSighashType,
) -> Vec<u8> {
    let wanted = match hash_type {
        EcdsaSighashType::All => TapSighashType::Default,
        EcdsaSighashType::Single | EcdsaSighashType::SinglePlusAnyoneCanPay if input >= tx.output.len() => {
            TapSighashType::Default
        }
        EcdsaSighashType::None => TapSighashType::None,
        EcdsaSighashType::Single => TapSighashType::Single,
        EcdsaSighashType::AllPlusAnyoneCanPay => TapSighashType::AllPlusAnyoneCanPay,
        EcdsaSighashType::NonePlusAnyoneCanPay => TapSighashType::NonePlusAnyoneCanPay,
        EcdsaSighashType::SinglePlusAnyoneCanPay => TapSighashType::SinglePlusAnyoneCanPay,
    };
    let mut cache = SighashCache::new(tx);
    let prevouts = Prevouts::All(spent);
    let hash = match leaf {
        None => cache.taproot_key_spend_signature_hash(input, &prevouts, wanted),
        Some(leaf) => {
            let leaf = mycoin_primitives::bitcoin::TapLeafHash::from_script(leaf, LeafVersion::TapScript);
            cache.taproot_script_spend_signature_hash(input, &prevouts, leaf, wanted)
        }
    };
    let hash = hash.expect("there is one spent output per input").to_byte_array();
    let signature = Secp256k1::new().sign_schnorr_no_aux_rand(&Message::from_digest(hash), key);
    mycoin_primitives::bitcoin::taproot::Signature { signature, sighash_type: wanted }.to_vec()
}

/// A transaction in the making that spends outputs of any kind.
#[derive(Debug, Clone)]
pub struct Payment {
    tx: Transaction,
    spent: Vec<Owned>,
    hash_type: EcdsaSighashType,
}

impl Payment {
    /// Spends these outputs, with final sequence numbers.
    pub fn of(spent: Vec<Owned>) -> Self {
        let input = |owned: &Owned| TxIn {
            previous_output: owned.outpoint,
            script_sig: ScriptBuf::new(),
            sequence: Sequence::MAX,
            witness: Witness::new(),
        };
        let tx = Transaction {
            version: transaction::Version::TWO,
            lock_time: LockTime::ZERO,
            input: spent.iter().map(input).collect(),
            output: Vec::new(),
        };
        Self { tx, spent, hash_type: EcdsaSighashType::All }
    }

    /// Adds an output.
    #[must_use]
    pub fn pay(mut self, script_pubkey: ScriptBuf, value: Amount) -> Self {
        self.tx.output.push(TxOut { value, script_pubkey });
        self
    }

    /// Sets the version.
    #[must_use]
    pub const fn version(mut self, version: i32) -> Self {
        self.tx.version = transaction::Version(version);
        self
    }

    /// Sets the lock time, and every input's sequence number.
    #[must_use]
    pub fn locked(mut self, lock_time: LockTime, sequence: Sequence) -> Self {
        self.tx.lock_time = lock_time;
        self.tx.input.iter_mut().for_each(|input| input.sequence = sequence);
        self
    }

    /// Sets what the signatures cover.
    #[must_use]
    pub const fn hash_type(mut self, hash_type: EcdsaSighashType) -> Self {
        self.hash_type = hash_type;
        self
    }

    /// The transaction, signed.
    pub fn sign(self) -> Transaction {
        let outputs: Vec<TxOut> = self.spent.iter().map(|owned| owned.output.clone()).collect();
        let mut signed = self.tx.clone();
        for (index, (owned, input)) in self.spent.iter().zip(&mut signed.input).enumerate() {
            (input.script_sig, input.witness) = owned.lock.unlock(&self.tx, index, &outputs, self.hash_type);
        }
        signed
    }
}
