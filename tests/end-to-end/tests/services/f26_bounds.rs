//! Pauses, links, pages and bodies have bounds that end in a clear failure.
