//! What a PSBT does, in words and figures for the person who is to sign it.

use mycoin_primitives::bitcoin::PublicKey;
use mycoin_primitives::bitcoin::bip32::Fingerprint;
use mycoin_primitives::bitcoin::psbt::Input;
use mycoin_primitives::{Amount, FeeRate, Network, OutPoint, Script, ScriptBuf, TxOut, Txid, address_of};

use super::coins::{SpentCoin, covers_everything, output_claims, spent_coin};
use super::finalise::{Examined, InputState};
use super::{Psbt, rsa};
use crate::keyring::{Keychain, Keyring, usual_spending_weight};
use crate::keys::KeyKind;
use crate::wallet::Wallet;

/// What a PSBT does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PsbtReview {
    /// The transaction's id.
    pub txid: Txid,
    /// Where the coins come from.
    pub inputs: Vec<PsbtInput>,
    /// Where they go.
    pub outputs: Vec<PsbtOutput>,
    /// What all inputs hold; `None` where one of them is not known.
    pub spent: Option<Amount>,
    /// What the miner gets; `None` where that is not known, or more goes out than comes in.
    pub fee: Option<Amount>,
    /// The signed transaction's size in virtual bytes, nearly: the witnesses of others can only be guessed.
    pub vsize: u64,
    /// The fee for that size.
    pub fee_rate: Option<FeeRate>,
    /// What it changes for this wallet, in base units: below zero when coins leave it.
    pub balance_change: i64,
    /// Whether every signature is there and holds.
    pub complete: bool,
    /// What to look at twice. Nothing here stops [`Wallet::sign_psbt`], which refuses by itself what is dangerous.
    pub warnings: Vec<PsbtWarning>,
}

/// One coin that a PSBT spends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PsbtInput {
    /// The coin.
    pub outpoint: OutPoint,
    /// What it holds, as far as the PSBT or the wallet tells.
    pub amount: Option<Amount>,
    /// Whether the earlier transaction proves that amount.
    pub amount_proven: bool,
    /// Its address, where it has one.
    pub address: Option<String>,
    /// Whether it is this wallet's.
    pub ours: bool,
    /// How many signatures it needs, where that is known.
    pub required: Option<usize>,
    /// Who has signed: the fingerprint of each signer's master key, or the key itself where the PSBT does not tell.
    pub signed_by: Vec<String>,
    /// Who could sign and has not.
    pub unsigned_by: Vec<String>,
    /// Whether its signatures suffice and hold.
    pub complete: bool,
}

/// One output of a PSBT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PsbtOutput {
    /// What it gets.
    pub amount: Amount,
    /// Its address, where it has one.
    pub address: Option<String>,
    /// Its script, for the outputs that have no address.
    pub script: ScriptBuf,
    /// Whose it is.
    pub role: OutputRole,
}

/// Whose an output is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OutputRole {
    /// Somebody else's, whatever the PSBT claims.
    Payment,
    /// This wallet's change: proven by deriving it from the wallet's own keys.
    Change,
    /// One of this wallet's receiving addresses, proven likewise.
    OwnAddress,
}

/// What to look at twice in a PSBT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PsbtWarning {
    /// None of its coins is this wallet's.
    NothingIsOurs,
    /// Others' coins are spent with ours.
    ForeignInputs {
        /// How many.
        count: usize,
    },
    /// A coin is not told, so the fee is not known.
    FeeUnknown,
    /// The fee is known only if the PSBT tells the truth.
    FeeUnproven,
    /// The earlier transaction says otherwise.
    CoinContradicted {
        /// The input.
        input: usize,
    },
    /// A signature is asked for that does not cover the whole payment. It is not made.
    Sighash {
        /// The input.
        input: usize,
    },
    /// A signature is there and does not hold.
    WrongSignature {
        /// The input.
        input: usize,
    },
    /// It names keys of this wallet for an output that they do not open.
    FalseChange {
        /// The output.
        output: usize,
    },
    /// More goes out than comes in.
    PaysTooMuch,
    /// The fee is more than a quarter of what is paid to others.
    HighFee {
        /// The fee in percent of it.
        percent: u64,
    },
}

/// Who looks at a PSBT: a wallet, or somebody without one.
struct Viewer<'a> {
    network: &'a Network,
    wallet: Option<&'a Wallet>,
}

impl Wallet {
    /// Says what a PSBT does, as this wallet sees it. Needs no password.
    pub fn inspect_psbt(&self, psbt: &Psbt) -> PsbtReview {
        Viewer { network: self.network(), wallet: Some(self) }.inspect(psbt)
    }
}

impl Psbt {
    /// Says what it does, as somebody sees it who owns none of its coins: every output is a payment then, change too.
    pub fn inspect(&self, network: &Network) -> PsbtReview {
        Viewer { network, wallet: None }.inspect(self)
    }
}

