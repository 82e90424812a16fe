//! The chain of filter headers along the best chain (BIP157), made when somebody asks.
//!
//! In:    blocks of the best chain and the coins that they spent.
//! Out:   a block's filter and its header.
//! Never: the disk; the headers are made anew after a start. They take 64 bytes a block.

use std::sync::{Mutex, PoisonError};

use mycoin_chain::{Chain, ChainError, IndexEntry, block_filter};
use mycoin_primitives::bitcoin::bip158::{BlockFilter, FilterHeader};
use mycoin_primitives::hashes::Hash as _;
use mycoin_primitives::{BlockHash, Height};

/// The filter headers that are known, by height.
#[derive(Debug, Default)]
pub(crate) struct Filters {
    headers: Mutex<Vec<(BlockHash, FilterHeader)>>,
}

impl Filters {
    /// The filter of a block of the best chain, and its header; `None` when the block left the best chain meanwhile.
    ///
    /// # Errors
    ///
    /// A failure of the store.
    pub(crate) fn of(
        &self,
        chain: &Chain,
        entry: &IndexEntry,
    ) -> Result<Option<(BlockFilter, FilterHeader)>, ChainError> {
        let mut headers = self.headers.lock().unwrap_or_else(PoisonError::into_inner);
        // What a reorganisation took away is at the end.
        while let Some((hash, _)) = headers.last()
            && !chain.header(hash).is_some_and(|entry| entry.on_best_chain)
        {
            headers.pop();
        }
        let wanted = entry.height.to_u32() as usize;
        while headers.len() <= wanted {
            let height = u32::try_from(headers.len()).unwrap_or(u32::MAX);
            let Some(hash) = chain.hash_at(Height::new(height)) else { return Ok(None) };
            let Some(filter) = filter_of(chain, &hash)? else { return Ok(None) };
            let before = headers.last().map_or(FilterHeader::all_zeros(), |(_, header)| *header);
            headers.push((hash, filter.filter_header(&before)));
        }
        let header = headers.get(wanted).filter(|(hash, _)| *hash == entry.hash).map(|(_, header)| *header);
        drop(headers);
        Ok(header.zip(filter_of(chain, &entry.hash)?).map(|(header, filter)| (filter, header)))
    }
}

fn filter_of(chain: &Chain, hash: &BlockHash) -> Result<Option<BlockFilter>, ChainError> {
    let (Some(block), Some(undo)) = (chain.block(hash)?, chain.undo(hash)?) else { return Ok(None) };
    Ok(Some(block_filter(&block, &undo)))
}
