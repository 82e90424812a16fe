//! Which scripts are ours, and how to sign for them.
