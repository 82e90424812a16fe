//! The refusals that we know, in our words: text that a proxy sent is never shown as ours.
