//! The inner loop: double SHA-256 of a block header, of which only the nonce changes.
//!
//! The first 64 of a header's 80 bytes are hashed once (the midstate). Each nonce then costs two blocks of SHA-256, with
//! the padding laid out beforehand. `bitcoin_hashes` uses the processor's SHA extensions where it finds them at run time.

use mycoin_primitives::bitcoin::consensus;
use mycoin_primitives::hashes::{Hash as _, HashEngine as _, sha256};
use mycoin_primitives::{BlockHash, Header, Target};

/// Whether this processor has the SHA extensions that hashing uses.
pub fn has_sha_extensions() -> bool {
    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    let found = std::arch::is_x86_feature_detected!("sha")
        && std::arch::is_x86_feature_detected!("sse4.1")
        && std::arch::is_x86_feature_detected!("ssse3");
    #[cfg(not(any(target_arch = "x86", target_arch = "x86_64")))]
    let found = false;
    found
}

/// A header ready to be hashed with one nonce after the other.
#[derive(Clone)]
pub(crate) struct Scan {
    after_64_bytes: sha256::HashEngine,
    /// The header's last 16 bytes, of which the last four are the nonce, and the padding of an 80-byte message.
    tail: [u8; 64],
    /// Room for the first hash, and the padding of a 32-byte message.
    second: [u8; 64],
    target: Target,
    /// The target's eight highest bytes: nearly every hash fails on these alone.
    target_top: u64,
}

impl Scan {
    pub(crate) fn new(header: &Header) -> Self {
        let bytes = consensus::serialize(header);
        let (head, rest) = bytes.split_at(64);
        let mut after_64_bytes = sha256::Hash::engine();
        after_64_bytes.input(head);
        let mut tail = padding(16, 80);
        for (to, from) in tail.iter_mut().zip(rest) {
            *to = *from;
        }
        let target = header.target();
        Self { after_64_bytes, tail, second: padding(32, 32), target, target_top: top(&target.to_le_bytes()) }
    }

    /// The header's hash with this nonce.
    #[inline]
    pub(crate) fn hash(&mut self, nonce: u32) -> [u8; 32] {
        self.tail[12..16].copy_from_slice(&nonce.to_le_bytes());
        let mut engine = self.after_64_bytes.clone();
        engine.input(&self.tail);
        // With the padding hashed, the midstate is the hash.
        self.second[..32].copy_from_slice(engine.midstate().as_ref());
        let mut engine = sha256::Hash::engine();
        engine.input(&self.second);
        engine.midstate().to_byte_array()
    }

    #[inline]
    pub(crate) fn meets_target(&self, hash: &[u8; 32]) -> bool {
        top(hash) <= self.target_top && self.target.is_met_by(BlockHash::from_byte_array(*hash))
    }
}

/// The eight highest bytes of a hash as a number. Hashes are little-endian numbers.
#[inline]
pub(crate) fn top(hash: &[u8; 32]) -> u64 {
    match hash.last_chunk::<8>() {
        Some(bytes) => u64::from_le_bytes(*bytes),
        None => u64::MAX,
    }
}

/// A last block of SHA-256: `start` bytes to fill in, then the padding of a message of `length` bytes.
fn padding(start: usize, length: u64) -> [u8; 64] {
    let mut block = [0u8; 64];
    block[start] = 0x80;
    block[56..].copy_from_slice(&(length * 8).to_be_bytes());
    block
}

#[cfg(test)]
mod tests {
    use mycoin_primitives::{Network, genesis_block};

    use super::*;

    #[test]
    fn hashes_are_those_of_headers() {
        for network in [Network::demo(), Network::mycoin(), Network::regtest()] {
            let mut header = genesis_block(&network).header;
            let mut scan = Scan::new(&header);
            assert!(scan.meets_target(&scan.clone().hash(header.nonce)), "{}", network.name);
            for nonce in [0, 1, 0xff, 0x1234_5678, u32::MAX] {
                header.nonce = nonce;
                let hash = scan.hash(nonce);
                assert_eq!(BlockHash::from_byte_array(hash), header.block_hash());
                assert_eq!(scan.meets_target(&hash), header.validate_pow(header.target()).is_ok());
            }
        }
    }
}
