//! The IFs that a script stands in.
//!
//! In:    whether each IF is taken; ELSE and ENDIF.
//! Out:   whether what stands there is executed.
//! Never: the items that IFs take ([`crate::eval`]).

use crate::ScriptError;

/// The nested IFs that the script stands in. How many there are and the first that is not taken are all that matters.
///
/// Source: Bitcoin Core `ConditionStack`, script/interpreter.cpp, which makes deep nesting cheap.
#[derive(Debug, Default)]
pub(crate) struct Conditions {
    depth: usize,
    first_false: Option<usize>,
}

impl Conditions {
    pub(crate) const fn is_empty(&self) -> bool {
        self.depth == 0
    }

    pub(crate) const fn all_true(&self) -> bool {
        self.first_false.is_none()
    }

    pub(crate) const fn begin(&mut self, taken: bool) {
        if !taken && self.first_false.is_none() {
            self.first_false = Some(self.depth);
        }
        self.depth += 1;
    }

    pub(crate) fn toggle(&mut self) -> Result<(), ScriptError> {
        let top = self.depth.checked_sub(1).ok_or(ScriptError::UnbalancedConditional)?;
        match self.first_false {
            None => self.first_false = Some(top),
            Some(place) if place == top => self.first_false = None,
            // One further out is not taken, whatever this one is.
            Some(_) => {}
        }
        Ok(())
    }

    pub(crate) fn end(&mut self) -> Result<(), ScriptError> {
        self.depth = self.depth.checked_sub(1).ok_or(ScriptError::UnbalancedConditional)?;
        if self.first_false == Some(self.depth) {
            self.first_false = None;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_count_as_a_stack_would() {
        // Every sequence of eight steps, beside a plain stack of truths.
        for steps in 0..4_u32.pow(8) {
            let (mut conditions, mut plain) = (Conditions::default(), Vec::new());
            for step in 0..8 {
                let (ours, theirs) = match steps >> (2 * step) & 3 {
                    0 | 1 => {
                        let taken = steps >> (2 * step) & 1 == 1;
                        conditions.begin(taken);
                        plain.push(taken);
                        (true, true)
                    }
                    2 => (conditions.toggle().is_ok(), plain.last_mut().map(|top| *top = !*top).is_some()),
                    _ => (conditions.end().is_ok(), plain.pop().is_some()),
                };
                assert_eq!(ours, theirs);
                assert_eq!(conditions.all_true(), plain.iter().all(|taken| *taken));
                assert_eq!(conditions.is_empty(), plain.is_empty());
            }
        }
    }
}
