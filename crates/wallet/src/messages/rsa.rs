//! Messages signed by the key of an RSA lock. The format is `docs/rsa-message.md`.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use mycoin_primitives::Script;
use mycoin_script::rsa::{self, KeySize, check_spki};
use mycoin_script::rsa_lock_script;

use super::MessageError;
use super::bip322::tagged_hash;
use crate::error::WalletError;
use crate::keyring::{RsaKeyring, RsaSigner};

/// Apart from the tag under which payments are signed.
const TAG: &[u8] = b"MyCoin/RsaMessage";

/// What the key signs.
fn signed_bytes(message: &[u8]) -> [u8; 32] {
    tagged_hash(TAG, message)
}

pub(super) fn sign(keys: &RsaKeyring, message: &[u8], signer: &RsaSigner<'_>) -> Result<String, WalletError> {
    let signature = signer.sign(&signed_bytes(message))?;
    Ok(BASE64_STANDARD.encode([keys.spki(), &signature].concat()))
}

pub(super) fn verify(script: &Script, message: &[u8], signature: &str) -> Result<(), MessageError> {
    let text: String = signature.chars().filter(|character| !character.is_whitespace()).collect();
    let bytes = BASE64_STANDARD.decode(text).map_err(|_| MessageError::NotASignature)?;
    // The length of the whole says where the key ends.
    let size = KeySize::ALL.into_iter().find(|size| size.spki_bytes() + size.modulus_bytes() == bytes.len());
    let parts = size.and_then(|size| bytes.split_at_checked(size.spki_bytes()));
    let (spki, signature) = parts.ok_or(MessageError::NotASignature)?;
    check_spki(spki).map_err(|_| MessageError::NotASignature)?;
    if rsa_lock_script(spki).as_script() != script {
        return Err(MessageError::OtherAddress);
    }
    if rsa::verify(spki, &signed_bytes(message), signature) { Ok(()) } else { Err(MessageError::DoesNotHold) }
}
