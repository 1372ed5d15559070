//! OData query text: lexing, parsing and evaluating `$filter`, and the other query options.

pub mod bind;
pub mod filter;
pub mod joined;
pub mod lexer;
pub mod like;
pub mod members;
pub mod options;
pub mod plan;
pub mod predicate;

#[cfg(test)]
mod tests;
