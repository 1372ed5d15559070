//! A bulk that is too slow is halved, and the size that works is remembered.
