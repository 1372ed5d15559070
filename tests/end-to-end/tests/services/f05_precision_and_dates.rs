//! Numbers, dates and memos take the form of the destination column before they are compared.
