//! The stack that a script works on.
//!
//! In:    items, and how many an operation takes.
//! Out:   items, or that there are too few of them.
//! Never: a look at what an item means.

use crate::{ScriptError, number};

/// The most items that both stacks hold together. Source: Bitcoin Core `MAX_STACK_SIZE`, script/script.h.
pub(crate) const MAX_STACK_SIZE: usize = 1_000;

/// A script's items, the last one on top.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Stack(Vec<Vec<u8>>);

impl Stack {
    pub(crate) const fn new(items: Vec<Vec<u8>>) -> Self {
        Self(items)
    }

    pub(crate) const fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn push(&mut self, item: Vec<u8>) {
        self.0.push(item);
    }

    pub(crate) fn push_bool(&mut self, truth: bool) {
        self.push(if truth { vec![1] } else { Vec::new() });
    }

    pub(crate) fn push_number(&mut self, number: i64) {
        self.push(number::encode(number));
    }

    /// Says whether there are as many items as an operation takes.
    pub(crate) const fn need(&self, items: usize) -> Result<(), ScriptError> {
        if self.0.len() < items { Err(ScriptError::InvalidStackOperation) } else { Ok(()) }
    }

    /// The place of the item that `depth` others lie on.
    const fn place(&self, depth: usize) -> Result<usize, ScriptError> {
        match self.0.len().checked_sub(depth) {
            Some(place @ 1..) => Ok(place - 1),
            Some(0) | None => Err(ScriptError::InvalidStackOperation),
        }
    }

    /// The item that `depth` others lie on: 0 is the one on top.
    pub(crate) fn peek(&self, depth: usize) -> Result<&[u8], ScriptError> {
        self.0.get(self.place(depth)?).map(Vec::as_slice).ok_or(ScriptError::InvalidStackOperation)
    }

    pub(crate) fn pop(&mut self) -> Result<Vec<u8>, ScriptError> {
        self.0.pop().ok_or(ScriptError::InvalidStackOperation)
    }

    /// Takes this many items off the top; all or none.
    pub(crate) fn drop(&mut self, items: usize) -> Result<(), ScriptError> {
        self.need(items)?;
        self.0.truncate(self.0.len() - items);
        Ok(())
    }

    /// Puts a copy of the item that `depth` others lie on on top.
    pub(crate) fn copy_up(&mut self, depth: usize) -> Result<(), ScriptError> {
        let item = self.peek(depth)?.to_vec();
        self.push(item);
        Ok(())
    }

    /// Takes the item that `depth` others lie on out and puts it on top.
    pub(crate) fn move_up(&mut self, depth: usize) -> Result<(), ScriptError> {
        let item = self.remove(depth)?;
        self.push(item);
        Ok(())
    }

    pub(crate) fn remove(&mut self, depth: usize) -> Result<Vec<u8>, ScriptError> {
        let place = self.place(depth)?;
        Ok(self.0.remove(place))
    }

    /// Puts the item below the one that `depth` others lie on.
    pub(crate) fn insert_below(&mut self, depth: usize, item: Vec<u8>) -> Result<(), ScriptError> {
        let place = self.place(depth)?;
        self.0.insert(place, item);
        Ok(())
    }

    /// The number that the item stands for which `depth` others lie on.
    pub(crate) fn number(&self, depth: usize, minimal: bool) -> Result<i64, ScriptError> {
        number::decode(self.peek(depth)?, minimal, number::NUMBER_BYTES)
    }

    /// Whether the item on top is true; an empty stack is false.
    pub(crate) fn top_is_true(&self) -> bool {
        self.0.last().is_some_and(|item| number::is_true(item))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stack(items: &[u8]) -> Stack {
        Stack::new(items.iter().map(|item| vec![*item]).collect())
    }

    #[test]
    fn depths_count_from_the_top() {
        let mut items = stack(&[1, 2, 3]);
        assert_eq!(items.peek(0), Ok(&[3][..]));
        assert_eq!(items.peek(2), Ok(&[1][..]));
        assert_eq!(items.peek(3), Err(ScriptError::InvalidStackOperation));
        items.move_up(2).expect("there are three");
        assert_eq!(items, stack(&[2, 3, 1]));
        items.copy_up(1).expect("there are three");
        assert_eq!(items, stack(&[2, 3, 1, 3]));
        items.insert_below(1, vec![9]).expect("there are four");
        assert_eq!(items, stack(&[2, 3, 9, 1, 3]));
        assert_eq!(items.drop(6), Err(ScriptError::InvalidStackOperation));
        assert_eq!(items.drop(4), Ok(()));
        assert_eq!(items, stack(&[2]));
    }
}
