//! The RSA keys on a token: finding one, and its public half.

use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::Session;
use mycoin_script::rsa::{KeySize, check_spki};

use super::{TokenError, failed, plain};

/// An RSA private key that the token tells of.
pub(super) struct FoundKey {
    pub(super) handle: ObjectHandle,
    pub(super) label: String,
    /// Hexadecimal.
    pub(super) id: String,
    raw_id: Vec<u8>,
    can_sign: bool,
    pub(super) is_extractable: bool,
}

impl FoundKey {
    fn name(&self) -> String {
        if self.label.is_empty() { self.id.clone() } else { self.label.clone() }
    }

    /// The public key, from the private one's object or from its counterpart.
    pub(super) fn public_key(&self, session: &Session) -> Result<(Vec<u8>, KeySize), TokenError> {
        let (mut modulus, mut exponent) = numbers(session, self.handle)?;
        if modulus.is_none() || exponent.is_none() {
            let public = [
                Attribute::Class(ObjectClass::PUBLIC_KEY),
                Attribute::KeyType(KeyType::RSA),
                Attribute::Id(self.raw_id.clone()),
            ];
            let found = session.find_objects(&public).map_err(failed("looking for the public key"))?;
            for handle in found {
                let (public_modulus, public_exponent) = numbers(session, handle)?;
                if modulus.is_none() || modulus == public_modulus {
                    modulus = modulus.or(public_modulus);
                    exponent = exponent.or(public_exponent);
                }
            }
        }
        let modulus = modulus.ok_or(TokenError::NoKey)?;
        let bits = modulus.len() * 8 - modulus.first().map_or(0, |byte| byte.leading_zeros() as usize);
        let size = KeySize::ALL.into_iter().find(|size| size.bits() as usize == bits);
        let size = size.ok_or(TokenError::Size { bits })?;
        // Where nobody tells the exponent, the key must show by a signature that it is this one.
        if exponent.is_some_and(|exponent| exponent != [1, 0, 1]) {
            return Err(TokenError::Exponent);
        }
        let spki = spki(&modulus);
        check_spki(&spki).map_err(|_| TokenError::Size { bits })?;
        Ok((spki, size))
    }
}

/// A number, big-endian, where an object tells it.
type Number = Option<Vec<u8>>;

/// Modulus and public exponent of an object, without leading zeros, as far as it tells them.
fn numbers(session: &Session, handle: ObjectHandle) -> Result<(Number, Number), TokenError> {
    let wanted = [AttributeType::Modulus, AttributeType::PublicExponent];
    let told = session.get_attributes(handle, &wanted).map_err(failed("reading the public key"))?;
    let (mut modulus, mut exponent) = (None, None);
    let trimmed = |number: Vec<u8>| {
        let number: Vec<u8> = number.into_iter().skip_while(|byte| *byte == 0).collect();
        (!number.is_empty()).then_some(number)
    };
    for attribute in told {
        match attribute {
            Attribute::Modulus(number) => modulus = trimmed(number),
            Attribute::PublicExponent(number) => exponent = trimmed(number),
            _ => {}
        }
    }
    Ok((modulus, exponent))
}

/// All RSA private keys of the token.
pub(super) fn keys(session: &Session) -> Result<Vec<FoundKey>, TokenError> {
    let wanted = [Attribute::Class(ObjectClass::PRIVATE_KEY), Attribute::KeyType(KeyType::RSA)];
    let handles = session.find_objects(&wanted).map_err(failed("looking for keys"))?;
    let key = |handle| {
        let mut key = FoundKey {
            handle,
            label: String::new(),
            id: String::new(),
            raw_id: Vec::new(),
            can_sign: true,
            is_extractable: false,
        };
        let wanted = [AttributeType::Label, AttributeType::Id, AttributeType::Sign, AttributeType::Extractable];
        for attribute in session.get_attributes(handle, &wanted).map_err(failed("reading keys"))? {
            match attribute {
                Attribute::Label(label) => key.label = plain(&String::from_utf8_lossy(&label)),
                Attribute::Id(id) => {
                    key.id = id.iter().map(|byte| format!("{byte:02x}")).collect();
                    key.raw_id = id;
                }
                Attribute::Sign(can) => key.can_sign = can,
                Attribute::Extractable(is) => key.is_extractable = is,
                _ => {}
            }
        }
        Ok(key)
    };
    handles.into_iter().map(key).collect()
}

/// The only key, or the only one of that label or id.
pub(super) fn only_key(keys: Vec<FoundKey>, wanted: Option<&str>) -> Result<FoundKey, TokenError> {
    let found: Vec<String> = keys.iter().map(FoundKey::name).collect();
    let fits = |key: &FoundKey| match wanted {
        Some(wanted) => key.label == wanted || key.id.eq_ignore_ascii_case(wanted),
        None => key.can_sign,
    };
    let mut fitting = keys.into_iter().filter(fits);
    match (fitting.next(), fitting.next(), wanted) {
        (Some(key), None, _) if !key.can_sign => Err(TokenError::CannotSign),
        (Some(key), None, _) => Ok(key),
        (Some(_), Some(_), _) => Err(TokenError::SeveralKeys { found }),
        (None, _, Some(wanted)) if !found.is_empty() => Err(TokenError::KeyNotFound { wanted: plain(wanted), found }),
        (None, _, None) if !found.is_empty() => Err(TokenError::CannotSign),
        (None, _, _) => Err(TokenError::NoKey),
    }
}

/// DER SubjectPublicKeyInfo of a key with exponent 65537. Source: RFC 5280, RFC 8017 appendix A.1.1.
pub(super) fn spki(modulus: &[u8]) -> Vec<u8> {
    const RSA_ENCRYPTION: &[u8] = &[0x30, 13, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1, 5, 0];
    const EXPONENT: &[u8] = &[2, 3, 1, 0, 1];
    let positive = [&[0], modulus].concat();
    let key = der(0x30, &[der(0x02, &positive).as_slice(), EXPONENT].concat());
    der(0x30, &[RSA_ENCRYPTION, &der(0x03, &[&[0], key.as_slice()].concat())].concat())
}

/// One DER value with a length of two bytes, as all around keys of allowed sizes have.
fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let [high, low] = u16::try_from(content.len()).unwrap_or(u16::MAX).to_be_bytes();
    [&[tag, 0x82, high, low], content].concat()
}
