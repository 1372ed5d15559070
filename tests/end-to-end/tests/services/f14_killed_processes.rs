//! After a kill or a termination signal nothing is blocked without a word.
