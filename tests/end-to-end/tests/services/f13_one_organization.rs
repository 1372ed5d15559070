//! A store belongs to one company and one organization.
