//! Parameters.
use crate::{Method, RpcError};
use mycoin_primitives::{BlockHash, Txid};
use serde_json::Value;

/// The parameters of one call, checked against the method's row. Names that the row does not have are a fault of the caller's code and read as absent.
#[derive(Debug, Clone)]
pub struct Params {}

impl Params {
    /// Binds named (object), positional (array) or no (null) parameters.
    ///
    /// # Errors
    ///
    /// -1, -3, -8.
    pub fn bind(_method: &'static Method, _given: Value) -> Result<Self, RpcError> {
        todo!()
    }
    /// The value, unless it is absent or null.
    pub fn value(&self, _name: &str) -> Option<&Value> {
        todo!()
    }
    /// A whole number.
    ///
    /// # Errors
    ///
    /// -8 out of range.
    pub fn opt_i64(&self, _name: &str) -> Result<Option<i64>, RpcError> {
        todo!()
    }
    /// A whole number that may not be left out.
    ///
    /// # Errors
    ///
    /// -8 out of range.
    pub fn i64(&self, _name: &str) -> Result<i64, RpcError> {
        todo!()
    }
    /// A whole number of 0 to 4294967295.
    ///
    /// # Errors
    ///
    /// -8 out of range.
    pub fn opt_u32(&self, _name: &str) -> Result<Option<u32>, RpcError> {
        todo!()
    }
    /// As `opt_u32`, but required.
    ///
    /// # Errors
    ///
    /// -8 out of range.
    pub fn u32(&self, _name: &str) -> Result<u32, RpcError> {
        todo!()
    }
    /// As `opt_u32`, 64 bits.
    ///
    /// # Errors
    ///
    /// -8 out of range.
    pub fn opt_u64(&self, _name: &str) -> Result<Option<u64>, RpcError> {
        todo!()
    }
    /// true or false.
    pub fn opt_bool(&self, _name: &str) -> Option<bool> {
        todo!()
    }
    /// 0.. or true/false for 1/0.
    ///
    /// # Errors
    ///
    /// -8 out of range.
    pub fn verbosity(&self, _name: &str, _default: u8) -> Result<u8, RpcError> {
        todo!()
    }
    /// Text.
    pub fn opt_str(&self, _name: &str) -> Option<&str> {
        todo!()
    }
    /// Text that may not be left out.
    ///
    /// # Errors
    ///
    /// -1.
    pub fn str(&self, _name: &str) -> Result<&str, RpcError> {
        todo!()
    }
    /// A block's hash.
    ///
    /// # Errors
    ///
    /// -8.
    pub fn block_hash(&self, _name: &str) -> Result<BlockHash, RpcError> {
        todo!()
    }
    /// A block's hash.
    ///
    /// # Errors
    ///
    /// -8.
    pub fn opt_block_hash(&self, _name: &str) -> Result<Option<BlockHash>, RpcError> {
        todo!()
    }
    /// A transaction's id.
    ///
    /// # Errors
    ///
    /// -8.
    pub fn txid(&self, _name: &str) -> Result<Txid, RpcError> {
        todo!()
    }
    /// Bytes.
    ///
    /// # Errors
    ///
    /// -22.
    pub fn hex(&self, _name: &str) -> Result<Vec<u8>, RpcError> {
        todo!()
    }
    /// A list.
    ///
    /// # Errors
    ///
    /// -1.
    pub fn array(&self, _name: &str) -> Result<&[Value], RpcError> {
        todo!()
    }
}