impl Viewer<'_> {
    fn inspect(&self, psbt: &Psbt) -> PsbtReview {
        let mut warnings = Vec::new();
        let mut coins = Vec::new();
        for at in 0..psbt.0.inputs.len() {
            coins.push(spent_coin(psbt, at, self.wallet).unwrap_or_else(|_| {
                warnings.push(PsbtWarning::CoinContradicted { input: at });
                None
            }));
        }
        let known: Option<Vec<TxOut>> =
            coins.iter().map(|coin| coin.as_ref().map(|coin| coin.output.clone())).collect();
        // Unless every coin is known, no signature can be judged.
        let states = known.as_ref().map(|spent| Examined::new(psbt, spent, self.network).states).unwrap_or_default();
        let input = |(at, coin)| self.input(psbt, at, coin, states.get(at), &mut warnings);
        let inputs: Vec<PsbtInput> = coins.iter().map(Option::as_ref).enumerate().filter_map(input).collect();
        let outputs: Vec<PsbtOutput> =
            (0..psbt.unsigned().output.len()).filter_map(|at| self.output(psbt, at, &mut warnings)).collect();

        let spent = known.as_ref().and_then(|outputs| sum(outputs.iter().map(|output| output.value)));
        let paid = sum(outputs.iter().map(|output| output.amount));
        let fee = spent.zip(paid).and_then(|(spent, paid)| spent.checked_sub(paid));
        let to_others =
            sum(outputs.iter().filter(|output| output.role == OutputRole::Payment).map(|output| output.amount));
        warnings.extend(self.warnings(&coins, spent, fee, to_others));
        let vsize = vsize(psbt, &coins, self.wallet);
        let signed = |amount: Amount| i64::try_from(amount.to_sat()).unwrap_or(i64::MAX);
        let ours_in = inputs.iter().filter(|input| input.ours).filter_map(|input| input.amount).map(signed);
        let ours_out =
            outputs.iter().filter(|output| output.role != OutputRole::Payment).map(|output| signed(output.amount));
        PsbtReview {
            txid: psbt.txid(),
            balance_change: ours_out.fold(0, i64::saturating_add).saturating_sub(ours_in.fold(0, i64::saturating_add)),
            complete: !inputs.is_empty() && inputs.iter().all(|input| input.complete),
            inputs,
            outputs,
            spent,
            fee,
            vsize,
            fee_rate: fee.map(|fee| FeeRate::of(fee, vsize)),
            warnings,
        }
    }

    fn input(
        &self,
        psbt: &Psbt,
        at: usize,
        coin: Option<&SpentCoin>,
        state: Option<&InputState>,
        warnings: &mut Vec<PsbtWarning>,
    ) -> Option<PsbtInput> {
        let input = psbt.0.inputs.get(at)?;
        let ours = coin.is_some_and(|coin| coin.origin.is_some());
        if !covers_everything(input.sighash_type) {
            warnings.push(PsbtWarning::Sighash { input: at });
        }
        if matches!(state, Some(InputState::Wrong(_))) {
            warnings.push(PsbtWarning::WrongSignature { input: at });
        }
        let required = match self.wallet.map_or(KeyKind::WatchOnly, Wallet::kind) {
            KeyKind::Multisig { required, .. } => Some(usize::from(required)),
            KeyKind::Words | KeyKind::WordsFor { .. } | KeyKind::Rsa { .. } | KeyKind::Token { .. } => Some(1),
            // A descriptor may have several ways of being satisfied.
            KeyKind::Descriptor | KeyKind::WatchOnly => None,
        };
        let (signed_by, unsigned_by) = signers(input);
        Some(PsbtInput {
            outpoint: psbt.unsigned().input.get(at)?.previous_output,
            amount: coin.map(|coin| coin.output.value),
            amount_proven: coin.is_some_and(|coin| coin.proven),
            address: coin.and_then(|coin| address_of(&coin.output.script_pubkey, self.network)),
            ours,
            required: required.filter(|_| ours),
            signed_by,
            unsigned_by,
            complete: state == Some(&InputState::Complete),
        })
    }

    fn output(&self, psbt: &Psbt, at: usize, warnings: &mut Vec<PsbtWarning>) -> Option<PsbtOutput> {
        let (paid, claimed) = (psbt.unsigned().output.get(at)?, psbt.0.outputs.get(at)?);
        let keyring = self.wallet.map(|wallet| &wallet.keyring);
        let proven = keyring.and_then(|keys| Some((keys, keys.prove(&paid.script_pubkey, output_claims(claimed))?)));
        let role = match proven {
            Some((_, origin)) if origin.keychain == Keychain::Internal => OutputRole::Change,
            // A wallet of one chain, or of one address, has its change there too.
            Some((keys, _)) if keys.change_keychain() == Keychain::External => OutputRole::Change,
            Some(_) => OutputRole::OwnAddress,
            None => OutputRole::Payment,
        };
        let own = self.fingerprints();
        if role == OutputRole::Payment && output_claims(claimed).any(|(signer, _)| own.contains(signer)) {
            warnings.push(PsbtWarning::FalseChange { output: at });
        }
        let (amount, script) = (paid.value, paid.script_pubkey.clone());
        Some(PsbtOutput { amount, address: address_of(&script, self.network), script, role })
    }

    /// The master keys that our scripts name.
    fn fingerprints(&self) -> Vec<Fingerprint> {
        match self.wallet.map(|wallet| &wallet.keyring) {
            Some(Keyring::Descriptors(keys)) => {
                keys.account_keys().into_iter().map(|(_, (signer, _))| signer).collect()
            }
            Some(Keyring::Rsa(_) | Keyring::Fixed(_)) | None => Vec::new(),
        }
    }

    fn warnings(
        &self,
        coins: &[Option<SpentCoin>],
        spent: Option<Amount>,
        fee: Option<Amount>,
        to_others: Option<Amount>,
    ) -> Vec<PsbtWarning> {
        let mut warnings = Vec::new();
        let foreign = coins.iter().filter(|coin| coin.as_ref().is_none_or(|coin| coin.origin.is_none())).count();
        if self.wallet.is_none() {
            // Nobody's coins are ours.
        } else if foreign == coins.len() {
            warnings.push(PsbtWarning::NothingIsOurs);
        } else if foreign > 0 {
            warnings.push(PsbtWarning::ForeignInputs { count: foreign });
        }
        let covers_amounts = match self.wallet.map(|wallet| &wallet.keyring) {
            Some(Keyring::Descriptors(keys)) => !keys.needs_earlier_transactions(),
            Some(Keyring::Rsa(_)) => true,
            Some(Keyring::Fixed(_)) => false,
            // These signatures cover all amounts, whoever makes them.
            None => coins.iter().flatten().all(|coin| covers_amounts(&coin.output.script_pubkey)),
        };
        match (spent, fee) {
            (None, _) => warnings.push(PsbtWarning::FeeUnknown),
            (Some(_), None) => warnings.push(PsbtWarning::PaysTooMuch),
            (Some(_), Some(_)) if !covers_amounts && coins.iter().flatten().any(|coin| !coin.proven) => {
                warnings.push(PsbtWarning::FeeUnproven);
            }
            (Some(_), Some(_)) => {}
        }
        if let (Some(fee), Some(amount)) = (fee, to_others)
            && let Some(percent) = crate::payment::high_fee(fee, amount)
        {
            warnings.push(PsbtWarning::HighFee { percent });
        }
        warnings
    }
}

