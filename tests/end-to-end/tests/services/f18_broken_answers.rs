//! A truncated or foreign body is a passing fault.
