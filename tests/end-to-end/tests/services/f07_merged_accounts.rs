//! A merged account is no inactive account.