/// Whether the signatures of such a coin cover the amounts of all coins: taproot, RSA locks.
fn covers_amounts(script: &Script) -> bool {
    script.is_p2tr() || mycoin_script::rsa::lock_program(script).is_some()
}

fn sum(amounts: impl Iterator<Item = Amount>) -> Option<Amount> {
    amounts.into_iter().try_fold(Amount::ZERO, |sum, amount| sum.checked_add(amount))
}

/// The size with all witnesses, as large as they can get.
fn vsize(psbt: &Psbt, coins: &[Option<SpentCoin>], wallet: Option<&Wallet>) -> u64 {
    let mut unsigned = psbt.unsigned().clone();
    for txin in &mut unsigned.input {
        (txin.script_sig, txin.witness) = Default::default();
    }
    let weight = |coin: &Option<SpentCoin>| match coin {
        Some(SpentCoin { origin: Some(_), output, .. }) => wallet
            .map_or_else(|| usual_spending_weight(&output.script_pubkey), |wallet| wallet.keyring.witness_weight()),
        Some(coin) => usual_spending_weight(&coin.output.script_pubkey),
        None => 1 + 1 + 64,
    };
    // Marker and flag of the witnesses.
    (unsigned.weight().to_wu() + 2 + coins.iter().map(weight).sum::<u64>()).div_ceil(4)
}

/// Who has signed an input, and who has not.
fn signers(input: &Input) -> (Vec<String>, Vec<String>) {
    let (mut signed, mut unsigned) = (Vec::new(), Vec::new());
    for (key, (signer, _)) in &input.bip32_derivation {
        let has = input.partial_sigs.contains_key(&PublicKey::new(*key));
        if has { &mut signed } else { &mut unsigned }.push(signer.to_string());
    }
    let unknown = input.partial_sigs.keys().filter(|key| !input.bip32_derivation.contains_key(&key.inner));
    signed.extend(unknown.map(ToString::to_string));
    for (key, (leaves, (signer, _))) in &input.tap_key_origins {
        let by_key = leaves.is_empty() && input.tap_key_sig.is_some();
        let by_script = input.tap_script_sigs.keys().any(|(signing, _)| signing == key);
        if by_key || by_script { &mut signed } else { &mut unsigned }.push(signer.to_string());
    }
    if let Some(spki) = rsa::key(input) {
        let name: String =
            mycoin_script::rsa::key_hash(spki).iter().take(4).map(|byte| format!("{byte:02x}")).collect();
        if rsa::signature(input).is_some() { &mut signed } else { &mut unsigned }.push(name);
    }
    (signed, unsigned)
}
