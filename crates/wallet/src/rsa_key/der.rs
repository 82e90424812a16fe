//! As much DER as key files need: tag, length, value, one after the other.

/// Tags of DER that key files are made of.
pub(super) const SEQUENCE: u8 = 0x30;
pub(super) const INTEGER: u8 = 0x02;
pub(super) const OCTET_STRING: u8 = 0x04;
pub(super) const OBJECT_IDENTIFIER: u8 = 0x06;
const BIT_STRING: u8 = 0x03;
/// `[0]`, explicit.
pub(super) const CONTEXT_0: u8 = 0xa0;

/// The values in a stretch of DER, in turn.
#[derive(Clone, Copy)]
pub(super) struct Values<'a>(pub(super) &'a [u8]);

impl<'a> Iterator for Values<'a> {
    /// A tag and its value.
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (&[tag, short], rest) = self.0.split_first_chunk::<2>()?;
        let (length, rest) = match short {
            0x00..=0x7f => (usize::from(short), rest),
            0x81..=0x84 => {
                let (digits, rest) = rest.split_at_checked(usize::from(short - 0x80))?;
                (digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), rest)
            }
            _ => return None,
        };
        let (value, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((tag, value))
    }
}

impl<'a> Values<'a> {
    /// The next value, which must have that tag.
    pub(super) fn tagged(&mut self, wanted: u8) -> Option<&'a [u8]> {
        self.next().filter(|(tag, _)| *tag == wanted).map(|(_, value)| value)
    }

    /// What is in the next value, which must be a sequence.
    pub(super) fn enter(&mut self) -> Option<Self> {
        self.tagged(SEQUENCE).map(Self)
    }
}

/// The forms of key files, told apart by how they begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Pkcs1,
    Pkcs8,
    Encrypted,
    Pkcs12,
}

pub(super) fn form(bytes: &[u8]) -> Option<Form> {
    let mut inside = Values(bytes).enter()?;
    let first = inside.next()?;
    let second = inside.next();
    match (first, second) {
        ((INTEGER, [3]), Some((SEQUENCE, _))) => Some(Form::Pkcs12),
        ((INTEGER, [0 | 1]), Some((SEQUENCE, _))) => Some(Form::Pkcs8),
        ((INTEGER, [0]), Some((INTEGER, _))) => Some(Form::Pkcs1),
        ((SEQUENCE, _), Some((OCTET_STRING, _))) => Some(Form::Encrypted),
        _ => None,
    }
}

/// Whether it is one value with nothing after it.
pub(super) fn is_whole(bytes: &[u8]) -> bool {
    let mut values = Values(bytes);
    values.next().is_some() && values.0.is_empty()
}

/// The algorithm of a PrivateKeyInfo, and the key itself.
pub(super) fn private_key(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut inside = Values(bytes).enter()?;
    inside.tagged(INTEGER)?;
    let algorithm = inside.enter()?.tagged(OBJECT_IDENTIFIER)?;
    Some((algorithm, inside.tagged(OCTET_STRING)?))
}

/// The algorithm of a SubjectPublicKeyInfo, and the key itself.
pub(super) fn public_key(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut inside = Values(bytes).enter()?;
    let algorithm = inside.enter()?.tagged(OBJECT_IDENTIFIER)?;
    Some((algorithm, inside.tagged(BIT_STRING)?.strip_prefix(&[0])?))
}

/// Two integers of a sequence, after `skipped` others, without leading zeros: an RSA key's modulus and exponent.
pub(super) fn integers(bytes: &[u8], skipped: usize) -> Option<(&[u8], &[u8])> {
    let mut inside = Values(bytes).enter()?;
    for _ in 0..skipped {
        inside.tagged(INTEGER)?;
    }
    let (modulus, exponent) = (inside.tagged(INTEGER)?, inside.tagged(INTEGER)?);
    Some((modulus.strip_prefix(&[0]).unwrap_or(modulus), exponent.strip_prefix(&[0]).unwrap_or(exponent)))
}
